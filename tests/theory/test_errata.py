"""The errata: every number again, by other means than the benchmark's."""
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ndtr

from benchmarks import errata, harness
from benchmarks.flow import REQUEST, around
from deletion.studies.fading import Unlearning
from deletion.studies.schedules import linear, step

QUICK = SimpleNamespace(quick=True)
PAGE = (Path(harness.__file__).parent / "ERRATA.md").read_text(encoding="utf-8")


def numbers(name):
    return errata.ERRATA[name](QUICK).numbers


def descended(x, y, weights):
    """Where plain gradient descent on sum_i w_i (x_i theta - y_i)^2 / 2 ends."""
    theta = 0.0
    for _ in range(200):
        theta -= 0.4 * sum(w * a * (a * theta - b) for a, b, w in zip(x, y, weights))
    return theta


def test_the_mean_of_two_and_the_weight_squared():
    two, squared = numbers("mean"), numbers("weight")
    assert two["right"] == pytest.approx(descended((1, 1), (2, 1), (1, 1))) == pytest.approx(two["truth"])
    assert two["printed"] == pytest.approx(2.0 * two["right"])
    assert squared["right"] == pytest.approx(descended((1, 1), (2, 1), (1, 0.5)))
    assert squared["printed"] == pytest.approx(descended((1, 1), (2, 1), (1, 0.25)))
    assert squared["truth"] == pytest.approx(squared["right"], abs=1e-6)
    assert abs(squared["printed"] - squared["truth"]) > 0.1


def test_the_slope_in_tau():
    """Against the flow by a Runge-Kutta method; where H and H_-j commute, merging is right."""
    x, y, horizon = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), np.array([0.0, 2.0, 2.0]), 1.0

    def cost(tau):
        theta = np.zeros(2)
        for rows, time in ((slice(0, 3), tau), (slice(1, 3), horizon - tau)):
            theta = solve_ivp(lambda t, theta: x[rows].T @ (y[rows] - x[rows] @ theta), (0.0, time), theta,
                              "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        return 0.5 * ((theta - np.linalg.lstsq(x[1:], y[1:], rcond=None)[0]) ** 2).sum()
    true, found = (cost(0.501) - cost(0.499)) / 0.002, numbers("tau")
    assert found["right"] == pytest.approx(true, rel=1e-4) and found["truth"] == pytest.approx(true, rel=1e-4)
    assert found["exponentials merged"] * true < 0.0
    commuting = errata.Switched(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]]), y, horizon)
    assert commuting.commuted(0.4) == pytest.approx(commuting.slope(0.4), rel=1e-12)


def test_they_commute_without_being_parallel_or_orthogonal():
    found = numbers("commute")
    assert found["|cosine| of x_i and x_j"] == pytest.approx(math.sqrt(0.5))
    assert found["|H H_-j - H_-j H|"] == found["|H_-j x_j - (x_j^T H_-j x_j) x_j|"] == 0.0
    whole, rest = [[3, 0], [0, 2]], [[2, 0], [0, 2]]      # by hand
    assert np.array_equal(np.matmul(whole, rest), np.matmul(rest, whole))


def test_neither_steps_nor_lines():
    """Of the three quick problems as many are won by a line on a grid of schedules."""
    count = dict.fromkeys(("step", "line", "tie"), 0)
    for seed in range(3):
        unlearning = Unlearning(*around(np.random.default_rng(seed), *REQUEST), 0.25, asked=0.06)
        least = [min(unlearning.distance(schedule(t), "optimum") for t in np.linspace(0.06, 0.25, 40))
                 for schedule in (step, lambda t: linear(0.06, t))]
        apart = (least[0] - least[1]) / max(least)
        count["tie" if abs(apart) < 1e-9 else "line" if apart > 0.0 else "step"] += 1
    assert numbers("steps")["seeds 0, 1, ..."] == count and count["line"] and sum(count.values()) == 3


def test_the_median_of_means_is_biased_and_the_mean_is_not():
    """T_1 + T_2 + T_3 by differences of plain training; 4 standard errors, one false alarm in 16,000
    seeds."""
    found, (x, y, score, schedule) = numbers("median"), errata.twenty_points()

    def trained(t):
        theta = np.zeros(2)
        for _ in schedule:
            pull = (1.0 - t * np.isin(np.arange(20), (7, 8))) * y / (1.0 + np.exp(y * (x @ theta)))
            theta = theta + pull @ x / 20
        return theta @ score
    ends = np.linspace(-0.3, 0.3, 13)
    series = np.polynomial.Polynomial.fit(ends, [trained(t) for t in ends], 12).convert().coef
    assert found["truth"] == pytest.approx(series[1:4].sum(), rel=1e-6)
    assert abs(found["mean"] - found["truth"]) < 4.0 * found["mean, +-"]
    assert found["truth"] - found["median of means"] > 4.0 * found["median of means, +-"]


def test_the_highest_order_of_the_research_code_is_off():
    off = numbers("order")
    assert off["order 1, off"] < 1e-10 > off["order 2, off"] and off["order 3, off"] > 1e-5


def test_noise_beyond_eps_1():
    """Against the closed form of what a Gaussian keeps."""
    found, sigma = numbers("noise"), math.sqrt(2.0 * math.log(1.25e5)) / 10.0
    kept = ndtr(0.5 / sigma - 10.0 * sigma) - math.exp(10.0) * ndtr(-0.5 / sigma - 10.0 * sigma)
    assert found["kept, as printed"] == pytest.approx(kept, rel=1e-6) and kept > 2e-5
    assert found["kept, analytic"] == pytest.approx(1e-5, rel=1e-4)


def test_long_rows_break_the_bound():
    """Of two rows of length x, one removed, the gradient left is x times l'(z + x u) less its tangent: nearly
    x^3 u^2 l''' / 2. The bound x^2 u^2 / 4 holds for every x up to 1."""
    found = numbers("rows")
    assert found["|gradient left| / bound"] > 1.0 > found["with the factor"]

    def ratio(x, u=1e-3):
        def slope(z):
            return -x / (1.0 + math.exp(z))
        z, p = 1.3, 1.0 / (1.0 + math.exp(1.3))
        left = slope(z + x * u) - slope(z) - x * x * u * p * (1.0 - p)
        return abs(left) / (0.25 * x * u * x * u)
    assert ratio(1.0) < 1.0 < ratio(30.0)


@pytest.mark.parametrize("name", ["mean", "weight", "tau", "commute", "noise", "rows"])
def test_the_page_shows_what_is_printed(name):
    """Those that do not depend on --quick."""
    assert errata.lines(errata.ERRATA[name](QUICK))[-1].split("numbers: ")[1] in PAGE

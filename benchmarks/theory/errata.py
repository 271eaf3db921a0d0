"""python -m benchmarks.errata: which formulas of the sources are wrong, and the numbers that show it.

Each entry compares a formula as printed and as it should be with a truth that uses neither: minimisation or
integration by SciPy, differences, contour integrals of whole trainings, exact counts. ERRATA.md explains
them.
"""
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import norm

from circuit import evaluate
from deletion import SGD, Directions, Learner, precompute
from deletion.directions.decoders import Mean, MedianOfMeans
from deletion.learner.units import Sets
from deletion.unlearning import Privacy

from . import harness, parity
from .flow import PROBLEMS, duels, won

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "census_40steps_degree3.npz"
"""A training by the paper's research code."""


@dataclass(frozen=True)
class Erratum:
    """What a source says, what is right, and numbers by name."""
    source: str
    printed: str
    right: str
    numbers: dict


# gradient flow ----------------------------------------------------------------------------------------------

def mean_of_two(options):
    """X = (1, 1)^T: the minimiser is the mean of the targets."""
    y = np.array([2.0, 1.0])
    truth = minimize_scalar(lambda theta: ((y - theta) ** 2).sum()).x
    return Erratum("lecture notes", "theta-hat = y_1 + y_2", "theta-hat = (y_1 + y_2) / 2",
                   {"printed": y.sum(), "right": y.mean(), "truth": truth})


def weight_squared(options):
    """Rows and targets times eps: the weight of the squared error is eps^2."""
    x, y, eps = np.ones(2), np.array([2.0, 1.0]), 0.5
    truth = minimize_scalar(lambda theta: (y[0] - theta) ** 2 + eps * (y[1] - theta) ** 2).x

    def limit(scale):      # of theta' = X'^T (y' - X' theta), the second row and target times `scale`
        rows = np.array([1.0, scale])
        return float(np.linalg.lstsq((rows * x)[:, None], rows * y, rcond=None)[0][0])
    return Erratum("lecture notes", "weight eps: row and target times eps", "row and target times sqrt(eps)",
                   {"printed": limit(eps), "right": limit(np.sqrt(eps)), "truth": truth})


@dataclass(frozen=True)
class Switched:
    """A flow of least squares from 0 whose row 0 counts until tau; the cost is half the squared distance at
    the horizon from the minimiser without the row."""
    x: np.ndarray
    y: np.ndarray
    horizon: float

    @property
    def parts(self):
        """H, H without row 0, and both minimisers."""
        rest = self.x[1:].T @ self.x[1:]
        return (self.x.T @ self.x, rest, np.linalg.solve(self.x.T @ self.x, self.x.T @ self.y),
                np.linalg.solve(rest, self.x[1:].T @ self.y[1:]))

    def until(self, tau):
        """theta(tau)."""
        whole, _, optimum, _ = self.parts
        return optimum - expm(-whole * tau) @ optimum

    def cost(self, tau):
        _, rest, _, target = self.parts
        return 0.5 * ((expm(-rest * (self.horizon - tau)) @ (self.until(tau) - target)) ** 2).sum()

    def slope(self, tau):
        """(theta(T) - target)^T e^{-H_-j (T - tau)} x_j (y_j - x_j^T theta(tau))."""
        _, rest, _, target = self.parts
        left = expm(-rest * (self.horizon - tau))
        pull = self.x[0] * (self.y[0] - self.x[0] @ self.until(tau))
        return float(left @ (self.until(tau) - target) @ left @ pull)

    def commuted(self, tau):
        """The same with e^{-H_-j (T - tau)} e^{-H tau} merged into e^{-H_-j (T - tau) - H tau}."""
        whole, rest, optimum, target = self.parts
        left, merged = expm(-rest * (self.horizon - tau)), expm(-rest * (self.horizon - tau) - whole * tau)
        end = left @ (optimum - target) - merged @ optimum
        return float(end @ (left @ rest @ (optimum - target) + np.outer(self.x[0], self.x[0]) @ merged
                            @ optimum))


def slope_in_tau(options):
    """Three rows, H no multiple of the identity: the derivative in tau, against differences."""
    x, y, tau, step = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 1.0]]), np.array([0.0, 2.0, 2.0]), 0.5, 1e-4
    flow = Switched(x, y, horizon=1.0)
    truth = (flow.cost(tau + step) - flow.cost(tau - step)) / (2.0 * step)
    return Erratum("lecture notes", "d/dtau with e^{-H_-j (T - tau)} e^{-H tau} as one exponential",
                   "(theta(T) - theta*_-j)^T e^{-H_-j (T - tau)} x_j (y_j - x_j^T theta(tau))",
                   {"exponentials merged": flow.commuted(tau), "right": flow.slope(tau), "truth": truth})


def commuting(options):
    """x_j = (1, 0) beside (1, 1) and (1, -1): neither parallel nor orthogonal, and yet they commute."""
    x = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
    whole, rest = x.T @ x, x[1:].T @ x[1:]
    cosines = np.abs(x[1:] @ x[0]) / np.linalg.norm(x[1:], axis=1)
    return Erratum("lecture notes", "H and H_-j commute if and only if every x_i is parallel or orthogonal "
                   "to x_j", "they commute if and only if x_j is an eigenvector of H_-j",
                   {"|cosine| of x_i and x_j": cosines.max(),
                    "|H_-j x_j - (x_j^T H_-j x_j) x_j|": np.linalg.norm(rest @ x[0] - rest[0, 0] * x[0]),
                    "|H H_-j - H_-j H|": np.linalg.norm(whole @ rest - rest @ whole)})


def steps_and_lines(options):
    """In how many random problems the best step, or the best line, ends nearer to the retrained optimum."""
    count = 3 if options.quick else PROBLEMS
    return Erratum("lecture notes", "steps are better than decay", "neither is better in general",
                   {name: won(duels(range(first, first + count), 1 if options.quick else 4))
                    for name, first in (("seeds 0, 1, ...", 0), ("seeds 100, 101, ...", 100))})


# sketches ---------------------------------------------------------------------------------------------------

def twenty_points():
    """Logistic regression on twenty points, and a linear score."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(20, 2)), rng.normal(size=20)
    y = np.where(x[:, 0] - x[:, 1] + noise > 0, 1.0, -1.0)
    return x, y, np.array([1.0, 0.5]), np.tile(np.arange(20), (30, 1))


def contour(x, y, score, steps, h, degree):
    """T_0, ..., T_degree along h, from plain gradient descent at 64 complex weights on a circle."""
    t = 0.5 * np.exp(2j * np.pi * np.arange(64) / 64)
    theta = np.zeros((64, x.shape[1]), complex)
    for _ in range(steps):
        pull = (1.0 - t[:, None] * h) * y / (1.0 + np.exp(y * (theta @ x.T)))
        theta = theta + pull @ x / len(x)
    return (np.fft.fft(theta @ score) / 64)[:degree + 1].real / 0.5 ** np.arange(degree + 1)


def median_of_means(options, size=63, groups=21, degree=3):
    """Many small sketches of one learner, each answered by its mean and by its median of means."""
    x, y, score, schedule = twenty_points()
    learner = Learner(np.zeros(2), list(zip(x, y)), lambda w, x, y: np.logaddexp(0.0, -y * (x @ w)), SGD(1.0),
                      schedule)
    h, many = np.isin(np.arange(20), (7, 8)).astype(float), 40 if options.quick else 400
    drawn = np.random.default_rng(1).normal(size=(size * many, 20, 2)) @ (1.0, 1j)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    measured = precompute(learner, drawn, degree, calibration=0).measure(lambda w: w @ score)
    answers = {"mean": [], "median of means": []}
    for first in range(0, len(drawn), size):
        directions = Directions(drawn[first:first + size], "sphere")
        c = measured.coefficients[first:first + size, :, None]
        for name, decoder in (("mean", Mean(directions, c)),
                              ("median of means", MedianOfMeans(directions, c, groups))):
            answers[name].append(decoder(Sets.of(h)).change.item())
    numbers = {"truth": contour(x, y, score, len(schedule), h, degree)[1:].sum()}
    for name, values in answers.items():
        numbers |= {name: np.mean(values), f"{name}, +-": np.std(values, ddof=1) / np.sqrt(many)}
    return Erratum("version 0.1 of this project", "the median of means is unbiased",
                   "it is consistent and robust, and biased where estimates are skewed; the mean is unbiased",
                   numbers)


def highest_order(options):
    """The research code's coefficients of 40 steps, degree 3, against 32 trainings at complex weights."""
    data = parity.load(GOLDEN)
    learner, t = parity.learner_of(data), np.exp(2j * np.pi * np.arange(32) / 32)
    theta = learner.train(1.0 - t[:, None] * data["downweight_direction"], progress=False)[0]
    losses = evaluate(learner.measurement(learner.loss_on(str(data["test_doc"]))), [theta])[0]
    off = parity.errors(data["test_loss"], (np.fft.fft(losses) / 32)[:4])
    return Erratum("the paper's research code", "GELU's Taylor polynomial of degree p is differentiated for "
                   "gradients", "the derivative needs a polynomial of degree p of its own: order p lacks a "
                   "term", {f"order {r}, off": off[r] for r in range(1, 4)})


# promises ---------------------------------------------------------------------------------------------------

def gaussian_noise(options):
    """eps = 10, delta = 1e-5, sensitivity 1: the delta that is kept, by integration of max(p - e^eps q,
    0)."""
    eps, delta = 10.0, 1e-5

    def kept(sigma):
        edge = eps * sigma ** 2 - 0.5      # beyond, the density around 0 is more than e^eps that around -1
        return quad(lambda x: norm.pdf(x, 0.0, sigma) - np.exp(eps) * norm.pdf(x, -1.0, sigma), edge,
                    edge + 20.0 * sigma, epsabs=1e-12)[0]
    classical, analytic = np.sqrt(2.0 * np.log(1.25 / delta)) / eps, Privacy(eps, delta).sigma(1.0)
    return Erratum("papers on unlearning with noise", "sigma = Delta sqrt(2 ln(1.25 / delta)) / eps",
                   "this holds for eps <= 1 only; beyond, the analytic Gaussian mechanism",
                   {"promised delta": delta, "kept, as printed": kept(classical),
                    "kept, analytic": kept(analytic)})


def long_rows(options, length=100.0, penalty=100.0):
    """Logistic regression whose rows have norm 100: the gradient that a Newton removal leaves, against its
    bound gamma |X| |u| |X u|, gamma = 1/4, with and without the factor max |x_i|."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2))
    x *= length / np.linalg.norm(x, axis=1, keepdims=True)
    y = np.where(x[:, 0] + 0.3 * length * rng.normal(size=100) > 0.0, 1.0, -1.0)

    def newton(theta, rows):      # (gradient of what is kept, Newton's step)
        p = expit(-y[rows] * (x[rows] @ theta))
        slope = penalty * theta - (y[rows] * p) @ x[rows]
        return slope, np.linalg.solve((x[rows].T * (p * (1.0 - p))) @ x[rows] + penalty * np.eye(2), -slope)
    theta = np.zeros(2)
    for _ in range(50):
        theta = theta + newton(theta, slice(None))[1]
    ratios = []
    for row in range(len(x)):
        kept = np.arange(len(x)) != row
        _, u = newton(theta, kept)
        bound = 0.25 * np.linalg.norm(x[kept], 2) * np.linalg.norm(u) * np.linalg.norm(x[kept] @ u)
        ratios.append(np.linalg.norm(newton(theta + u, kept)[0]) / bound)
    return Erratum("certified removal", "|gradient left| <= gamma |X| |u| |X u|", "rows of norm at most 1 "
                   "are assumed; otherwise the bound gains the factor max |x_i|",
                   {"|gradient left| / bound": max(ratios), "with the factor": max(ratios) / length})


ERRATA: dict[str, Callable] = {
    "mean": mean_of_two, "weight": weight_squared, "tau": slope_in_tau, "commute": commuting,
    "steps": steps_and_lines, "median": median_of_means, "order": highest_order, "noise": gaussian_noise,
    "rows": long_rows}


def shown(value):
    """A number in four digits; other results as they are."""
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def lines(erratum):
    """What is printed of an erratum."""
    numbers = ", ".join(f"{name} {shown(value)}" for name, value in erratum.numbers.items())
    return [f"{erratum.source}: {erratum.printed}", f"   right: {erratum.right}", f"   numbers: {numbers}"]


def printing(entry):
    """An entry as a part that prints."""
    def part(options):
        print("\n".join(lines(entry(options))))
    part.__doc__ = " ".join(entry.__doc__.split())
    return part


def main():
    options = harness.parser("errata", __doc__, ERRATA, quick=None).parse_args()
    harness.parts({name: printing(entry) for name, entry in ERRATA.items()}, options)
    return 0


if __name__ == "__main__":
    harness.run(main)

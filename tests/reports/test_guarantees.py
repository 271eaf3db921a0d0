"""Do the rules keep their bounds, and would it be seen if they did not? Seeded runs; extremal quadratics; a
distinguisher of noise."""
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.guarantees import (descending, distance, excess, extremal, far_apart, logistic, reached,
                                   rewinding, stepping, unscaled, whole)
from deletion import Objective
from deletion.unlearning import (
    CertifiedRemoval, Constants, Descent, GradientAscent, MinMax, NaturalGradient, Privacy, Rewind, certify,
    logistic_bounds)


@pytest.mark.parametrize("measured, runs", [(rewinding, 200), (descending, 200), (stepping, 60)])
def test_no_distance_exceeds_its_bound(measured, runs):
    """No false alarms: bounds are certain."""
    ratios = {}
    for seed in range(runs):
        for name, ratio in measured(seed).items():
            assert 0.0 <= ratio <= 1.0, f"{name}, seed {seed}: {ratio:.3g} times the bound"
            ratios.setdefault(name, []).append(ratio)
    assert all(max(x) > 1e-4 for x in ratios.values()) and all(len(x) >= runs // 2 for x in ratios.values())


def test_a_bound_a_hundred_times_too_small_would_be_seen():
    """Quadratics come to more than 3% of every bound (to all of ours), so a hundredth of it is exceeded."""
    for name, ratio in reached().items():
        assert 0.03 < ratio <= 1.0 + 1e-9, name
    assert max(stepping(seed)["certified removal"] for seed in range(10)) > 0.03


def test_rewinding_reaches_its_bound_with_weight_zero_too():
    """The deleted example pulls with the whole gradient bound, and curvature -1 drives trainings apart as
    fast as may be."""
    learner, constants = extremal(-1.0, 1.0), Constants(1.0, 1.0)
    for steps in (0, 10, 39):
        rule = Rewind(steps, constants=constants)
        rewound, retrained = (Rewind(k).answer(learner, [[0]], whole).parameters[0] for k in (steps, 40))
        bound = rule.sensitivity(learner, learner.downweight([0])[None])[0]
        assert distance(rewound, retrained) == pytest.approx(bound, rel=1e-9)


def test_descent_adds_its_errors_up_as_the_paper_does():
    """error <- gamma^I (error + 2 w L / (m n)) from request to request, n shrinking; the sensitivity is that
    and what training leaves."""
    learner, constants, steps = logistic(3), Constants(0.35, 1.0, 0.1), 3
    rule, gamma = Descent(constants, steps, radius=10.0), (0.35 - 0.1) / (0.35 + 0.1)
    state, n, error = rule.train(learner), 24.0, gamma ** steps * 2.0 / (0.1 * 24)
    assert state.error == pytest.approx(error, rel=1e-12)
    for units in ([3], [5, 0, 11], [7, 8]):
        state = rule.request(learner, state, units)
        error = gamma ** steps * (error + 2.0 * len(units) / (0.1 * n))
        n -= len(units)
        expected = error + gamma ** steps * 2.0 / (0.1 * n)
        assert [state.error, rule.sensitivity(learner, state)] == pytest.approx([error, expected], rel=1e-12)


def test_certified_removals_bound_is_the_published_one():
    """|Z|_2 |u| |Z u| / 4, Z the rows that remain and u the step."""
    learner = logistic(5)
    model = certify(learner, Privacy(1e3, 1e-5), 1.0, seed=1)
    after = model.remove([4, 9])
    rows = np.array([x * y for x, y in learner.examples])[np.delete(np.arange(24), [4, 9])]
    step = after.theta - model.theta
    expected = 0.25 * np.linalg.svd(rows)[1][0] * np.linalg.norm(step) * np.linalg.norm(rows @ step)
    assert after.spent - model.spent == pytest.approx(expected, rel=1e-9)


def test_certified_removal_needs_scaled_rows():
    """With rows fifty times too long its bound fails on some of 20 seeds."""
    assert max(unscaled(seed) for seed in range(20)) > 1.0


@pytest.mark.parametrize("privacy, kind",
                         [(Privacy(0.5, 0.01), "sigma"), (Privacy(0.5, 0.01), "analytic_sigma"),
                          (Privacy(3.0, 0.01), "sigma"), (Privacy(1.0, 0.001), "concentrated_sigma")])
def test_noise_hides_what_it_should(privacy, kind):
    """The best distinguisher proves nothing against the promise (false alarms: at most 1e-6), and a tenth of
    the noise is found out."""
    *pair, bound = far_apart()
    assert distance(*pair) == pytest.approx(bound, rel=1e-9)      # as far apart as the bound allows
    sigma = getattr(privacy, kind)(bound)
    assert excess(*pair, sigma, privacy, draws=100_000) <= 0.0
    assert excess(*pair, 0.1 * sigma, privacy, draws=100_000) > 0.1


def test_the_script_says_whether_promises_were_kept(tmp_path):
    result = subprocess.run([sys.executable, "-m", "benchmarks.guarantees", "--runs", "3", "--quick", "--out",
                             str(tmp_path)], capture_output=True, text=True, env=os.environ)
    assert result.returncode == 0 and "every promise kept" in result.stdout, result.stderr
    assert (tmp_path / "guarantees.json").exists()
    assert (tmp_path / "guarantees.png").read_bytes().startswith(b"\x89PNG")
    assert not np.any(["Warning" in line for line in result.stderr.splitlines()])


# what answers state in numbers ------------------------------------------------------------------------------

def test_bounds_stand_in_the_diagnostics_too():
    """The numbers that the notes print, before they were rounded; the arrays have a number for each set."""
    learner = logistic(5)
    constants, sets = logistic_bounds(learner), [[3], [5, 0, 11]]
    for rule in (Descent(constants, 20), Rewind(3, rows="dropped", constants=constants),
                 NaturalGradient(constants=constants, features=1.0)):
        answer = rule.answer(learner, sets, whole)
        bound, sigma = answer.diagnostics["sensitivity"], answer.diagnostics["sigma"]
        assert f"sensitivity at most {np.max(bound):.3g}; noise sigma {sigma:.3g} for" in answer.notes[-1]
        assert np.ndim(bound) == 0 or len(bound) == 2 and bound[0] < bound[1]
        assert answer.diagnostics["hessian_lipschitz"] == pytest.approx(1.0 / (6.0 * np.sqrt(3.0)))
    account = CertifiedRemoval(scale=100.0).answer(learner, sets, whole).diagnostics
    assert account["spent_by_training"] < account["spent"][0] < account["spent"][1] <= account["budget"]
    assert GradientAscent(rate=0.5).answer(learner, sets, whole).diagnostics == {"rate": 0.5}


def test_damping_is_added_to_the_curvature_of_the_sum():
    """The default of MinMax grows with the number of examples: a thousandth for each of these 24."""
    learner = logistic(4)
    damped, default = (MinMax(0, damping=x).answer(learner, [[2, 9]], whole).parameters
                       for x in (0.024, None))
    assert np.array_equal(damped, default)
    step, scaled = (NaturalGradient(x).answer(learner, [[2, 9]], whole).change[0] for x in (0.0, 1e6))
    gradient = Objective(learner).gradient(learner.trained, learner.downweight([2, 9]), regularizer=False)
    assert np.allclose(1e6 * scaled, gradient, rtol=1e-4) and np.linalg.norm(scaled) < np.linalg.norm(step)


def test_the_former_name_of_the_hessians_constant_warns():
    with pytest.warns(DeprecationWarning, match="hessian_lipschitz"):
        constants = Constants(1.0, 1.0, bend=0.5)
    assert constants == Constants(1.0, 1.0, hessian_lipschitz=0.5)
    with pytest.warns(DeprecationWarning, match="hessian_lipschitz"):
        assert constants.bend == 0.5

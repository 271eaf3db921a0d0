"""Solvers: against NumPy's direct one, a Neumann series added up, and systems built to be refused."""
import numpy as np
import pytest
from checks import close

from deletion import DoesNotApply, LearnerError
from deletion.curvature.eigenvalues import eigenvalue_range, largest_eigenvalue
from deletion.curvature.solvers import Factor
from deletion.influence import solve


UNFINISHED = (r" did not converge: after 3 iterations the relative residual is 0\.\d+, above the tolerance "
              "1e-10")
SOLVERS = pytest.mark.parametrize("solver", ["cholesky", "cg", "lissa"])


def with_eigenvalues(values, rng):
    basis = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    return (basis * values) @ basis.T


@SOLVERS
@pytest.mark.parametrize("as_function", [False, True])
def test_solvers_solve(solver, as_function, rng):
    matrix, b = with_eigenvalues(np.linspace(0.5, 9.0, 20), rng), rng.normal(size=(6, 20))
    b[2] = 0.0
    curvature = (lambda v: v @ matrix) if as_function else matrix
    computed = solve(curvature, b, 0.25, solver=solver, tolerance=1e-12)
    assert close(computed.x, np.linalg.solve(matrix + 0.25 * np.eye(20), b.T).T, 1e-11)
    left = np.linalg.norm(b - computed.x @ matrix - 0.25 * computed.x, axis=1)
    size = np.linalg.norm(b, axis=1)
    assert np.allclose(computed.residual, left / np.where(size > 0, size, 1.0), rtol=0.0, atol=1e-13)
    assert computed.residual.max() < 1e-11
    assert (computed.x[2] == 0.0).all() and computed.residual[2] == 0.0


def test_conjugate_gradients_take_a_step_for_every_eigenvalue(rng):
    """Three different eigenvalues of twenty: three steps in exact arithmetic, and here no more than five."""
    matrix, b = with_eigenvalues(np.resize([0.5, 2.0, 9.0], 20), rng), rng.normal(size=(6, 20))
    computed = solve(matrix, b, solver="cg", tolerance=1e-10, limit=5)
    assert close(computed.x, np.linalg.solve(matrix, b.T).T, 1e-9)
    with pytest.raises(DoesNotApply, match="after 2 iterations"):
        solve(matrix, b, solver="cg", tolerance=1e-10, limit=2)


def test_an_early_end_is_told_by_its_residual(rng):
    matrix, b = with_eigenvalues(np.linspace(0.5, 9.0, 20), rng), rng.normal(size=(3, 20))
    rough, fine = (solve(matrix, b, solver="lissa", tolerance=t, scale=10.0) for t in (0.1, 1e-3))
    assert rough.iterations < fine.iterations and 0.01 < rough.residual.max() <= 0.1
    assert fine.residual.max() <= 1e-3
    # what LiSSA stands for
    series = sum(np.linalg.matrix_power(np.eye(20) - matrix / 10.0, j) for j in range(rough.iterations))
    assert close(rough.x, b @ series / 10.0, 1e-12)


@pytest.mark.parametrize("solver, message",
                         [("cholesky", r"smallest eigenvalue is -0\.5, the largest 9"),
                          ("cg", r"met the curvature -0\.\d"),
                          ("lissa", r"LiSSA diverges.*curvature -0\.\d+, which is negative")])
def test_negative_curvature_is_refused_with_its_value(solver, message, rng):
    matrix = with_eigenvalues(np.r_[-0.5, np.linspace(1.0, 9.0, 19)], rng)
    with pytest.raises(DoesNotApply, match=message + ".*give .more. damping"):
        solve(matrix, rng.normal(size=(4, 20)), solver=solver)
    assert solve(matrix, rng.normal(size=(4, 20)), 1.0, solver=solver).residual.max() < 1e-9


@SOLVERS
def test_a_singular_curvature_is_refused(solver, rng):
    matrix = with_eigenvalues(np.r_[0.0, np.linspace(1.0, 9.0, 19)], rng)
    with pytest.raises(DoesNotApply, match="not positive definite|did not converge|nearly singular"):
        solve(matrix, rng.normal(size=(4, 20)), solver=solver)
    with pytest.raises(DoesNotApply):
        solve(np.zeros((20, 20)), rng.normal(size=(4, 20)), solver=solver)


@pytest.mark.parametrize("options, message", [
    ({"solver": "lissa", "scale": 1.0}, "LiSSA diverges.*more than twice the scale 1: give a larger scale"),
    ({"solver": "lissa", "limit": 3}, "LiSSA" + UNFINISHED),
    ({"solver": "cg", "limit": 3}, "conjugate gradients" + UNFINISHED),
    ({"solver": "cg", "tolerance": 1e-18}, "nearly singular|did not converge|relative residual"),
    ({"solver": "qr"}, "no solver 'qr'"),
    ({"damping": -1.0}, "damping: expected one number >= 0"),
    ({"damping": np.nan}, "damping: expected finite"),
    ({"tolerance": 0.0}, "tolerance: expected one number"),
    ({"limit": True}, "limit: expected a whole number"),
    ({"scale": 0.0}, "scale: expected one number"),
])
def test_what_solvers_cannot_do_is_named(options, message, rng):
    matrix = with_eigenvalues(np.linspace(0.5, 9.0, 20), rng)
    with pytest.raises(LearnerError, match=message):
        solve(matrix, rng.normal(size=(4, 20)), **options)


@pytest.mark.parametrize("matrix, b",
                         [(np.eye(3), np.zeros(3)), (np.eye(3), np.zeros((0, 3))),
                          (np.eye(2), np.zeros((1, 3))), (np.triu(np.ones((3, 3))), np.ones((1, 3))),
                          (np.full((3, 3), np.nan), np.ones((1, 3)))])
def test_systems_that_are_none_are_named(matrix, b):
    with pytest.raises(LearnerError):
        solve(matrix, b)


def test_products_of_another_shape_are_named():
    with pytest.raises(LearnerError, match="expected the shape of its vectors"):
        solve(lambda v: v[:, :1], np.ones((1, 2)), solver="cg")


# eigenvalues and the factor -------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [5, 16, 17, 60])
@pytest.mark.parametrize("low, high", [(0.5, 9.0), (-9.0, 3.0), (-2.0, 7.0)])
def test_extreme_eigenvalues(size, low, high, rng, monkeypatch):
    """From a matrix, and beyond a size by Lanczos iteration to one part in a thousand."""
    matrix = with_eigenvalues(np.linspace(low, high, size), rng)
    largest = max(abs(low), abs(high))
    assert largest_eigenvalue(lambda v: v @ matrix, size) == pytest.approx(largest, rel=2e-3)
    assert eigenvalue_range(lambda v: v @ matrix, size) == pytest.approx((low, high), rel=1e-12)
    monkeypatch.setattr("deletion.curvature.eigenvalues.MAX_DENSE", 4)
    assert eigenvalue_range(lambda v: v @ matrix, size) == pytest.approx((low, high), abs=2e-3 * largest)


@pytest.mark.parametrize("size", [3, 40])
def test_without_curvature_eigenvalues_are_zero(size, monkeypatch):
    monkeypatch.setattr("deletion.curvature.eigenvalues.MAX_DENSE", 4)
    assert largest_eigenvalue(np.zeros_like, size) == 0.0
    assert eigenvalue_range(np.zeros_like, size) == (0.0, 0.0)
    # a smallest eigenvalue that is rounding counts as zero
    assert eigenvalue_range(lambda v: v * np.array([1.0, -1e-15]), 2) == (0.0, 1.0)


def test_a_factor_solves_and_changes_variables(rng):
    matrix = with_eigenvalues(np.linspace(0.5, 9.0, 6), rng)
    factor, b = Factor(matrix, 0.5), rng.normal(size=6)
    inverse = np.linalg.inv(matrix + 0.5 * np.eye(6))
    assert close(factor.solve(b), inverse @ b, 1e-12)
    assert close(factor.solve(np.array([b, 2.0 * b])), np.array([inverse @ b, 2.0 * inverse @ b]), 1e-12)
    assert factor.whiten(b) @ factor.whiten(b) == pytest.approx(b @ inverse @ b, rel=1e-12)
    assert close(factor.unwhiten(factor.whiten(b)), inverse @ b, 1e-12)
    with pytest.raises(DoesNotApply, match=r"^the metric is not positive definite: with damping 0, the "
                       r"smallest eigenvalue is -\S+, the largest 8.5; pull less"):
        Factor(matrix - 0.5001 * np.eye(6), 0.0, "the metric", "pull less")

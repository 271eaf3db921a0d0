"""The peers of benchmarks/peers.py calculate the same numbers as the library: what is compared for speed is
the same work."""
import numpy as np
import pytest

from benchmarks import parity, peer_scalar, peers
from circuit import InputError
from deletion import retrain, sphere
from microgpt import names


def test_the_scalar_peer_makes_the_same_coefficients():
    learner, psi = names(steps=2), sphere(1, 2, 3).psi
    result = np.array(peer_scalar.train(learner, psi[0], 3, 2))
    assert parity.errors(result, peers.coefficients(peers.pushed(learner, psi))[0]).max() < 1e-10


def test_without_jax_its_rows_are_left_out(monkeypatch, capsys):
    monkeypatch.setattr(peers, "jax_installed", lambda: False)
    monkeypatch.setattr(peers, "scalar_row", lambda options: [])
    monkeypatch.setattr("sys.argv", ["peers", "--quick", "--repeats", "1"])
    assert peers.main() == 0
    printed = capsys.readouterr().out
    assert "JAX is not installed: its rows are skipped" in printed and "library, batched" in printed
    assert "JAX, batched" not in printed


def test_what_is_not_right_is_not_timed():
    numbers = np.array([[1.0, 2.0], [3.0, 4.0]])
    for wrong in (numbers * (1 + 1e-6), numbers * np.nan):
        with pytest.raises(InputError, match="are not timed"):
            peers.verified("a peer", wrong, numbers, 1e-10)


def test_ratios_are_those_of_single_repetitions():
    result = peers.row("a peer", np.array([4.0, 9.0, 5.0]), np.array([1.0, 3.0, 1.0]), "", equations=2.0)
    assert (result["ratio"], result["ratio_min"], result["ratio_max"],
            result["seconds_per_direction_step"]) == (8.0, 6.0, 10.0, 5.0)


@pytest.fixture(scope="module")
def peer_jax():
    pytest.importorskip("jax")
    from benchmarks import peer_jax
    return peer_jax


def test_jet_makes_the_same_coefficients(peer_jax):
    learner, psi = peers.typical(3), sphere(4, 3, 3).psi.real
    result = peer_jax.Jet(learner, psi, threads=2, degree=3).run()
    assert parity.errors(result, peers.coefficients(peers.pushed(learner, psi))).max() < 1e-10


def test_the_contour_makes_the_same_coefficients_but_for_aliasing(peer_jax, monkeypatch):
    learner, psi = peers.typical(3), sphere(2, 3, 3).psi
    expected = peers.coefficients(peers.pushed(peers.with_tanh_gelu(learner), psi))
    errors = []
    for radius in (0.05, 0.1):
        monkeypatch.setattr(peer_jax, "RADIUS", radius)
        contour = peer_jax.Contour(learner, psi, threads=2, degree=3)
        errors.append(parity.errors(contour.run(), expected).max())
    assert errors[0] < peers.CONTOUR
    assert errors[1] == pytest.approx(2 ** peer_jax.POINTS * errors[0], rel=0.05)


def test_jax_trains_to_the_same_parameters(peer_jax):
    learner = names(steps=3)
    weights = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    result = peer_jax.Trainings(learner, weights, threads=2).run()
    assert np.abs(result - retrain(learner, weights=weights, progress=False)).max() < 1e-12

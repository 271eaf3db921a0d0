"""The peers of benchmarks/peers.py calculate the same numbers as the library: what is compared for speed is
the same work."""
import numpy as np
import pytest

from benchmarks import parity, peer_scalar, peers
from benchmarks.truth import Several
from circuit import InputError
from deletion import retrain, sphere
from deletion.influence import metagradient
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
    assert "JAX is not installed: its rows are skipped" in printed and "NumPy, one alone" in printed
    assert "JAX, one alone" not in printed and "gradient of" not in printed


def test_what_is_not_right_is_not_timed():
    numbers = np.array([[1.0, 2.0], [3.0, 4.0]])
    for wrong in (numbers * (1 + 1e-6), numbers * np.nan):
        with pytest.raises(InputError, match="are not timed"):
            peers.verified("a peer", wrong, numbers, 1e-10)


def test_the_fastest_candidate_is_taken(monkeypatch, capsys):
    class Peer:
        def run(self):
            pass
    times = iter([4.0, 6.0, 3.0])
    monkeypatch.setattr(peers.harness, "seconds", lambda call, repeats: [next(times)])
    candidates = [("one", 1, Peer()), ("three together", 3, Peer()), ("another", 1, Peer())]
    assert peers.fastest(candidates) is candidates[1]
    assert "three together: 2.000 s" in capsys.readouterr().out


def test_numpy_trains_to_the_same_parameters():
    learner, weights = names(steps=4), np.array([1.0, 0.5, 0.0, 1.0])
    expected = retrain(learner, weights=weights[None], progress=False)[0]
    assert np.abs(peers.numpy_training(learner, weights) - expected).max() < 1e-12


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


@pytest.fixture(scope="module")
def several_lengths():
    """A learner whose names differ in length, one of them used twice."""
    learner = names(steps=4)
    assert len({len(example[0]) for example in learner.examples}) > 1
    parameters = learner.layout.split(learner.layout.initial)
    return peers.NameLearner(learner.documents, learner.tokenizer, parameters, steps=5)


@pytest.mark.parametrize("way", ["branches", "padded"])
def test_a_scan_trains_to_the_same_parameters(peer_jax, several_lengths, way):
    from benchmarks.peer_jax_gradient import Scan
    weights = np.array([[1.0, 1.0, 0.0, 1.0], [0.5, 1.0, 1.0, 1.0]])
    expected = retrain(several_lengths, weights=weights, progress=False)
    for threads in (1, 2):
        result = Scan(several_lengths, weights, threads, way).run()
        assert result.shape == expected.shape and np.abs(result - expected).max() < 1e-12


@pytest.mark.parametrize("way, count, threads", [("branches", 1, 1), ("padded", 3, 1), ("padded", 3, 2)])
def test_jax_makes_the_same_gradient(peer_jax, several_lengths, way, count, threads):
    from benchmarks.peer_jax_gradient import Gradient
    texts = ["ann", "zebediah", "mo"][:count]
    measure = Several(tuple(several_lengths.loss_on(text) for text in texts))
    tokens = [np.asarray(several_lengths.tokenizer.encode(text)) for text in texts]
    expected = metagradient(several_lengths, measure, progress=False).gradient
    result = Gradient(several_lengths, tokens, threads, way).run()
    assert parity.errors(result, expected).max() < 1e-12

"""The proximal Bregman response against closed forms and against its definition written down again; the five
gaps on a known answer."""
import numpy as np
import pytest
from learners import data, logistic, network
from scipy.optimize import root

from circuit import cross_entropy, exp, gelu, relu, softplus
from deletion import SGD, DoesNotApply, Learner, LearnerError, ModelLoss, Momentum, Objective, retrain
from deletion.influence import GAPS, PBRF, STATIONS, five_gaps
from deletion.influence.pbrf import Response

N, D = 20, 3
X, Y = data(N, D, 5)


def linear(w, x, y):
    return x @ w


def half_square(outputs, x, y):
    return (outputs - y) ** 2 * 0.5


def logistic_cost(outputs, x, y):
    return softplus(-y * outputs)


def decay(w):
    return (w * w).sum() * 0.05


def first(w):
    return w[0]


def regression(cost=half_square, steps=5, rate=0.3, outputs=linear, **fields):
    """Linear models; with few steps far from the optimum."""
    return Learner(np.zeros(D), list(zip(X, Y)), ModelLoss(outputs, cost), SGD(rate),
                   np.tile(np.arange(N), (steps, 1)), **fields)


def scores_of(p, x, y):
    return gelu(x @ p["w1"]) @ p["w2"]


def classes(scores, x, y):
    return cross_entropy(scores, y)


def small_decay(p):
    return (p["w1"] ** 2).sum() * 0.02


def network_of_classes(steps=40):
    rng = np.random.default_rng(8)
    parameters = {"w1": rng.normal(size=(D, 4)) / 2, "w2": rng.normal(size=(4, 3)) / 2}
    schedule = np.stack([rng.permutation(N)[:5] for _ in range(steps)])
    examples = list(zip(X, rng.integers(0, 3, N)))
    return Learner(parameters, examples, ModelLoss(scores_of, classes), Momentum(0.05), schedule,
                   regularizer=small_decay)


def on_set(*units):
    return np.isin(np.arange(N), units).astype(float)


# the response -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("regularizer, damping", [(None, 0.0), (decay, 0.0), (decay, 2.5)])
def test_least_squares_away_from_the_optimum_have_a_closed_form(regularizer, damping):
    learner = regression(regularizer=regularizer)
    theta_s, gone = learner.trained, [2, 5, 6]
    left = X.T @ X - X[gone].T @ X[gone] + (N * 0.1 * (regularizer is not None) + damping) * np.eye(D)
    expected = theta_s - np.linalg.solve(left, X[gone].T @ (Y[gone] - X[gone] @ theta_s))
    answer = PBRF(damping).answer(learner, [gone], first)
    assert np.abs(answer.parameters[0] - expected).max() < 1e-10
    assert abs(answer.change[0] - (expected - theta_s)[0]) < 1e-10


def test_at_the_optimum_of_least_squares_it_is_leave_one_out():
    learner = regression(steps=2000)
    expected = [np.linalg.lstsq(np.delete(X, i, 0), np.delete(Y, i), rcond=None)[0] for i in range(N)]
    assert np.abs(PBRF().answer(learner, range(N), first).parameters - expected).max() < 1e-10


def test_units_and_what_is_left_of_their_weight():
    learner = regression(units=np.arange(N) % 4)
    theta_s, half = learner.trained, 0.5 * (np.arange(N) % 4 == 1)
    expected = theta_s - np.linalg.solve(X.T @ ((1 - half)[:, None] * X), X.T @ (half * (Y - X @ theta_s)))
    assert np.abs(PBRF().answer(learner, [1], first, weight=0.5).parameters[0] - expected).max() < 1e-10


def test_logistic_regression_linearises_to_the_damped_gauss_newton_influence():
    learner, h = regression(logistic_cost, regularizer=decay), on_set(1, 7)
    theta_s, response = learner.trained, Response(learner, learner.trained, 0.7)
    p = 1.0 / (1.0 + np.exp(-X @ theta_s))
    matrix = X.T @ ((p * (1 - p))[:, None] * X) + (0.1 * N + 0.7) * np.eye(D)
    influence = np.linalg.solve(matrix, X.T @ (h * -Y / (1.0 + np.exp(Y * (X @ theta_s)))))
    assert np.abs(response.curvature + 0.7 * np.eye(D) - matrix).max() < 1e-12 * matrix.max()
    errors = [np.linalg.norm((response.minimum(s * h, 1e-12)[0] - theta_s) / s - influence)
              for s in (1e-2, 1e-3)]
    assert errors[1] < 1e-3 * np.linalg.norm(influence)
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.05)


def test_the_minimum_of_a_network_is_one_of_the_definition_written_down_again():
    learner, h = network_of_classes(), on_set(3, 4)
    theta_s, labels = learner.trained, np.array([int(y) for _, y in learner.examples])
    response = Response(learner, theta_s, 3.0)
    theta, norm = response.minimum(h)
    assert norm <= 1e-10 and np.linalg.norm(theta - theta_s) > 1e-2

    def log_softmax(theta):
        scores = scores_of(learner.layout.split(theta), X, labels)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    old = log_softmax(theta_s)

    def definition(theta):
        new, w1 = log_softmax(theta), theta[:12]
        kl = (np.exp(old) * (old - new)).sum(axis=1)      # the divergence of cross-entropy: KL(p' || p)
        moved = theta - theta_s
        return kl.sum() + h @ new[np.arange(N),
                                  labels] + N * 0.02 * ((w1 - theta_s[:12]) ** 2).sum() + 1.5 * moved @ moved

    expected = (np.exp(old) * (old - log_softmax(theta))).sum(axis=1)
    assert np.abs(response.divergences(theta) - expected).max() < 1e-13
    assert definition(theta) - definition(theta_s) == pytest.approx(
        response.value_and_gradient(theta, h)[0] - response.value_and_gradient(theta_s, h)[0], rel=1e-10)
    step = 1e-5
    differences = [(definition(theta + step * e) - definition(theta - step * e)) / (2 * step)
                   for e in np.eye(len(theta))]
    assert np.abs(differences).max() < 1e-8
    for e in np.linalg.qr(np.random.default_rng(0).normal(size=(len(theta), 10)))[0].T:
        assert definition(theta + 1e-2 * e) > definition(theta)


def one_at_a_time(w, x, y):
    return (x * w).sum()


def test_one_example_a_step_is_the_same():
    alone = Learner(np.zeros(D), list(zip(X, Y)), ModelLoss(one_at_a_time, half_square), SGD(0.05),
                    np.arange(N))
    expected = alone.trained - np.linalg.solve(X.T @ X - np.outer(X[4], X[4]),
                                               X[4] * (Y[4] - X[4] @ alone.trained))
    assert np.abs(PBRF().answer(alone, [4], first).parameters[0] - expected).max() < 1e-10


def test_nothing_deleted_changes_nothing():
    learner = network_of_classes()
    answer = PBRF(1.0).answer(learner, [[]], lambda p: p["w2"].sum())
    assert (answer.parameters[0] == learner.trained).all() and np.abs(answer.change).max() < 1e-14


# what it refuses --------------------------------------------------------------------------------------------

def test_a_response_without_a_minimum_is_named():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])      # nothing but example 0 holds the first weight
    learner = Learner(np.zeros(2), list(zip(x, [3.0, 1.0, 1.0])), ModelLoss(linear, half_square), SGD(0.3),
                      [[0, 1, 2]])
    with pytest.raises(DoesNotApply, match="no minimum.*damping 0: give more damping"):
        PBRF().answer(learner, [0], first)
    assert np.isfinite(PBRF(0.1).answer(learner, [0], first).change).all()


def growing(outputs, x, y):
    return exp(outputs) - outputs * y


def test_leaving_the_domain_is_named():
    learner = Learner(np.zeros(1), [([1.0], -3.0), ([1e-4], 0.0)], ModelLoss(linear, growing), SGD(1e-3),
                      [[0, 1]])
    with pytest.raises(DoesNotApply, match="no minimum|leaves the domain"):
        PBRF().answer(learner, [0], first)


def bent(outputs, x, y):
    return (outputs - y) ** 2 * 0.5 + relu(outputs - 0.2) * 3.0


def test_what_does_not_converge_is_refused():
    examples = [([1.0], -2.0), ([1.0], 0.0)]      # the minimum is on the kink
    learner = Learner(np.zeros(1), examples, ModelLoss(linear, bent), SGD(1e-3), [[0, 1]])
    with pytest.raises(DoesNotApply, match="did not converge.*gradient's norm"):
        PBRF().answer(learner, [0], first)


def test_what_has_no_answer_says_why():
    with pytest.raises(DoesNotApply, match="ModelLoss"):
        PBRF(1.0).answer(logistic(), [0], first)
    with pytest.raises(DoesNotApply, match="not positive definite"):
        PBRF().answer(products(steps=1), [0], product)
    with pytest.raises(DoesNotApply, match="deletes every example"):
        PBRF(1.0).answer(regression(), [range(N)], first)
    with pytest.raises(LearnerError, match="no unit 99"):
        PBRF(1.0).answer(regression(), [99], first)
    for bad in (-1.0, float("nan"), "1", [1.0, 2.0], None):
        with pytest.raises(LearnerError, match="damping"):
            PBRF(bad)
    for bad in (0.0, 1.0, float("nan"), "small"):
        with pytest.raises(LearnerError, match="tolerance"):
            PBRF(1.0, tolerance=bad)


# the five gaps ----------------------------------------------------------------------------------------------

Z = np.array([0.3, 1.7, 0.9, 2.4, 1.2])


def product_of_two(p, z):
    return p[0] * p[1] + z * 0.0


def product_cost(outputs, z):
    return (z - outputs) ** 2 * 0.5


def product(p):
    return p[0] * p[1]


def products(steps=3000):
    """Loss (z - ab)^2 / 2 in (a, b): a Hessian of rank one wherever ab is the mean."""
    schedule = np.tile(np.arange(5), (steps, 1))
    return Learner(np.array([1.5, 0.5]), [(z,) for z in Z], ModelLoss(product_of_two, product_cost), SGD(0.1),
                   schedule)


def test_five_gaps_of_a_hessian_of_rank_one():
    learner, i, damping, n = products(), 3, 0.5, len(Z)
    theta_s, pull = learner.trained, Z[i] - Z.mean()
    v = theta_s[::-1]
    gaps = five_gaps(learner, [[i]], product, damping=damping, tolerance=1e-3)
    change = dict(zip(STATIONS, gaps.change[:, 0]))
    parameters = dict(zip(STATIONS, gaps.parameters[:, 0]))
    assert change["cold-start retraining"] == pytest.approx(-pull / (n - 1), rel=1e-9)
    assert change["warm-start retraining"] == pytest.approx(-pull / (n - 1), rel=1e-9)
    along = v @ (parameters["damped solve"] - theta_s)      # to first order, the change of ab
    assert along == pytest.approx(-pull * v @ v / (n * v @ v + damping), rel=1e-9)
    tiny = five_gaps(learner, [[i]], product, damping=1e-6).parameters[4, 0] - theta_s
    assert v @ tiny == pytest.approx(-pull / n, rel=1e-5)      # the pseudo-inverse
    rest = np.delete(Z, i)
    held = root(lambda p: (p[0] * p[1] - rest).sum() * p[::-1] + damping * (p - theta_s), theta_s, tol=1e-13)
    for station in ("proximal retraining", "PBRF"):      # one and the same where theta_s is the optimum
        assert held.success and np.abs(parameters[station] - held.x).max() < 1e-9
    # along v one product is enough: both may be 0
    apart = np.linalg.norm(parameters["iterative solve"] - parameters["damped solve"])
    assert apart < 2e-3 * np.linalg.norm(parameters["damped solve"] - theta_s) and gaps.residual[0] <= 1e-3
    assert len(GAPS) == len(gaps.in_parameters) == len(gaps.in_measurements) == 5
    assert gaps.in_parameters[3, 0] == np.linalg.norm(parameters["PBRF"] - parameters["damped solve"])
    assert gaps.in_measurements[1, 0] == pytest.approx(abs(change["warm-start retraining"]
                                                           - change["proximal retraining"]), rel=1e-12)


def test_stations_of_a_network_are_what_they_say():
    learner = network_of_classes()
    sets = [[1], [3, 4]]
    gaps = five_gaps(learner, sets, lambda p: p["w2"][0], damping=3.0)
    assert gaps.parameters.shape == (6, 2, 24) and gaps.change.shape == (6, 2, 3)
    assert gaps.in_measurements.shape == (5, 2)
    assert (gaps.parameters[0] == retrain(learner, sets)).all()      # the same compiled steps
    assert np.abs(gaps.parameters[3] - PBRF(3.0).answer(learner, sets, first_row).parameters).max() < 1e-8
    again = Learner(learner.layout.split(learner.trained), learner.examples, learner.loss, learner.optimizer,
                    learner.schedule,
                    regularizer=lambda p: small_decay(p) + held(p, learner.layout.split(learner.trained)))
    assert np.abs(gaps.parameters[2] - retrain(again, sets)).max() < 1e-12
    assert (gaps.in_parameters > 1e-4).all()
    apart = np.abs(gaps.change[1:] - gaps.change[:-1])
    expected = (apart[..., 0] + apart[..., 1] + apart[..., 2]) / 3.0
    assert gaps.in_measurements == pytest.approx(expected, rel=1e-9)
    damped = Response(learner, learner.trained, 3.0).curvature + 3.0 * np.eye(24)
    pulls, early = ((theta - learner.trained) @ damped for theta in gaps.parameters[4:])
    left = np.linalg.norm(early - pulls, axis=1) / np.linalg.norm(pulls, axis=1)
    assert left == pytest.approx(gaps.residual, rel=1e-6)
    assert (1e-4 < left).all() and (left <= 0.01).all()      # it stopped early


def test_five_gaps_assemble_their_matrix_once(monkeypatch):
    calls, matrix = [], Objective.matrix

    def counted(*given, **options):
        calls.append(given)
        return matrix(*given, **options)
    monkeypatch.setattr(Objective, "matrix", counted)
    five_gaps(regression(), [[1], [3, 4]], first, damping=1.0)
    assert len(calls) == 1


def test_five_gaps_read_generators_once():
    learner = regression()
    expected = five_gaps(learner, [[1], [3, 4]], first, damping=1.0)
    computed = five_gaps(learner, ((i for i in s) for s in ([1], [3, 4])), first, damping=1.0)
    assert np.abs(computed.parameters - expected.parameters).max() < 1e-8


def first_row(p):
    return p["w2"][0]


def held(p, start):
    return sum(((p[name] - start[name]) ** 2).sum() for name in p) * (0.5 * 3.0 / N)


def test_five_gaps_refuse_bad_input():
    learner = regression()
    for bad, what in (({"damping": -1.0}, "damping"),
                      ({"damping": 1.0, "solver": "cholesky"}, "iterative solver"),
                      ({"damping": 1.0, "tolerance": 0.0}, "tolerance"),
                      ({"damping": 1.0, "limit": 0}, "limit")):
        with pytest.raises(LearnerError, match=what):
            five_gaps(learner, [[1]], first, **bad)
    for sets in ([], 3, "ab"):
        with pytest.raises(LearnerError, match="deletion sets are"):
            five_gaps(learner, sets, first, damping=1.0)
    with pytest.raises(DoesNotApply, match="ModelLoss"):
        five_gaps(network(), [[1]], lambda p: p["b1"][0], damping=1.0)

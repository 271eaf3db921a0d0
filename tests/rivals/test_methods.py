"""What every method promises, whatever its arithmetic: one table, and the same checks for each."""
import numpy as np
import pytest
from learners import converged, data, network

from circuit import DomainError, log
from deletion import (
    SGD, Adam, Answer, Asked, DoesNotApply, Learner, LearnerError, LeaveOneOuts, Method, NoChange, Objective,
    Retraining, Sketched, SketchedModel, precompute, retrain)
from deletion.influence import (
    PBRF, BayesianInfluence, ByMetagradient, GroupInfluence, Homotopy, Influence, NewtonStep,
    SketchWithMetagradient, metagradient, self_influences)
from deletion.unlearning import (
    AlphaRemoval, CertifiedRemoval, Descent, GradientAscent, MinMax, NaturalGradient, Rewind,
    StochasticDescent, logistic_bounds)

LEARNERS = {"network": network, "converged": converged,
            "adam": lambda: network(optimizer=Adam(0.01, eps=1e-3), steps=60)}

METHODS = [
    (NoChange(), "network"),
    (Retraining(), "network"),
    (LeaveOneOuts(), "network"),
    (Sketched(16, 2), "network"),
    (SketchedModel(16, 2), "network"),
    (Asked(), "network"),
    (SketchWithMetagradient(8, 2), "network"),
    (ByMetagradient(), "network"),
    (ByMetagradient(finite_step=True), "adam"),
    (Influence(), "converged"),
    (Influence("gauss-newton", 1e-3, linear=False, solver="cg"), "converged"),
    (BayesianInfluence(100, 100), "converged"),
    (NewtonStep(), "converged"),
    (NewtonStep(2), "converged"),
    (GroupInfluence(), "converged"),
    (Homotopy(), "converged"),
    (PBRF(1e-3), "converged"),
    (NaturalGradient(), "converged"),
    (MinMax(), "converged"),
    (CertifiedRemoval(), "converged"),
    (AlphaRemoval(), "converged"),
    (Descent(logistic_bounds(converged()), 50), "converged"),
    (StochasticDescent(logistic_bounds(converged()), 50, 50, stages=3), "converged"),
    (GradientAscent(2), "network"),
    (GradientAscent(), "converged"),
    (Rewind(10), "network"),
    (Rewind(100, rows="dropped"), "converged"),
]


def measure(p):
    """Two numbers of the parameters, of whichever learner."""
    w = p["w2"] if isinstance(p, dict) else p
    return (w * w)[:2]


@pytest.fixture(params=METHODS, ids=lambda row: f"{row[0].name}, {row[1]}")
def case(request):
    method, name = request.param
    return method, LEARNERS[name]()


def test_answers_have_the_promised_shapes_and_nothing_deleted_changes_nothing(case):
    """To the bit: of zero weights come zeros, and equal trainings side by side take the same compiled
    steps."""
    method, learner = case
    answer = method.answer(learner, [[], [3], [3, 5]], measure)
    assert isinstance(answer, Answer) and answer.change.shape == (3, 2) and np.isfinite(answer.change).all()
    assert answer.seconds >= 0.0
    assert np.array_equal(answer.change[0], [0.0, 0.0])
    if answer.parameters is not None:
        assert answer.parameters.shape == (3, learner.layout.size)
        assert np.array_equal(answer.parameters[0], learner.trained)
    assert all(isinstance(note, str) for note in answer.notes)
    assert all(np.issubdtype(np.asarray(number).dtype, np.number) for number in answer.diagnostics.values())
    if answer.interval is not None:
        assert answer.interval.shape == (2, 3, 2) and (answer.interval[0] <= answer.interval[1]).all()
    assert answer.verdict is None or answer.verdict.shape == (3,)


def test_sets_are_answered_one_by_one(case):
    """The order of the sets and of the units in them, and what else is asked, change nothing beyond
    rounding."""
    method, learner = case
    together = method.answer(learner, [[2], [4, 1], [7]], measure).change
    apart = np.concatenate([method.answer(learner, [s], measure).change for s in ([7], [1, 4], [2])])[::-1]
    assert np.allclose(together, apart, rtol=1e-7, atol=1e-9 * np.abs(together).max())


def test_a_weight_that_is_left_counts(case):
    """Twice as little is taken away, the change is half of that, to first order; and nothing at weight 1."""
    method, learner = case
    less, more, none = (method.answer(learner, [[3, 5]], measure, weight=w).change
                        for w in (0.9995, 0.999, 1.0))
    assert less.any() != isinstance(method, NoChange) and not none.any()
    assert np.allclose(2.0 * less, more, rtol=1e-2, atol=1e-2 * np.abs(more).max())


def test_leave_one_outs_with_a_weight_left_are_retrained():
    learner = network()
    alone = [method.answer(learner, [[3], [5]], measure, weight=0.4)
             for method in (LeaveOneOuts(), Retraining())]
    for what in ("change", "parameters"):
        assert np.allclose(getattr(alone[0], what), getattr(alone[1], what), rtol=0, atol=1e-14)
    both = LeaveOneOuts().answer(learner, [[3, 5]], measure, weight=0.4)
    assert np.allclose(both.change[0], alone[1].change.sum(axis=0), rtol=1e-12)


def test_bad_sets_and_measurements_are_refused(case):
    method, learner = case
    for sets, words in (([[0, 0]], "more than once"),
                        ([["anna"]], "no unit 'anna'"), ([], "no deletion sets"), (3, "sequence of sets"),
                        ([[learner.unit_count]], "no unit")):
        with pytest.raises(LearnerError, match=words):
            method.answer(learner, sets, measure)
    with pytest.raises(LearnerError, match="measurement"):
        method.answer(learner, [[0]], "the loss")


def test_reference_methods_are_what_they_say():
    learner, sets = network(), [[1], [2, 5, 6]]
    start, true = retrain(learner, [[]], measure)[0], retrain(learner, sets, measure)
    exact = Retraining().answer(learner, sets, measure)
    assert np.allclose(exact.change, true - start, rtol=0, atol=1e-15)
    assert np.array_equal(exact.parameters, retrain(learner, sets))
    alone = retrain(learner, [[2], [5], [6]], measure) - start
    assert np.allclose(LeaveOneOuts().answer(learner, sets, measure).change[1], alone.sum(axis=0), rtol=1e-12)


def test_a_sketch_answers_with_its_intervals_and_verdicts():
    learner, sets = network(), [[1], [2, 5, 6], [0, 3, 4]]
    answer = Sketched(16, 2).answer(learner, sets, measure)
    prediction = precompute(learner, 16, 2).measure(measure).predict_many(sets)
    assert np.allclose(answer.change, prediction.change, rtol=0, atol=1e-14)
    as_trained = prediction.value - prediction.change
    assert np.allclose(answer.interval + as_trained, prediction.interval, rtol=1e-12)
    assert answer.verdict.tolist() == prediction.verdict
    counted = {name: answer.diagnostics[name] for name in set(prediction.verdict)}
    assert sum(counted.values()) == 3 and answer.diagnostics["directions"] == 16
    without = Sketched(16, 2, calibration=0).answer(learner, sets, measure)
    assert without.interval is None and without.verdict is None
    assert np.allclose(without.change, answer.change, rtol=1e-12)


def test_a_metagradient_answers_with_finite_steps_where_it_is_asked_to():
    learner, sets = LEARNERS["adam"](), [[1], [2, 5, 6], []]
    result = metagradient(learner, measure, finite_step=True)
    for finite_step in (False, True):
        method = ByMetagradient(finite_step)
        assert repr(method) == f"ByMetagradient(finite_step={finite_step})"
        for weight in (0.0, 0.25):
            answer = method.answer(learner, sets, measure, weight=weight)
            expected = result.changes(sets, weight=weight, finite_step=finite_step)
            assert np.array_equal(answer.change, expected) and answer.diagnostics == {"stored": 60}
    true = retrain(learner, [[i] for i in range(20)], measure) - result.value
    first, finite = (ByMetagradient(x).answer(learner, [[i] for i in range(20)], measure).change
                     for x in (False, True))
    assert np.linalg.norm(finite - true) < 0.8 * np.linalg.norm(first - true)


def test_gradient_ascent_climbs():
    """One step is the summed gradient; its default rate is one over the largest eigenvalue of the
    curvature."""
    learner, sets = converged(), [[2], [5, 7]]
    objective, theta = Objective(learner), learner.trained
    gone = learner.deletion_sets(sets).dense(30)
    answer = GradientAscent(1, 0.1).answer(learner, sets, measure)
    assert np.allclose(answer.parameters, theta + 0.1 * gone @ objective.gradients(theta), rtol=1e-12)
    own = GradientAscent().answer(learner, sets, measure)
    rate = 1.0 / np.linalg.eigvalsh(objective.matrix(theta)).max()
    assert np.allclose(own.parameters - theta, rate / 0.1 * (answer.parameters - theta), rtol=1e-3)
    with pytest.raises(DoesNotApply, match="deletes every example"):
        GradientAscent().answer(learner, [range(30)], measure)


def test_a_measurement_that_leaves_its_domain_is_named():
    with pytest.raises(DomainError, match="the measurement, at the parameters as trained .*logarithm needs "
                       "a positive number"):
        NewtonStep().answer(converged(), [[1]], lambda w: log(w - 100.0))


def test_without_curvature_gradient_ascent_asks_for_a_rate():
    x, y = data(12, 3)
    learner = Learner(np.zeros(3), list(zip(x, y)), lambda w, x, y: (x @ w) * y, SGD(0.1),
                      np.arange(12).reshape(1, 12))
    with pytest.raises(DoesNotApply, match="no curvature.*give one"):
        GradientAscent().answer(learner, [[1]], measure)
    assert np.allclose(GradientAscent(1, 0.5).answer(learner, [[1]], measure).parameters[0] - learner.trained,
                       0.5 * y[1] * x[1], rtol=1e-12)


@pytest.mark.parametrize(
    "make, words", [(lambda: Sketched("all"), "number of directions"),
                    (lambda: Sketched(0), "number of directions"),
                    (lambda: Influence(np.array(["hessian", "fisher"])), "no curvature"),
                    (lambda: Influence(solver=["cg"]), "no solver"),
                    (lambda: NewtonStep(tolerance="small"), "tolerance"),
                    (lambda: Influence(damping=True), "damping: expected real numbers, got bool"),
                    (lambda: Influence(limit=0), "limit"),
                    (lambda: Rewind(3, rows=["dropped"]), "deleted rows are"),
                    (lambda: self_influences(converged(), [[1]], "hessian"), "solves with a curvature")])
def test_settings_are_looked_at_before_any_work(make, words):
    with pytest.raises(LearnerError, match=words):
        make()


def test_a_method_that_does_not_apply_says_why():
    class Never(Method):
        name = "never"

        def check(self, learner):
            raise DoesNotApply("it never does")

    with pytest.raises(DoesNotApply, match="it never does"):
        Never().answer(network(), [[0]], measure)


def test_every_method_is_in_the_table():
    import deletion
    import deletion.influence
    import deletion.unlearning
    classes = {x for room in (deletion, deletion.influence, deletion.unlearning) for x in vars(room).values()
               if isinstance(x, type) and issubclass(x, Method) and x is not Method}
    assert classes == {type(method) for method, _ in METHODS}

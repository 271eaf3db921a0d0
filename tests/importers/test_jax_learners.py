"""Models of Flax and Equinox as learners: retrained without examples, they are what their own loops train to.

The loops are plain JAX: jax.grad, optax.apply_updates, a step at a time.
"""
import pickle

import numpy as np
import pytest
from doubles import double_precision  # noqa: F401 (for every test)

from circuit import InputError
from circuit.importers import flat_parameters, from_jax, from_optax, tree_parameters
from deletion import Learner, LearnerError, precompute, retrain
from deletion.influence import metagradient

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
jnp, nn = jax.numpy, jax.nn

TOLERANCE = 1e-10
SETS = ([1, 2], [3])
COUNT, STEPS, BATCH = 12, 30, 4
RNG = np.random.default_rng(20261125)
ROWS, TARGETS = RNG.normal(size=(COUNT, 3)), RNG.normal(size=COUNT)
SCHEDULE = np.stack([RNG.permutation(COUNT)[:BATCH] for _ in range(STEPS)])


def double(tree):
    return jax.tree_util.tree_map(lambda x: jnp.asarray(x, float) if hasattr(x, "dtype") else x, tree)


def by_hand(loss, parameters, data, optimizer, schedule, deleted, weight=0.0):
    """The flat parameters after training by JAX and optax, with another weight of some examples."""
    names = list(flat_parameters(parameters))      # JAX sorts dicts
    data = [jnp.asarray(x) for x in data]
    weights, state = jnp.ones(COUNT).at[jnp.array(deleted)].set(weight), optimizer.init(parameters)

    @jax.jit
    def step(parameters, state, chosen):
        def total(parameters):
            losses = jax.vmap(loss, (None,) + (0,) * len(data))(parameters, *[x[chosen] for x in data])
            return (weights[chosen] * losses).mean()

        updates, state = optimizer.update(jax.grad(total)(parameters), state, parameters)
        return optax.apply_updates(parameters, updates), state

    for chosen in schedule.reshape(len(schedule), -1):
        parameters, state = step(parameters, state, chosen)
    flat = flat_parameters(parameters)
    return np.concatenate([flat[name].ravel() for name in names])


def learner(loss, parameters, data, optimizer, schedule=SCHEDULE):
    imported = from_jax(loss, parameters, *[x[0] for x in data])
    return Learner(flat_parameters(parameters), list(zip(*map(np.asarray, data))), imported,
                   from_optax(optimizer, parameters), schedule)


def check(loss, parameters, data, optimizer, schedule=SCHEDULE):
    ours = retrain(learner(loss, parameters, data, optimizer, schedule), SETS, progress=False)
    for row, deleted in zip(ours, SETS):
        truth = by_hand(loss, parameters, data, optimizer, schedule, deleted)
        assert np.abs(row - truth).max() <= TOLERANCE * np.abs(truth).max()


# models -----------------------------------------------------------------------------------------------------

def dense():
    """A small model in plain JAX."""
    rng = np.random.default_rng(3)
    tree = {"in": [jnp.asarray(rng.normal(size=(3, 4)) * 0.5), jnp.zeros(4)], "out": jnp.asarray(
        rng.normal(size=4) * 0.5)}
    return tree, lambda p, x, y: (jnp.tanh(x @ p["in"][0] + p["in"][1]) @ p["out"] - y) ** 2


def flax_mlp():
    linen = pytest.importorskip("flax.linen")

    class MLP(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.LayerNorm()(linen.silu(linen.Dense(5)(x)))
            return linen.Dense(1)(x)[0]

    model = MLP()
    return double(model.init(jax.random.PRNGKey(0), ROWS[0])), lambda p, x, y: (model.apply(p, x) - y) ** 2


def equinox_mlp():
    eqx = pytest.importorskip("equinox")
    model = eqx.nn.MLP(3, "scalar", 5, 2, activation=nn.gelu, key=jax.random.PRNGKey(1))
    parameters, static = eqx.partition(double(model), eqx.is_array)
    return parameters, lambda p, x, y: (eqx.combine(p, static)(x) - y) ** 2


def transformer():
    """(parameters, loss, names as ids): two blocks of attention and gelu, in Flax."""
    linen = pytest.importorskip("flax.linen")
    vocabulary, length = 7, 5

    class Transformer(linen.Module):
        @linen.compact
        def __call__(self, ids):
            x = linen.Embed(vocabulary, 8)(ids) + linen.Embed(length, 8)(jnp.arange(length))
            mask = linen.make_causal_mask(ids)
            for _ in range(2):
                x = x + linen.MultiHeadDotProductAttention(2)(linen.LayerNorm()(x), mask=mask)
                x = x + linen.Dense(8)(linen.gelu(linen.Dense(12)(linen.LayerNorm()(x))))
            return linen.Dense(vocabulary)(linen.LayerNorm()(x))

    model = Transformer()

    def loss(p, ids):
        logits = model.apply(p, ids[:-1])
        return optax.softmax_cross_entropy_with_integer_labels(logits, ids[1:]).mean()

    ids = jnp.asarray(np.random.default_rng(5).integers(0, vocabulary, (COUNT, length + 1)))
    return double(model.init(jax.random.PRNGKey(0), ids[0, :-1])), loss, ids


OPTIMIZERS = {"sgd": lambda: optax.sgd(0.05, momentum=0.9), "adam": lambda: optax.adam(1e-2, eps_root=1e-6)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", [flax_mlp, equinox_mlp])
def test_perceptrons(model, optimizer):
    parameters, loss = model()
    check(loss, parameters, (ROWS, TARGETS), OPTIMIZERS[optimizer]())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_transformer(optimizer):
    parameters, loss, ids = transformer()
    check(loss, parameters, (ids,), OPTIMIZERS[optimizer]())


def trained_apart(parameters):
    """An optimizer that treats matrices and vectors differently."""
    parts = jax.tree_util.tree_map(lambda x: "fast" if x.ndim > 1 else "slow", parameters)
    return optax.multi_transform({"fast": optax.adam(1e-2, eps_root=1e-6), "slow": optax.sgd(0.1)}, parts)


@pytest.mark.parametrize("apart", [False, True])
def test_nested_parameters_are_those_of_a_learner(apart):
    """A tree as it is. JAX sorts the keys of dicts whenever it maps them, and a learner does not."""
    first, loss = dense()
    mixed = {"out": np.asarray(first["out"]), "in": [np.asarray(x) for x in first["in"]]}
    parameters = jax.tree_util.tree_map(np.asarray, mixed) if apart else mixed
    assert list(mixed) != sorted(mixed) and (list(parameters) == sorted(mixed)) == apart
    optimizer = trained_apart(parameters) if apart else optax.adam(1e-2, eps_root=1e-6)
    model = Learner(parameters, list(zip(ROWS, TARGETS)), from_jax(loss, parameters, ROWS[0], TARGETS[0]),
                    from_optax(optimizer, parameters), SCHEDULE)
    truth = by_hand(loss, parameters, (ROWS, TARGETS), optimizer, SCHEDULE, [3])
    assert np.abs(retrain(model, [[3]], progress=False)[0] - truth).max() <= TOLERANCE * np.abs(truth).max()
    assert isinstance(model.parameters()["in"], list)
    with pytest.raises(LearnerError, match="by their place in the tree.*jax.tree.map"):
        from_optax(trained_apart(mixed), mixed)


def test_one_example_a_step():
    parameters, loss = dense()
    check(loss, parameters, (ROWS, TARGETS), optax.sgd(0.05, momentum=0.9), np.arange(STEPS) % COUNT)


def test_slopes_are_those_of_training_by_hand():
    """The metagradient, and a sketch's small step, against central differences of JAX's own loop."""
    parameters, loss = dense()
    optimizer = optax.adam(1e-2, eps_root=1e-4)
    model = learner(loss, parameters, (ROWS, TARGETS), optimizer)
    measure = from_jax(lambda p: loss(p, ROWS[0], TARGETS[0]), parameters)

    def by_weight(weight):
        theta = by_hand(loss, parameters, (ROWS, TARGETS), optimizer, SCHEDULE, [1], weight)
        return float(measure(model.layout.split(theta)))

    slope = (by_weight(1.0 + 1e-4) - by_weight(1.0 - 1e-4)) / 2e-4
    assert metagradient(model, measure, progress=False).gradient[1] == pytest.approx(slope, rel=1e-6)
    predicted = precompute(model, 24, 2, seed=0, progress=False).measure(measure).predict(1, weight=0.99)
    assert predicted.change == pytest.approx(-0.01 * slope, rel=0.02)


def test_learners_travel_to_other_processes():
    """Circuits travel, functions of JAX do not."""
    parameters, loss = dense()
    model = learner(loss, parameters, (ROWS, TARGETS), optax.adam(1e-2, eps_root=1e-6))
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(retrain(again, SETS, progress=False), retrain(model, SETS, progress=False))


def test_trained_parameters_are_a_tree_again():
    parameters, loss = flax_mlp()
    model = learner(loss, parameters, (ROWS, TARGETS), optax.sgd(0.05))
    trained = tree_parameters(model.parameters(), parameters)
    assert jax.tree_util.tree_structure(trained) == jax.tree_util.tree_structure(parameters)
    measured = from_jax(lambda p: loss(p, ROWS[0], TARGETS[0]), parameters)(model.parameters())
    assert float(measured) == pytest.approx(float(loss(trained, ROWS[0], TARGETS[0])), rel=1e-12)


# optimizers -------------------------------------------------------------------------------------------------

TABLE = {
    "plain": lambda: optax.sgd(0.1), "nesterov": lambda: optax.sgd(0.05, momentum=0.9, nesterov=True),
    "adamw": lambda: optax.adamw(1e-2, eps_root=1e-6, weight_decay=0.1),
    "nadam": lambda: optax.nadam(1e-2, eps_root=1e-6), "amsgrad": lambda: optax.amsgrad(1e-2, eps_root=1e-6),
    "rmsprop": lambda: optax.rmsprop(1e-2, momentum=0.9), "adabelief": lambda: optax.adabelief(1e-2),
    "cosine": lambda: optax.adam(optax.cosine_decay_schedule(1e-2, STEPS), eps_root=1e-6),
    "warm-up": lambda: optax.sgd(optax.warmup_cosine_decay_schedule(0.0, 0.1, 5, STEPS)),
    "decayed": lambda: optax.chain(optax.add_decayed_weights(0.01), optax.sgd(0.1)),
    "clipped": lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1)),
    "centralized": lambda: optax.chain(optax.centralize(), optax.sgd(0.1)),
    "masked": lambda: optax.masked(optax.set_to_zero(), {"in": [True, False], "out": False}),
    "parts": lambda: optax.multi_transform({"a": optax.sgd(0.1), "b": optax.adam(1e-2, eps_root=1e-6)},
                                           {"in": ["a", "b"], "out": "b"}),
}


@pytest.mark.parametrize("name", TABLE)
def test_optimizers(name):
    parameters, loss = dense()
    schedule = SCHEDULE[:3] if name == "masked" else SCHEDULE      # it climbs
    check(loss, parameters, (ROWS, TARGETS), TABLE[name](), schedule)


def test_accumulation():
    """MultiSteps keeps its sums in single precision."""
    parameters, loss = dense()
    optimizer = optax.MultiSteps(optax.sgd(0.1), 2)
    ours = retrain(learner(loss, parameters, (ROWS, TARGETS), optimizer), [[3]], progress=False)[0]
    assert np.allclose(ours, by_hand(loss, parameters, (ROWS, TARGETS), optimizer, SCHEDULE, [3]), rtol=1e-6)


@pytest.mark.parametrize("optimizer, match", [
    (lambda: optax.adam(1e-3), "eps_root=1e-6 in optax.adam"),
    (lambda: optax.rmsprop(1e-3, eps_in_sqrt=False), "eps_in_sqrt=True"),
    (lambda: optax.lion(1e-3), "sign at .*optax.*analytic"),
    (lambda: optax.sign_sgd(1e-3), "sign at .*optax.*analytic"),
    (lambda: 0.1, "expected an optimizer such as")])
def test_optimizers_that_are_refused(optimizer, match):
    with pytest.raises(InputError, match=match):
        from_optax(optimizer(), dense()[0])


def test_another_number_of_parameters_is_refused():
    parameters, loss = dense()
    with pytest.raises(LearnerError, match="was imported for 2 parameters, and the learner has 20"):
        Learner(flat_parameters(parameters), list(zip(ROWS, TARGETS)),
                from_jax(loss, parameters, ROWS[0], TARGETS[0]), from_optax(optax.sgd(0.1), np.zeros(2)),
                SCHEDULE)


def test_what_is_known_beforehand_is_no_state():
    optimizer = from_optax(optax.adam(lambda count: 0.1 / (1.0 + count), eps_root=1e-6), np.zeros(3))
    assert len(optimizer.state(3)) == 1 and optimizer.state(3)[0].shape == (6,)
    rates = [max(abs(x) for x in optimizer.constants(step, 9) if abs(abs(x) - 0.1 / (1 + step)) < 1e-12)
             for step in range(4)]
    assert np.allclose(rates, [0.1, 0.05, 0.1 / 3, 0.025])

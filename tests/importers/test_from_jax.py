"""Functions of JAX as circuits: values, gradients and third-order coefficients are those of JAX."""
import doctest
import re
from pathlib import Path

import numpy as np
import pytest
from doubles import double_precision  # noqa: F401 (for every test)

from circuit import CircuitError, DomainError, InputError, evaluate, gradient, real, record
from circuit import importers
from circuit.importers import flat_parameters, from_jax, tree_parameters
from taylor import Polynomial
from taylor import evaluate as taylor_evaluate

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax
with jax.enable_x64(True):
    from jax_table import TABLE, W, X

TOLERANCE = 1e-12
IMPORTED = {}


def imported(name):
    function, *arguments = TABLE[name]
    if name not in IMPORTED:
        IMPORTED[name] = from_jax(function, *arguments)
    return IMPORTED[name], function, arguments


def tuples(x):
    return x if isinstance(x, tuple) else (x,)


def leaves(tree):
    return [np.asarray(x) for x in jax.tree_util.tree_leaves(tree)]


def ready(arguments):
    """The arguments' leaves as a circuit takes them."""
    return [x.astype(float) if x.dtype.kind == "f" else x.astype(int) for x in leaves(arguments)]


def agree(ours, theirs, what):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        b = np.asarray(b, float)
        assert a.shape == b.shape, what
        assert np.abs(a - b).max() <= TOLERANCE * max(np.abs(b).max(), 1.0), what


@pytest.mark.parametrize("name", TABLE)
def test_values(name):
    ours, function, arguments = imported(name)
    agree(tuples(ours(*arguments)), leaves(function(*arguments)), name)


@pytest.mark.parametrize("name", TABLE)
def test_gradients(name):
    ours, function, arguments = imported(name)
    rng, circuit = np.random.default_rng(0), ours.circuit
    factors = [rng.normal(size=circuit.shapes[i]) for i in circuit.outputs]
    count = len(leaves(arguments[0]))
    total = record(lambda *x: sum((f * y).sum() for f, y in zip(factors, tuples(circuit(*x)))),
                   *circuit.inputs)
    backwards = jax.jacfwd if name == "while_loop" else jax.grad      # JAX has no reverse rule of while
    theirs = backwards(lambda p: sum((f * y).sum() for f, y in zip(factors, jax.tree_util.tree_leaves(
        function(p, *arguments[1:])))))(arguments[0])
    agree(evaluate(gradient(total, range(count)), ready(arguments))[1:], leaves(theirs), name)


def third_derivatives(function, x, v, by):
    """The first three derivatives of function(x + t v) at t = 0: by jet, or three times `by` a pass of JAX
    where jet lacks a rule."""
    from jax.experimental.jet import jet
    try:
        zero = jax.tree_util.tree_map(jnp.zeros_like, v)
        _, series = jet(lambda *z: jax.tree_util.tree_leaves(function(*z)), (x,), ([v, zero, zero],))
        return list(zip(*series))
    except Exception:      # jet raises whatever its rules happen to raise
        def along(t):
            return jax.tree_util.tree_leaves(function(jax.tree_util.tree_map(lambda a, b: a + t * b, x, v)))

        results = []
        for _ in range(3):
            along = by(along)
            results.append(along(0.0))
        return results


@pytest.mark.parametrize("name", TABLE)
def test_coefficients(name):
    ours, function, arguments = imported(name)
    rng, first = np.random.default_rng(1), arguments[0]
    v = jax.tree_util.tree_map(lambda x: jnp.asarray(rng.normal(size=x.shape)), first)
    inputs = ready(arguments)
    for i, step in enumerate(leaves(v)):
        orders = np.zeros((1, 3) + step.shape, complex)
        orders[0, 0] = step
        inputs[i] = Polynomial(inputs[i], orders)
    series = taylor_evaluate(ours.circuit, inputs)
    theirs = third_derivatives(lambda p: function(p, *arguments[1:]), first, v,
                               jax.jacrev if name == "own vjp" else jax.jacfwd)
    for r, factorial in enumerate((1.0, 2.0, 6.0)):
        mine = [y.coefficients[0, r] if y.degree > r else np.zeros(y.shape) for y in series]
        agree([x.real for x in mine], [np.asarray(x, float) / factorial for x in theirs[r]], (name, r + 1))


def test_a_contour_integral_says_the_same():
    """c_r = mean of f(x + rho e^(i a) v) e^(-i a r) / rho^r over a circle, in complex128."""
    def network(w, x):
        return jax.nn.softmax(jnp.tanh(x @ w) @ w.T * jnp.exp(w[0, 0])) @ x.T

    v, points, rho = np.random.default_rng(2).normal(size=W.shape), 64, 0.2
    angles = np.exp(2j * np.pi * np.arange(points) / points)
    values = np.stack([network(jnp.asarray(W + rho * a * v), X) for a in angles])
    orders = np.zeros((1, 3) + W.shape, complex)
    orders[0, 0] = v
    series, = taylor_evaluate(from_jax(network, W, X).circuit, [Polynomial(np.asarray(W), orders),
                                                                np.asarray(X)])
    for r in (1, 2, 3):
        expected = (values * angles[:, None, None] ** -r).mean(0).real / rho ** r
        agree([series.coefficients[0, r - 1].real], [expected], r)


def test_every_rule_has_a_row():
    """But for what JAX no longer writes, or writes only in special places."""
    from circuit.importers.jaxpr.control import CONTROL
    from circuit.importers.jaxpr.moves import MOVES
    from circuit.importers.jaxpr.reader import INSIDE, equations
    from circuit.importers.jaxpr.rules import RULES
    used = set()
    for function, *arguments in TABLE.values():
        used |= {e.primitive.name for e in equations(jax.make_jaxpr(function)(*arguments).jaxpr)}
    rare = {"add_any", "copy_p", "device_put", "optimization_barrier", "reduce_precision", "name", "xor",
            "sharding_constraint", "pvary", "pjit", "closed_call", "core_call", "checkpoint", "expand_dims",
            "custom_vjp_call_jaxpr", "scatter_add", "asinh", "acosh", "atanh", "reduce_prod", "copy"}
    if jax.__version_info__ < (0, 10):
        rare |= {"stack", "unstack", "tile"}
    assert not {*RULES, *MOVES, *CONTROL, *INSIDE} - used - rare
    assert len({*RULES, *MOVES, *CONTROL}) > 75


def test_one_file_knows_what_a_jaxpr_is_made_of():
    from circuit.importers.jaxpr import reader
    root = Path(reader.__file__).parents[3]
    assert [path.name for path in sorted((root / "circuit").rglob("*.py"))
            if "jax.extend" in path.read_text(encoding="utf-8")] == ["reader.py"]
    assert not [path for path in (root / "circuit").rglob("*.py")
                if "jax._src" in path.read_text(encoding="utf-8")]
    settings = (root / "setup.cfg").read_text(encoding="utf-8")
    bound = re.search(r"^jax =\n    jax >= ([\d.]+)$", settings, flags=re.MULTILINE).group(1)
    assert bound == ".".join(map(str, reader.OLDEST))
    with pytest.raises(InputError, match="JAX 0.7.2 is too old.*from 0.8 on"):
        reader.check_version((0, 7, 2))


@pytest.mark.parametrize("name", ["from_jax", "from_optax", "flat_parameters", "tree_parameters"])
def test_examples_print_what_they_say(name, capsys):
    if name == "from_optax":
        pytest.importorskip("optax")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(recurse=False).find(getattr(importers, name), name, globs={}):
        runner.run(example, clear_globs=False)
    assert runner.tries and not runner.failures, capsys.readouterr().out


# what is refused --------------------------------------------------------------------------------------------

def test_a_primitive_without_a_rule_names_the_line():
    def mine(x):
        return jax.scipy.special.erfinv(x)      # this line

    with pytest.raises(CircuitError, match=r"erf_inv at .*test_from_jax.py:\d+.*no rule") as error:
        from_jax(mine, X)
    line = int(str(error.value).split("test_from_jax.py:")[1].split(":")[0])
    assert "this line" in open(__file__, encoding="utf-8").read().splitlines()[line - 1]


@pytest.mark.parametrize("function, match", [
    (lambda x: jnp.linalg.inv(x @ x.T), "lu at .*test_from_jax"),
    (lambda x: x[jnp.argmax(x[:, 0])], "argmax.*loss, logit or margin"),
    (jnp.round, "round.*flat"), (jnp.sign, "sign.*eps_root"), (lambda x: jnp.sort(x), "sort.*chooses"),
    (lambda x: x % 1.0, "rem.*flat in between"),
    (lambda x: x.astype(int) * 1.0, "rounded to whole"),
    (lambda x: x * lax.stop_gradient(x), "stop_gradient at .*result depends on"),
    (lambda x: lax.while_loop(lambda c: c.sum() < 9, lambda c: c * 2 + 1, x), "number of turns"),
    (lambda x: lax.fori_loop(0, 100_000, lambda i, c: c * 0.5, x), "100,000 turns"),
    (lambda x: x * 1j, "complex")])
def test_what_is_refused(function, match):
    with pytest.raises(CircuitError, match=match):
        from_jax(function, X)


def test_whole_numbers_that_are_refused():
    with pytest.raises(CircuitError, match="two indices at a time"):
        from_jax(lambda x, i, j: x[i, j], X, jnp.array([0]), jnp.array([1]))
    with pytest.raises(CircuitError, match="several whole numbers"):
        from_jax(lambda x, i, j: x[i + j], X, jnp.array([0]), jnp.array([1]))
    small = jnp.array([3], jnp.uint8)
    with pytest.raises(CircuitError, match="arithmetic of uint8"):
        from_jax(lambda x, i, j: x * (i - j), X, small, small)
    ours = from_jax(lambda x, i, j: x * (i.astype(int) - j.astype(int)), X, small, small)
    assert np.array_equal(ours(X, np.array([1]), np.array([3])), -2.0 * X)
    rows = from_jax(lambda x, i: x[i], X, jnp.array([0]))
    for i in (-1, 2):
        with pytest.raises(DomainError, match=f"row {i} of a table"):
            rows(X, np.array([i]))
    mask = from_jax(lambda x, i: x * (i != 0), X, jnp.array(0))
    assert np.array_equal(mask(X, np.array(60_000)), X)
    with pytest.raises(DomainError, match="row 70000"):
        mask(X, np.array(70_000))


def test_a_gradient_that_is_not_that_of_the_function_is_refused():
    @jax.custom_vjp
    def straight(x):
        return jnp.tanh(x)

    straight.defvjp(lambda x: (straight(x), None), lambda _, g: (g,))
    with pytest.raises(CircuitError, match="custom_vjp_call|derivative defined.*test_from_jax"):
        from_jax(lambda x: straight(x).sum(), X)


def test_kinks_are_kinks():
    """relu exactly at 0 has a value and no coefficients; the maximum that a softmax subtracts has no kink."""
    point = Polynomial(np.zeros((2, 3)), np.ones((1, 3, 2, 3), complex))
    with pytest.raises(DomainError, match="relu"):
        taylor_evaluate(from_jax(jax.nn.relu, X).circuit, [point])
    taylor_evaluate(from_jax(lambda x: jax.nn.log_softmax(x), X).circuit, [point])
    taylor_evaluate(from_jax(jax.nn.softplus, X).circuit, [point])


# trees, shapes, wires ---------------------------------------------------------------------------------------

def test_trees_become_flat_and_back():
    tree = {"dense": {"kernel": X, "bias": jnp.zeros(2)}, "also": [(jnp.ones(3),)]}
    flat = flat_parameters(tree)
    assert list(flat) == ["dense.kernel", "dense.bias", "also.0.0"]      # a learner's order, not JAX's
    with pytest.raises(CircuitError, match="one name"):
        flat_parameters({"a": {"b": 1.0}, "a.b": 2.0})
    back = tree_parameters({name: 2.0 * x for name, x in flat.items()}, tree)
    assert jax.tree_util.tree_structure(back) == jax.tree_util.tree_structure(tree)
    assert np.array_equal(back["dense"]["kernel"], 2.0 * X)
    assert np.array_equal(flat_parameters(X), X)


def test_arguments_are_trees_or_flat_and_data_may_have_one_more_axis():
    def loss(p, x, i):
        return -jax.nn.log_softmax(x @ p["w"] + p["b"])[i]

    p = {"w": W, "b": jnp.arange(4.0)}
    ours, flat = from_jax(loss, p, X[0], 1), flat_parameters(p)
    assert ours(p, X[0], 2) == ours(flat, X[0], 2)
    many = ours(flat, np.asarray(X), np.array([0, 3]))
    agree([many], [jax.vmap(loss, (None, 0, 0))(p, X, jnp.array([0, 3]))], "batch")
    with pytest.raises(CircuitError, match="2 arguments.*3 examples"):
        ours(p, X[0])
    with pytest.raises(CircuitError, match="names"):
        ours({"w": W}, X[0], 2)


def test_what_is_no_number_is_fixed_or_refused():
    def named(x, which):
        return getattr(jnp, which)(x)

    ours = from_jax(named, X, "sin")
    agree([ours(X, "sin")], [jnp.sin(X)], "sin")
    with pytest.raises(CircuitError, match="'cos' in place of 'sin'"):
        ours(X, "cos")
    for data in (X * 1j, jax.random.key(0)):
        with pytest.raises(CircuitError, match="an array of .*expected real or whole numbers"):
            from_jax(lambda x, y: x, X, data)
    with pytest.raises(CircuitError, match="expected examples"):
        from_jax(lambda: X)


def test_single_precision_is_made_double():
    with jax.enable_x64(False):
        w = jnp.asarray(np.asarray(W), jnp.float32)
        ours, theirs = from_jax(lambda x: jnp.tanh(x @ w), X), np.tanh(np.asarray(X) @ np.asarray(w, float))
        assert np.abs(ours(np.asarray(X)) - theirs).max() < 1e-14


def test_what_insists_on_single_precision_is_refused():
    def loop(x):
        return lax.scan(lambda c, r: (c * r.sum(), c), jnp.ones((), jnp.float32), x)[0]

    with pytest.raises(CircuitError, match="in double precision .*param_dtype=float64.*\n*.*float32"):
        from_jax(loop, X)


def test_functions_become_part_of_what_is_recorded():
    inner = from_jax(lambda x: jnp.sin(x), X)
    circuit = record(lambda x: (inner(x * 2.0) ** 2).sum(), real(2, 3))
    assert circuit.gate_counts() == {"scale": 1, "sin": 1, "power": 1, "sum": 1}

"""Sugar: the functions a user calls, each a few gates.

Every function takes wires, and gives wires; given plain arrays only, it calculates at once, so the same code
is a recording and a NumPy program. Axes may be counted from either end.
"""
import numpy as np

from .gates.analytic import exp, log
from .gates.bilinear import einsum_pair
from .errors import CircuitError, ShapeError
from .gates.gate import plain_array
from .gates.linear import constant_part, gather_rows, join, scatter_rows
from .gates.piecewise import max_axis, relu
from .shapes import lengths, mean, one_axis, reshape, several, sum, tensor, transpose, whole
from .wire import Wire, aligned, both_wires, real_constant, widened


def einsum(spec, a, b):
    """Sum of products of two tensors, as in einsum('ij,jk->ik', a, b)."""
    if not isinstance(spec, str):
        raise ShapeError(f"einsum says which axes go together, as in 'ij,jk->ik', not {spec!r}")
    if any(isinstance(x, Wire) for x in (a, b)):
        a, b = both_wires(a, b)
    return einsum_pair(a, b, spec=spec.replace(" ", ""))


def broadcast_to(x, shape):
    """x repeated to a shape, by NumPy's rules."""
    x, shape = tensor(x), lengths(shape)
    try:
        fits = np.broadcast_shapes(x.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"shape {x.shape} does not broadcast to {shape}")
    return widened(x, shape) if isinstance(x, Wire) else np.broadcast_to(x, shape)


def concatenate(tensors, axis=0):
    """Tensors one behind the other along an axis."""
    tensors = [tensor(x) for x in several(tensors)]
    if not tensors or tensors[0].ndim == 0:
        raise ShapeError("concatenate needs at least one tensor, each with at least one axis")
    recorder = next((x.recorder for x in tensors if isinstance(x, Wire) and x.kind == "real"), None)
    if recorder is not None:      # whole numbers among real wires are real numbers
        tensors = [x if isinstance(x, Wire) else real_constant(x, recorder) for x in tensors]
    return join(*tensors, axis=one_axis(axis, tensors[0].ndim))


def stack(tensors):
    """Tensors of one shape as the rows of a new leading axis."""
    return concatenate([reshape(x, (1,) + tensor(x).shape) for x in several(tensors)])


def gather(table, ids):
    """Rows table[ids] for a vector of whole numbers."""
    if isinstance(ids, Wire) and not isinstance(table, Wire):
        table = real_constant(table, ids.recorder)
    return gather_rows(table, ids, rank=tensor(table).ndim)


def scatter(rows, ids, count):
    """A table of `count` rows of zeros, with each of `rows` added at its id."""
    count = whole(count, "the number of rows")
    if count < 0:
        raise ShapeError(f"a table has 0 rows or more, not {count}")
    return scatter_rows(rows, ids, count=count, rank=tensor(rows).ndim)


def max(x, axis=-1):
    """The largest element along an axis (piecewise analytic: ties are kinks)."""
    x = tensor(x)
    return max_axis(x, axis=one_axis(axis, x.ndim))


def maximum(a, b):
    """The larger of two tensors, element by element (piecewise analytic)."""
    return max(_beside(a, b), axis=0)      # a + relu(b - a) would lose the smaller number's digits


def minimum(a, b):
    """The smaller of two tensors, element by element (piecewise analytic)."""
    return -max(-_beside(a, b), axis=0)


def _beside(a, b):
    """Two tensors, broadcast to one shape, as the rows of one."""
    if any(isinstance(x, Wire) for x in (a, b)):
        return stack(aligned(a, b))
    try:
        return stack(np.broadcast_arrays(plain_array(a), plain_array(b)))
    except ValueError as error:
        raise error if isinstance(error, CircuitError) else ShapeError(
            f"shapes {np.shape(a)} and {np.shape(b)} do not broadcast together") from None


def sqrt(x):
    """Square root of a positive tensor."""
    return tensor(x) ** 0.5


def square(x):
    return tensor(x) ** 2


def _kept(x, axis):
    """The shape that reducing one axis leaves, with that axis kept as length 1."""
    shape = list(x.shape)
    shape[axis] = 1
    return tuple(shape)


def _shifted(x, axis):
    """x minus the constant part of its maximum: the same softmax, and no overflow."""
    x = tensor(x)
    axis = one_axis(axis, x.ndim)
    return x - reshape(max(constant_part(x), axis), _kept(x, axis)), axis


def softmax(x, axis=-1):
    """e^x / sum e^x along an axis. To mask entries, add -1e30 to them."""
    shifted, axis = _shifted(x, axis)
    e = exp(shifted)
    return e * reshape(sum(e, axis), _kept(e, axis)) ** -1


def log_softmax(x, axis=-1):
    """x - log sum e^x along an axis."""
    shifted, axis = _shifted(x, axis)
    return shifted - reshape(log(sum(exp(shifted), axis)), _kept(shifted, axis))


def softplus(x):
    """log(1 + e^x), without overflow: the loss of logistic regression."""
    top = constant_part(relu(constant_part(x)))
    return top + log(exp(-top) + exp(x - top))


def rms_norm(x, eps=1e-5, axis=-1):
    """x / sqrt(mean(x^2) + eps) along an axis."""
    x = tensor(x)
    axis = one_axis(axis, x.ndim)
    return x * reshape((mean(x * x, axis) + eps) ** -0.5, _kept(x, axis))


def cross_entropy(logits, targets):
    """-log softmax(logits)[target] for each row: logits (rows, classes), whole-number targets (rows,);
    returns (rows,), nats."""
    logits = tensor(logits)
    if logits.ndim != 2 or tensor(targets).ndim != 1:
        raise ShapeError("cross_entropy takes logits (rows, classes) and targets (rows,), not "
                         f"{logits.shape} and {tensor(targets).shape}")
    wanted = gather(np.eye(logits.shape[1]), targets)
    return -einsum("tv,tv->t", log_softmax(logits), wanted)


def argmax(*arguments, **more):
    """Refused: a choice has no derivative, so nothing can be predicted from its Taylor series."""
    raise CircuitError(
        "argmax and accuracy jump and are flat in between: no Taylor series predicts them. Measure a loss, a "
                       "log-probability, a logit or a margin instead, and threshold the prediction")

"""What the operations of PyTorch become, under PyTorch's names and defaults of arguments."""
import math

import numpy as np

from ...errors import CircuitError
from ...functions import broadcast_to, einsum, gather, maximum, minimum
from ...gates.analytic import (arctan, cos, erf, exp, expm1, gelu as exact_gelu, log, log1p, sigmoid, sin,
                               tanh)
from ...gates.piecewise import abs_value, max_axis, relu, step
from ...networks.activations import leaky_relu, silu, softplus
from ...networks.norms import layer_norm as normalized
from ...networks.softmax import log_softmax, logsumexp, softmax
from ...shapes import mean, reshape, sum, transpose
from ...wire import Wire
from ..tensors import FAR, contracted, convolution, finite, product_along, running_sum, windowed


def real(x):
    """A constant without infinities, truth values as 0 and 1."""
    return x if isinstance(x, Wire) else finite(x)


# arithmetic -------------------------------------------------------------------------------------------------

def add(a, b, *, alpha=1):
    return real(a) + real(b) * alpha


def subtract(a, b, *, alpha=1):
    return real(a) - real(b) * alpha


def subtract_from(a, b, alpha=1):
    return real(b) - real(a) * alpha


def divide(a, b, *, rounding_mode=None):
    if rounding_mode is not None:
        raise CircuitError("a rounded quotient jumps")
    return real(a) / real(b)


def power(x, exponent):
    if isinstance(exponent, Wire) or np.ndim(exponent):
        return exp(real(exponent) * (log(x) if isinstance(x, Wire) else np.log(np.asarray(x, float))))
    if not isinstance(x, Wire):
        return exp(exponent * math.log(x))
    return x ** exponent


def clamp(x, min=None, max=None):
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


def where(condition, a, b):
    if isinstance(condition, Wire):
        mask = condition
    else:
        mask = np.asarray(condition, float)
        a, b = (x if isinstance(x, Wire) else finite(np.where(keep, x, 0.0))
                for x, keep in ((a, mask > 0), (b, mask == 0)))
    return real(a) * mask + real(b) * (1.0 - mask)


def masked_fill(x, mask, value):
    return where(mask, value, x)


def greater(a, b):
    """1 where a > b: it jumps there."""
    return step(real(a) - real(b))


# networks ---------------------------------------------------------------------------------------------------

def matmul(a, b):
    """NumPy's @, batches broadcast."""
    a, b = (x if isinstance(x, Wire) else np.asarray(x, float) for x in (a, b))
    if a.ndim <= 2 and b.ndim <= 2 or b.ndim <= 2:
        return contracted(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)), ((), ()))
    if a.ndim == 1:
        return reshape(matmul(reshape(a, (1, -1)), b), (*b.shape[:-2], b.shape[-1]))
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = broadcast_to(a, lead + a.shape[-2:]), broadcast_to(b, lead + b.shape[-2:])
    batch = tuple(range(len(lead)))
    return contracted(a, b, ((a.ndim - 1,), (b.ndim - 2,)), (batch, batch))


def summed_products(equation, operands, path=None):
    """einsum of two operands."""
    refuse(len(operands) != 2 or "." in equation, "einsum of other than two operands, or with ...,")
    return einsum(equation, *map(real, operands))


def linear(x, weight, bias=None):
    y = contracted(real(x), real(weight), ((x.ndim - 1,), (1,)), ((), ()))
    return y if bias is None else y + real(bias)


def addmm(bias, a, b, *, beta=1, alpha=1):
    return matmul(a, b) * alpha + real(bias) * beta


def embedding(weight, ids, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    refuse(padding_idx >= 0, "padding_idx (leave it out, and mask the loss instead), which stops a gradient,")
    return reshape(gather(weight, reshape(ids, (-1,))), (*ids.shape, *weight.shape[1:]))


def scaled(x, weight, bias):
    x = x if weight is None else x * real(weight)
    return x if bias is None else x + real(bias)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    return scaled(normalized(x, eps, axes), weight, bias)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
    eps = np.finfo(float).eps if eps is None else eps
    return scaled(x * reshape((mean(x * x, axes) + eps) ** -0.5, kept), weight, None)


def by_channel(x, ndim):
    """A vector of channels in the shape of the second of several axes."""
    return None if x is None else reshape(real(x), (-1,) + (1,) * (ndim - 2))


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    y = reshape(x, (x.shape[0], num_groups, -1))
    return scaled(reshape(normalized(y, eps, 2), x.shape), by_channel(weight, x.ndim),
                  by_channel(bias, x.ndim))


def batch_norm(x, weight, bias, mean, var, training, momentum, eps, cudnn_enabled):
    if training or mean is None:
        raise CircuitError("a norm over the batch couples its examples: use layer_norm or group_norm")
    y = (x - by_channel(mean, x.ndim)) * by_channel((var + eps) ** -0.5, x.ndim)
    return scaled(y, by_channel(weight, x.ndim), by_channel(bias, x.ndim))


def convolved(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv1d, conv2d, conv3d; without an axis of the batch, too."""
    count = weight.ndim - 2
    if x.ndim == count + 1:
        y = convolved(reshape(x, (1, *x.shape)), weight, bias, stride, padding, dilation, groups)
        return reshape(y, y.shape[1:])
    stride, dilation = every(stride, count), every(dilation, count)
    if padding == "same":
        total = [k * (n - 1) for k, n in zip(dilation, weight.shape[2:])]
        low, high = [n // 2 for n in total], [n - n // 2 for n in total]
    else:
        low = high = every(0 if padding == "valid" else padding, count)
    y = convolution(real(x), real(weight), stride, low, high, dilation, [1] * count, groups)
    return y if bias is None else y + by_channel(bias, y.ndim)


def every(x, count):
    """One number for each of several axes."""
    x = list(x) if isinstance(x, (list, tuple)) else [x]
    return x * count if len(x) == 1 else x


def in_windows(count, x, size, stride, padding, dilation, missing):
    """The elements in windows of the last axes, along a new last axis."""
    size, lead = every(size, count), x.ndim - count
    stride, padding = every(stride, count) or size, every(padding, count)
    return windowed(x, [1] * lead + size, [1] * lead + stride, [0] * lead + padding, [0] * lead + padding,
                    [1] * lead + every(dilation, count), [1] * x.ndim, missing)


def max_pool(count):
    def rule(x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
        refuse(ceil_mode, "ceil_mode")
        stride = list(stride) or kernel_size
        return max_axis(in_windows(count, x, kernel_size, stride, padding, dilation, -FAR), axis=-1)
    return rule


def average_pool(count):
    def rule(x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True,
             divisor_override=None):
        refuse(ceil_mode or (not count_include_pad and any(every(padding, count))) or divisor_override,
               "ceil_mode, count_include_pad or divisor_override")
        return mean(in_windows(count, x, kernel_size, list(stride) or kernel_size, padding, 1, 0.0), -1)
    return rule


def refuse(given, what):
    if given:
        raise CircuitError(f"{what}: has no rule")


def adaptive_average(count):
    def rule(x, output_size):
        lengths, sizes = x.shape[-count:], every(output_size, count)
        refuse(any(n % m for n, m in zip(lengths, sizes)), f"{sizes} averages of {lengths} elements")
        pool = average_pool(count)
        return pool(x, [n // m for n, m in zip(lengths, sizes)])
    return rule


def gelu(x, *, approximate="none"):
    if approximate == "none":
        return exact_gelu(x)
    return x * 0.5 * (tanh((x + x ** 3 * 0.044715) * math.sqrt(2.0 / math.pi)) + 1.0)


def elu(x, alpha=1, scale=1, input_scale=1):
    return (relu(x) + (exp(-relu(-x) * input_scale) - 1.0) * alpha) * scale


def smooth_relu(x, beta=1, threshold=20):
    return softplus(x * beta) * (1.0 / beta)


def dropout(x, p, train):
    refuse(train, "dropout in training: draw masks once and give them as data; it")
    return x


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None,
              enable_gqa=False):
    refuse(dropout_p or enable_gqa, "dropout_p or enable_gqa")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = matmul(real(query) * scale, swapped(real(key)))
    if is_causal:
        attn_mask = np.tri(query.shape[-2], key.shape[-2]) > 0
    if attn_mask is not None:
        allowed = not isinstance(attn_mask, Wire) and attn_mask.dtype == bool
        scores = scores + (np.where(attn_mask, 0.0, -FAR) if allowed else real(attn_mask))
    return matmul(softmax(scores), real(value))


def swapped(x):
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


# along axes -------------------------------------------------------------------------------------------------

def axes_of(x, dim):
    dims = range(x.ndim) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    return tuple(d % x.ndim for d in dims) if x.ndim else ()


def kept(y, x, dim, keepdim):
    return reshape(y, [1 if i in axes_of(x, dim) else n for i, n in enumerate(x.shape)]) if keepdim else y


def total(x, dim=None, keepdim=False, *, dtype=None):
    return kept(sum(x, axes_of(x, dim)), x, dim, keepdim)


def average(x, dim=None, keepdim=False, *, dtype=None):
    return kept(mean(x, axes_of(x, dim)), x, dim, keepdim)


def variance(x, dim=None, unbiased=True, keepdim=False, *, correction=None):
    dim, unbiased = (None, dim) if isinstance(dim, bool) else (dim, unbiased)
    axes = axes_of(x, dim)
    count, y = math.prod(x.shape[a] for a in axes), x - kept(mean(x, axes), x, dim, True)
    free = (1 if unbiased else 0) if correction is None else correction
    return kept(sum(y * y, axes) * (1.0 / (count - free)), x, dim, keepdim)


def largest(x, dim=(), keepdim=False):
    axes = axes_of(x, list(dim) if isinstance(dim, tuple) else dim)
    rest = [i for i in range(x.ndim) if i not in axes]
    y = reshape(transpose(x, (*rest, *axes)), (*[x.shape[i] for i in rest], -1))
    return kept(max_axis(y, axis=-1), x, list(axes), keepdim)


def log_total(x, dim, keepdim=False):
    axes = axes_of(x, dim)
    rest = [i for i in range(x.ndim) if i not in axes]
    y = reshape(transpose(x, (*rest, *axes)), (*[x.shape[i] for i in rest], -1))
    return kept(logsumexp(y), x, dim, keepdim)


def index_of_rows(x, indices):
    """x[ids]: rows by whole numbers of the data."""
    ids, = [i for i in indices if i is not None] if len(indices) == 1 else [None]
    if ids is None:
        raise CircuitError("several indices at a time: choose by one of them, then by the other")
    return reshape(gather(x, reshape(ids, (-1,))), (*ids.shape, *x.shape[1:]))


RULES = {
    "add": add, "sub": subtract, "rsub": subtract_from, "mul": lambda a, b: real(a) * real(b), "div": divide,
    "neg": lambda x: -x, "pow": power, "square": lambda x: x ** 2,
    "reciprocal": lambda x: x ** -1, "sqrt": lambda x: x ** 0.5,
    "rsqrt": lambda x: x ** -0.5, "exp": exp, "exp2": lambda x: exp(x * math.log(2)),
    "expm1": expm1, "log": log, "log1p": log1p, "atan": arctan,
    "sin": sin, "cos": cos, "erf": erf, "abs": abs_value,
    "tanh": tanh, "sigmoid": sigmoid, "silu": silu,
    "mish": lambda x: x * tanh(softplus(x)), "log_sigmoid": lambda x: -softplus(-x),
    "softplus": smooth_relu, "gelu": gelu, "relu": relu,
    "leaky_relu": lambda x, negative_slope=0.01: leaky_relu(x, negative_slope), "elu": elu,
    "relu6": lambda x: minimum(relu(x), 6.0), "hardtanh": lambda x, a=-1, b=1: clamp(x, a, b),
    "clamp": clamp, "clamp_min": clamp, "maximum": lambda a, b: maximum(real(a), real(b)),
    "minimum": lambda a, b: minimum(real(a), real(b)), "where": where, "masked_fill": masked_fill,
    "gt": greater, "lt": lambda a, b: greater(b, a), "ge": lambda a, b: 1.0 - greater(b, a),
    "le": lambda a, b: 1.0 - greater(a, b), "matmul": matmul, "mm": matmul, "bmm": matmul, "mv": matmul,
    "dot": matmul, "addmm": addmm, "einsum": summed_products,
    "linear": linear, "embedding": embedding, "layer_norm": layer_norm,
    "rms_norm": rms_norm, "group_norm": group_norm, "batch_norm": batch_norm, "conv1d": convolved,
    "conv2d": convolved, "conv3d": convolved, "max_pool1d": max_pool(1), "max_pool2d": max_pool(2),
    "avg_pool1d": average_pool(1), "avg_pool2d": average_pool(2), "adaptive_avg_pool1d": adaptive_average(1),
    "adaptive_avg_pool2d": adaptive_average(2), "dropout": dropout, "scaled_dot_product_attention": attention,
    "softmax": lambda x, dim, dtype=None: softmax(x, dim),
    "log_softmax": lambda x, dim, dtype=None: log_softmax(x, dim), "sum": total, "mean": average,
    "var": variance, "amax": largest, "logsumexp": log_total, "prod": lambda x, dim: product_along(x, dim),
    "cumsum": lambda x, dim, dtype=None: running_sum(x, dim % x.ndim), "index": index_of_rows,
    "index_select": lambda x, dim, index: index_of_rows(x, [index]) if dim == 0 else refuse(True, "dim"),
}
"""Operations by PyTorch's names."""

JUMPS = {name: "it jumps, or chooses, and no Taylor series predicts it; a loss, logit or margin has one"
         for name in ("argmax", "argmin", "sort", "topk", "median", "argsort")} | {
    name: "it jumps and is flat in between: no Taylor series predicts it"
    for name in ("round", "floor", "ceil", "trunc", "sign")} | {
    "detach": "a gradient is stopped: retraining moves the value, and its derivative is that of no function"}
"""Operations that are refused, and why. Of constants they are calculated."""

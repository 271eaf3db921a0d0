"""The numbers that the compiled rules calculate with, as types of numba. You may skip this file and
elements.py: rules.py can be read without them, and plain.py defines the same in a page of NumPy.

Lanes  one complex number per direction of a block: two machine vectors, real and imaginary parts
Reals  one real number per lane: constant parts that differ from lane to lane, when whole trainings run side
       by side

They add and multiply like numbers, and each operation is one or a few vector instructions, independent of the
compiler's heuristics. A `Form` fixes degree and number of lanes. Both are part of its *type*, so that every
kernel is compiled for exactly them: loops over orders are unrolled, and sums stay in registers.
"""
import math
import operator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import (NativeValue, intrinsic, models, overload, overload_attribute, register_model,
                             typeof_impl, unbox)

# What the compiler may do with lanes: fuse and reorder, but never assume that NaN and infinity cannot occur.
_FREE = ("contract", "reassoc", "nsz", "arcp")
_DOUBLE, _INDEX = ir.DoubleType(), ir.IntType(32)

# The shared constant parts are ordinary floats, for which the compiler has no such freedom: their bits depend
# on neither degree nor lanes nor block.
rule = njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, _nrt=False, forceinline=True)


@intrinsic
def ticks(context):
    """The processor's clock."""
    def generate(context, builder, signature, arguments):
        counter = builder.module.declare_intrinsic("llvm.readcyclecounter",
                                                   fnty=ir.FunctionType(ir.IntType(64), []))
        return builder.call(counter, [])
    return types.int64(), generate


# Form: degree and lanes as compile-time constants -----------------------------------------------------------

@lru_cache(maxsize=None)
def _sources():
    """A hash of the code that is compiled. It is part of the names of types, so that what was compiled from other
    sources is not found on disk."""
    digest = sha256()
    for name in ("elements", "form", "kernels", "lanes", "machine", "operations", "rules", "tape"):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


class Sources:
    """What the machine is called with, so that it is compiled anew when the sources change."""


class SourcesType(types.Type):
    def __init__(self):
        super().__init__(f"Sources({_sources()})")


register_model(SourcesType)(models.OpaqueModel)


@typeof_impl.register(Sources)
def _type_of_sources(sources, context):
    return SourcesType()


@unbox(SourcesType)
def _unbox_sources(kind, value, context):
    return NativeValue(context.context.get_dummy_value())


class FormType(types.Type):
    def __init__(self, form):
        self.form = form
        super().__init__(f"{form} of {_sources()}")


register_model(FormType)(models.OpaqueModel)


@overload_attribute(FormType, "degree")
def _form_degree(form):
    degree = form.form.degree
    return lambda form: degree


@overload_attribute(FormType, "shared")
def _form_shared(form):
    shared = form.form.shared
    return lambda form: shared


@overload_attribute(FormType, "lanes")
def _form_lanes(form):
    lanes = form.form.lanes
    return lambda form: lanes


# Lanes and Reals: vectors that behave like numbers ----------------------------------------------------------

class LanesType(types.Type):
    def __init__(self, lanes):
        self.lanes = lanes
        self.vector = ir.VectorType(_DOUBLE, lanes)
        super().__init__(f"Lanes({lanes})")


class RealsType(types.Type):
    def __init__(self, lanes):
        self.lanes = lanes
        self.vector = ir.VectorType(_DOUBLE, lanes)
        super().__init__(f"Reals({lanes})")


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.LiteralStructType([lanes.vector] * 2))


@register_model(RealsType)
class _RealsModel(models.PrimitiveModel):
    def __init__(self, manager, reals):
        super().__init__(manager, reals, reals.vector)


def pair(builder, re, im):
    """Lanes from their two vectors."""
    lanes = ir.Constant(ir.LiteralStructType([re.type] * 2), ir.Undefined)
    return builder.insert_value(builder.insert_value(lanes, re, 0), im, 1)


def parts(builder, lanes):
    """The two vectors of Lanes."""
    return builder.extract_value(lanes, 0), builder.extract_value(lanes, 1)


def spread(builder, number, vector):
    """A vector with the same number in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, number, _INDEX(0))
    return builder.shuffle_vector(first, undefined,
                                  ir.Constant(ir.VectorType(_INDEX, vector.count), [0] * vector.count))


@intrinsic
def zero(context, form):
    """Lanes of zeros."""
    lanes = LanesType(form.form.lanes)

    def generate(context, builder, signature, arguments):
        return pair(builder, ir.Constant(lanes.vector, None), ir.Constant(lanes.vector, None))
    return lanes(form), generate


def _lanewise(operation):
    """Lanes + Lanes or Lanes - Lanes, part by part."""
    @intrinsic
    def calculate(context, a, b):
        def generate(context, builder, signature, arguments):
            (re, im), (re2, im2) = (parts(builder, x) for x in arguments)
            step = getattr(builder, operation)
            return pair(builder, step(re, re2, flags=_FREE), step(im, im2, flags=_FREE))
        return a(a, b), generate
    return calculate


_add_lanes, _subtract_lanes = _lanewise("fadd"), _lanewise("fsub")


@intrinsic
def _multiply_lanes(context, a, b):
    def generate(context, builder, signature, arguments):
        (re, im), (re2, im2) = (parts(builder, x) for x in arguments)

        def times(x, y):
            return builder.fmul(x, y, flags=_FREE)
        return pair(builder, builder.fsub(times(re, re2), times(im, im2), flags=_FREE),
                    builder.fadd(times(re, im2), times(im, re2), flags=_FREE))
    return a(a, b), generate


@intrinsic
def _scale_lanes(context, factor, lanes):
    """A number, or a real number per lane, times Lanes."""
    def generate(context, builder, signature, arguments):
        by, (re, im) = arguments[0], parts(builder, arguments[1])
        by = by if isinstance(factor, RealsType) else spread(builder, by, lanes.vector)
        return pair(builder, builder.fmul(by, re, flags=_FREE), builder.fmul(by, im, flags=_FREE))
    return lanes(factor, lanes), generate


def _on_reals(operation):
    """An instruction on Reals; a number among the operands stands for all lanes. The compiler has no freedom
    here, as with single floats."""
    @intrinsic
    def calculate(context, a, b):
        reals = a if isinstance(a, RealsType) else b

        def generate(context, builder, signature, arguments):
            x, y = (value if isinstance(kind, RealsType) else spread(builder, value, reals.vector)
                    for kind, value in zip((a, b), arguments))
            return getattr(builder, operation)(x, y)
        return reals(a, b), generate
    return calculate


_add_reals, _subtract_reals = _on_reals("fadd"), _on_reals("fsub")
_multiply_reals, _divide_reals = _on_reals("fmul"), _on_reals("fdiv")


@intrinsic
def _fused(context, a, b, c):
    def generate(context, builder, signature, arguments):
        vector = next((kind.vector for kind in (a, b, c) if isinstance(kind, RealsType)), None)
        operands = [value if vector is None or isinstance(kind, RealsType) else spread(builder, value, vector)
                    for kind, value in zip((a, b, c), arguments)]
        kind = operands[0].type
        suffix = f"v{kind.count}f64" if vector else "f64"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.{suffix}")
        return builder.call(function, operands)
    return next((kind for kind in (a, b, c) if isinstance(kind, RealsType)), types.float64)(a, b, c), generate


def fused(a, b, c):
    """a b + c, rounded once where the processor can: the same for a number and for every lane."""


@overload(fused)
def _overload_fused(a, b, c):
    return lambda a, b, c: _fused(a, b, c)


@intrinsic
def _root(context, reals):
    def generate(context, builder, signature, arguments):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(reals.vector, [reals.vector]), f"llvm.sqrt.v{reals.lanes}f64")
        return builder.call(function, arguments)
    return reals(reals), generate


def _overload_arithmetic(python, on_lanes, on_reals):
    """Let an operator of Python take Lanes and Reals."""
    @overload(python)
    def arithmetic(a, b):
        kinds = [isinstance(a, (LanesType, RealsType)), isinstance(b, (LanesType, RealsType))]
        if not any(kinds):
            return None
        if isinstance(a, LanesType) and isinstance(b, LanesType):
            return on_lanes and (lambda a, b: on_lanes(a, b))
        if isinstance(b, LanesType):
            if python is not operator.mul:
                return None
            if isinstance(a, RealsType):
                return lambda a, b: _scale_lanes(a, b)
            return lambda a, b: _scale_lanes(float(a), b)
        if isinstance(a, types.Number):
            return lambda a, b: on_reals(float(a), b)
        if isinstance(b, types.Number):
            return lambda a, b: on_reals(a, float(b))
        return lambda a, b: on_reals(a, b)


_overload_arithmetic(operator.add, _add_lanes, _add_reals)
_overload_arithmetic(operator.sub, _subtract_lanes, _subtract_reals)
_overload_arithmetic(operator.mul, _multiply_lanes, _multiply_reals)
_overload_arithmetic(operator.truediv, None, _divide_reals)


# functions of constant parts: one number, or one per lane ---------------------------------------------------

@intrinsic
def _lane(context, reals, i):
    def generate(context, builder, signature, arguments):
        return builder.extract_element(*arguments)
    return types.float64(reals, types.intp), generate


@intrinsic
def _with_lane(context, reals, i, number):
    def generate(context, builder, signature, arguments):
        reals, i, number = arguments
        return builder.insert_element(reals, number, i)
    return reals(reals, types.intp, types.float64), generate


def _overload_function(function):
    """A function of one number, taken lane by lane."""
    @overload(function)
    def by_lane(x):
        if isinstance(x, RealsType):
            count = x.lanes

            def calculate(x):
                y = x
                for i in range(count):
                    y = _with_lane(y, i, function(_lane(x, i)))
                return y
            return calculate


for _function in (math.exp, math.log, math.tanh, math.sin, math.cos, math.erf, math.erfc):
    _overload_function(_function)


@overload(math.sqrt)
def _overload_root(x):
    if isinstance(x, RealsType):
        return lambda x: _root(x)


@overload(operator.pow)
def _overload_power(x, exponent):
    if isinstance(x, RealsType):
        count = x.lanes

        def calculate(x, exponent):
            y = x
            for i in range(count):
                y = _with_lane(y, i, _lane(x, i) ** exponent)
            return y
        return calculate


def positive(x):
    """1.0 where x > 0, else 0.0."""


@overload(positive)
def _overload_positive(x):
    if isinstance(x, types.Float):
        return lambda x: 1.0 if x > 0.0 else 0.0
    count = x.lanes

    def calculate(x):
        y = x
        for i in range(count):
            y = _with_lane(y, i, 1.0 if _lane(x, i) > 0.0 else 0.0)
        return y
    return calculate

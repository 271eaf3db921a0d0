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
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import (AbstractTemplate, AttributeTemplate, infer_getattr, infer_global,
                                         signature)
from numba.extending import (NativeValue, intrinsic, lower_builtin, lower_getattr_generic, models, overload,
                             register_model, typeof_impl, unbox)

# What the compiler may do with lanes: fuse and reorder, but never assume that NaN and infinity cannot occur.
_FREE = ("contract", "reassoc", "nsz", "arcp")
_DOUBLE, _INDEX = ir.DoubleType(), ir.IntType(32)

# The shared constant parts are ordinary floats, with which the compiler may do neither: their bits depend
# on neither degree nor lanes nor block.
rule = njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, _nrt=False,
            forceinline=True)


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
    """A hash of the code that is compiled. It is part of the names of types, so that what was compiled from
    other sources is not found on disk."""
    digest = sha256()
    for name in ("form", "kernels", "machine", "rules", "tape", "vectors/elements", "vectors/lanes",
                 "vectors/operations"):
        digest.update((Path(__file__).parent.parent / f"{name}.py").read_bytes())
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


@infer_getattr
class _FormAttributes(AttributeTemplate):
    key = FormType

    def generic_resolve(self, form, name):
        return {"degree": types.intp, "lanes": types.intp, "shared": types.boolean}[name]


@lower_getattr_generic(FormType)
def _form_attribute(context, builder, form, value, name):
    return context.get_constant(types.boolean if name == "shared" else types.intp, getattr(form.form, name))


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


def _times(builder, x, y):
    return builder.fmul(x, y, flags=_FREE)


def _add_lanes(builder, a, b, step="fadd"):
    """Lanes + Lanes, part by part."""
    return pair(builder, *(getattr(builder, step)(x, y, flags=_FREE)
                           for x, y in zip(parts(builder, a), parts(builder, b))))


def _subtract_lanes(builder, a, b):
    return _add_lanes(builder, a, b, "fsub")


def _multiply_lanes(builder, a, b):
    (re, im), (re2, im2) = parts(builder, a), parts(builder, b)
    return pair(builder,
                builder.fsub(_times(builder, re, re2), _times(builder, im, im2), flags=_FREE),
                builder.fadd(_times(builder, re, im2), _times(builder, im, re2), flags=_FREE))


def _scale_lanes(builder, by, lanes):
    """A number, or a real number per lane, times Lanes."""
    re, im = parts(builder, lanes)
    by = by if isinstance(by.type, ir.VectorType) else spread(builder, by, re.type)
    return pair(builder, _times(builder, by, re), _times(builder, by, im))


def _on_reals(operation):
    """An instruction on Reals; a number among the operands stands for all lanes. The compiler may not fuse or
    reorder here, as with single floats."""
    def calculate(builder, a, b):
        vector = next(x.type for x in (a, b) if isinstance(x.type, ir.VectorType))
        a, b = (x if isinstance(x.type, ir.VectorType) else spread(builder, x, vector) for x in (a, b))
        return getattr(builder, operation)(a, b)
    return calculate


def _arithmetic(python, rules):
    """Let an operator of Python take Lanes and Reals.

    rules    {(kind of a, kind of b): what is calculated}
    """
    def kind(x):
        return next((k for k in (LanesType, RealsType) if isinstance(x, k)), types.Float)

    @infer_global(python)
    class Template(AbstractTemplate):
        def generic(self, arguments, _):
            kinds = tuple(map(kind, arguments))
            if kinds not in rules or kinds == (types.Float, types.Float):
                return None
            actual = [types.float64 if k is types.Float else x for x, k in zip(arguments, kinds)]
            result = next((x for x in actual if isinstance(x, LanesType)), None) or next(
                x for x in actual if isinstance(x, RealsType))
            return signature(result, *actual)

    for kinds, calculate in rules.items():
        def lowered(context, builder, signature, arguments, calculate=calculate):
            return calculate(builder, *arguments)
        lower_builtin(python, *kinds)(lowered)


_REAL = {(RealsType, RealsType), (RealsType, types.Float), (types.Float, RealsType)}
for _python, _operation, _lanes in (
        (operator.add, "fadd", {(LanesType, LanesType): _add_lanes}),
        (operator.sub, "fsub", {(LanesType, LanesType): _subtract_lanes}),
        (operator.mul, "fmul", {(LanesType, LanesType): _multiply_lanes,
                                (types.Float, LanesType): _scale_lanes,
                                (RealsType, LanesType): _scale_lanes}),
        (operator.truediv, "fdiv", {})):
    _arithmetic(_python, _lanes | dict.fromkeys(_REAL, _on_reals(_operation)))


def _on_vectors(builder, name, *operands):
    """Call a function of the compiler on numbers, or lane by lane on vectors."""
    kind = operands[0].type
    suffix = f"v{kind.count}f64" if isinstance(kind, ir.VectorType) else "f64"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * len(operands)), f"llvm.{name}.{suffix}")
    return builder.call(function, operands)


@intrinsic
def fused(context, a, b, c):
    """a b + c, rounded once where the processor can: the same for a number and for every lane."""
    def generate(context, builder, signature, arguments):
        vector = next((kind.vector for kind in (a, b, c) if isinstance(kind, RealsType)), None)
        operands = [value if vector is None or isinstance(kind, RealsType) else spread(builder, value, vector)
                    for kind, value in zip((a, b, c), arguments)]
        return _on_vectors(builder, "fmuladd", *operands)
    return next((kind for kind in (a, b, c) if isinstance(kind, RealsType)), types.float64)(a, b, c), generate


@intrinsic
def _root(context, reals):
    def generate(context, builder, signature, arguments):
        return _on_vectors(builder, "sqrt", *arguments)
    return reals(reals), generate


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


# e^x = 2^n e^r with n whole and |r| <= log(2) / 2, where fourteen terms of the series suffice. Written in
# instructions, it is the same for a number and for every lane, and the compiler can calculate several numbers
# with one vector instruction.
_LOG2_HIGH, _LOG2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
_HIGHEST, _LOWEST = 709.782712893384, -745.1332191019412


@intrinsic
def exponential(context, x):
    """e^x of a number, or of every lane: within one unit of the last place."""
    vector = isinstance(x, RealsType)

    def generate(context, builder, signature, arguments):
        x, = arguments
        kind, function = x.type, partial(_on_vectors, builder)
        whole = ir.VectorType(ir.IntType(64), kind.count) if vector else ir.IntType(64)

        def number(value, kind=kind):
            return ir.Constant(kind, [value] * kind.count if vector else value)

        def power_of_two(n):
            return builder.bitcast(builder.shl(builder.add(n, number(1023, whole)), number(52, whole)), kind)
        limited = function("minnum", function("maxnum", x, number(_LOWEST)), number(_HIGHEST))
        n = function("rint", builder.fmul(limited, number(1.0 / math.log(2.0))))
        r = function("fmuladd", n, number(-_LOG2_HIGH), limited)
        r = function("fmuladd", n, number(-_LOG2_LOW), r)
        series = number(1.0 / math.factorial(13))
        for k in range(12, -1, -1):
            series = function("fmuladd", series, r, number(1.0 / math.factorial(k)))
        n = builder.fptosi(n, whole)
        half = builder.ashr(n, number(1, whole))      # in two steps, so that the smallest results are right
        result = builder.fmul(builder.fmul(series, power_of_two(half)), power_of_two(builder.sub(n, half)))
        result = builder.select(builder.fcmp_ordered(">", x, number(_HIGHEST)), number(math.inf), result)
        result = builder.select(builder.fcmp_ordered("<", x, number(_LOWEST)), number(0.0), result)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, result)
    return x(x), generate


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


for _function in (math.log, math.log1p, math.expm1, math.tanh, math.sin, math.cos, math.atan, math.erf,
                  math.erfc):
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


@intrinsic
def larger(context, a, b):
    """The larger of two Reals in every lane; a where they are equal."""
    def generate(context, builder, signature, arguments):
        a, b = arguments
        return builder.select(builder.fcmp_ordered(">", b, a), b, a)
    return a(a, b), generate


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

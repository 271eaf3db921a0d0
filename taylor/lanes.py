"""The two kinds of value that the compiled rules calculate with, as types of numba. You may skip this file: rules.py reads
without it, and plain.py says the same in thirty lines of NumPy.

Lanes       one complex number per direction of a block: two machine vectors, real and imaginary parts. They add and multiply
            like numbers, and each operation is one or a few vector instructions, whatever the compiler's heuristics think.
Polynomial  where the coefficients of one element live: `u.constant` is the real constant part, shared by all directions, and
            `u[r]`, r = 1..degree, the Lanes of order r. It points into a block's memory (`at`) or at the stack (`local`).

A `Form` fixes degree and number of lanes; both are part of its *type*, so every kernel is compiled for exactly them: loops
over orders unroll, accumulators stay in registers.

Layout: element e of a block keeps its coefficients at coefficients[e * 2 p lanes:], as (order, real/imaginary, direction) with
the directions innermost and contiguous: one order of one element is one or two machine registers.
"""
import operator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import (NativeValue, intrinsic, lower_setattr, models, overload, overload_attribute, register_model,
                             typeof_impl, unbox)

# What the compiler may do with lanes: fuse and reorder, but never assume that NaN and infinity cannot occur.
_FREE = ("contract", "reassoc", "nsz", "arcp")
_DOUBLE, _INDEX = ir.DoubleType(), ir.IntType(32)

# The shared constant parts are ordinary floats without such freedom: their bits depend on neither degree nor lanes nor block.
rule = njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, _nrt=False, forceinline=True)


# Form: degree and lanes as compile-time constants -------------------------------------------------------------------

class Form:
    """The form of a block's polynomials.   degree: highest power of t;   lanes: directions side by side."""

    def __init__(self, degree, lanes):
        self.degree, self.lanes = degree, lanes


@lru_cache(maxsize=None)
def _sources():
    """A hash of this folder's code: compiled kernels on disk are found again only by the sources they came from."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class FormType(types.Type):
    def __init__(self, degree, lanes):
        self.degree, self.lanes = degree, lanes
        super().__init__(f"Form({degree}, {lanes}) of {_sources()}")


register_model(FormType)(models.OpaqueModel)


@typeof_impl.register(Form)
def _type_of_form(form, context):
    return FormType(form.degree, form.lanes)


@unbox(FormType)
def _unbox_form(form, value, context):
    return NativeValue(context.context.get_dummy_value())


@overload_attribute(FormType, "degree")
def _form_degree(form):
    degree = form.degree
    return lambda form: degree


@overload_attribute(FormType, "lanes")
def _form_lanes(form):
    lanes = form.lanes
    return lambda form: lanes


# Lanes: a complex number per direction ------------------------------------------------------------------------------

class LanesType(types.Type):
    def __init__(self, lanes):
        self.lanes = lanes
        self.vector = ir.VectorType(_DOUBLE, lanes)
        super().__init__(f"Lanes({lanes})")


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.LiteralStructType([lanes.vector] * 2))


def _pair(builder, re, im):
    pair = ir.Constant(ir.LiteralStructType([re.type] * 2), ir.Undefined)
    return builder.insert_value(builder.insert_value(pair, re, 0), im, 1)


def _parts(builder, lanes):
    return builder.extract_value(lanes, 0), builder.extract_value(lanes, 1)


def _spread(builder, number, vector):
    """A vector with the same number in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, number, _INDEX(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, vector.count), [0] * vector.count))


@intrinsic
def zero(context, form):
    """Lanes of zeros."""
    lanes = LanesType(form.lanes)

    def generate(context, builder, signature, arguments):
        return _pair(builder, ir.Constant(lanes.vector, None), ir.Constant(lanes.vector, None))
    return lanes(form), generate


@intrinsic
def _add(context, a, b):
    def generate(context, builder, signature, arguments):
        (re, im), (re2, im2) = (_parts(builder, x) for x in arguments)
        return _pair(builder, builder.fadd(re, re2, flags=_FREE), builder.fadd(im, im2, flags=_FREE))
    return a(a, b), generate


@intrinsic
def _subtract(context, a, b):
    def generate(context, builder, signature, arguments):
        (re, im), (re2, im2) = (_parts(builder, x) for x in arguments)
        return _pair(builder, builder.fsub(re, re2, flags=_FREE), builder.fsub(im, im2, flags=_FREE))
    return a(a, b), generate


@intrinsic
def _multiply(context, a, b):
    def generate(context, builder, signature, arguments):
        (re, im), (re2, im2) = (_parts(builder, x) for x in arguments)

        def times(x, y):
            return builder.fmul(x, y, flags=_FREE)
        return _pair(builder, builder.fsub(times(re, re2), times(im, im2), flags=_FREE),
                     builder.fadd(times(re, im2), times(im, re2), flags=_FREE))
    return a(a, b), generate


@intrinsic
def _scale(context, number, lanes):
    def generate(context, builder, signature, arguments):
        factor = _spread(builder, arguments[0], lanes.vector)
        re, im = _parts(builder, arguments[1])
        return _pair(builder, builder.fmul(factor, re, flags=_FREE), builder.fmul(factor, im, flags=_FREE))
    return lanes(types.float64, lanes), generate


@overload(operator.add)
def _overload_add(a, b):
    if isinstance(a, LanesType) and isinstance(b, LanesType):
        return lambda a, b: _add(a, b)


@overload(operator.sub)
def _overload_subtract(a, b):
    if isinstance(a, LanesType) and isinstance(b, LanesType):
        return lambda a, b: _subtract(a, b)


@overload(operator.mul)
def _overload_multiply(a, b):
    if isinstance(a, LanesType) and isinstance(b, LanesType):
        return lambda a, b: _multiply(a, b)
    if isinstance(a, types.Number) and isinstance(b, LanesType):
        return lambda a, b: _scale(float(a), b)


# Polynomial: the coefficients of one element ------------------------------------------------------------------------

class PolynomialType(types.Type):
    def __init__(self, degree, lanes):
        self.degree, self.lanes = degree, LanesType(lanes)
        super().__init__(f"Polynomial({degree}, {lanes})")


@register_model(PolynomialType)
class _PolynomialModel(models.StructModel):
    def __init__(self, manager, polynomial):
        pointer = types.CPointer(types.float64)
        super().__init__(manager, polynomial, [("constant", pointer), ("coefficients", pointer)])


def _width(form):
    return 2 * form.degree * form.lanes


@intrinsic
def at(context, form, memory, element):
    """The polynomial of one element of a block's memory."""
    polynomial = PolynomialType(form.degree, form.lanes)
    constants, coefficients = (memory.types[memory.fields.index(name)] for name in ("constants", "coefficients"))

    def generate(context, builder, signature, arguments):
        _, block, element = arguments
        u = cgutils.create_struct_proxy(polynomial)(context, builder)
        for name, kind, stride in (("constant", constants, 1), ("coefficients", coefficients, _width(form))):
            field = memory.fields.index("constants" if name == "constant" else name)
            data = context.make_array(kind)(context, builder, builder.extract_value(block, field)).data
            setattr(u, name, builder.gep(data, [builder.mul(element, element.type(stride))]))
        return u._getvalue()
    return polynomial(form, memory, types.intp), generate


@intrinsic
def local(context, form):
    """A polynomial on the stack, for intermediate results; its content is undefined until written."""
    polynomial = PolynomialType(form.degree, form.lanes)

    def generate(context, builder, signature, arguments):
        u = cgutils.create_struct_proxy(polynomial)(context, builder)
        u.constant = cgutils.alloca_once(builder, _DOUBLE)
        stack = cgutils.alloca_once(builder, ir.ArrayType(polynomial.lanes.vector, 2 * form.degree))
        u.coefficients = builder.bitcast(stack, _DOUBLE.as_pointer())
        return u._getvalue()
    return polynomial(form), generate


def _slots(context, builder, kind, polynomial, r):
    """Pointers to the real and imaginary vectors of order r."""
    u = cgutils.create_struct_proxy(kind)(context, builder, value=polynomial)
    lanes = kind.lanes.lanes
    start = builder.mul(builder.sub(r, r.type(1)), r.type(2 * lanes))
    for offset in (start, builder.add(start, r.type(lanes))):
        yield builder.bitcast(builder.gep(u.coefficients, [offset]), kind.lanes.vector.as_pointer())


@intrinsic
def _coefficient(context, u, r):
    def generate(context, builder, signature, arguments):
        return _pair(builder, *(builder.load(slot, align=8) for slot in _slots(context, builder, u, *arguments)))
    return u.lanes(u, types.intp), generate


@intrinsic
def _set_coefficient(context, u, r, value):
    def generate(context, builder, signature, arguments):
        polynomial, r, value = arguments
        for part, slot in zip(_parts(builder, value), _slots(context, builder, u, polynomial, r)):
            builder.store(part, slot, align=8)
        return context.get_dummy_value()
    return types.none(u, types.intp, u.lanes), generate


@overload(operator.getitem)
def _overload_getitem(u, r):
    if isinstance(u, PolynomialType):
        return lambda u, r: _coefficient(u, r)


@overload(operator.setitem)
def _overload_setitem(u, r, value):
    if isinstance(u, PolynomialType):
        return lambda u, r, value: _set_coefficient(u, r, value)


@intrinsic
def _constant(context, u):
    def generate(context, builder, signature, arguments):
        return builder.load(cgutils.create_struct_proxy(u)(context, builder, value=arguments[0]).constant)
    return types.float64(u), generate


@overload_attribute(PolynomialType, "constant")
def _overload_constant(u):
    return lambda u: _constant(u)


@lower_setattr(PolynomialType, "constant")
def _set_constant(context, builder, signature, arguments):
    kind, number = signature.args
    u = cgutils.create_struct_proxy(kind)(context, builder, value=arguments[0])
    builder.store(context.cast(builder, arguments[1], number, types.float64), u.constant)

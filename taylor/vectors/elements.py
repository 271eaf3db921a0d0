"""Polynomials as a type of numba: pointers into a block's memory, or to the stack. You may skip this file.

`u.constant` is the constant part of a polynomial: a float that all directions share, or Reals, one per lane.
`u[r]`, r = 1..degree, is the Lanes of order r.

Layout: the constant part of element e of a block is constants[e]. Its coefficients start at
coefficients[e * 2 p lanes], as (order, real/imaginary, direction) with the directions innermost and
contiguous, so that one order of one element is one or two machine registers. Where lanes do not share the
constant part, as in plain trainings, it has one number per lane, from coefficients[e * lanes] on.
"""
import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import (AbstractTemplate, AttributeTemplate, infer_getattr, infer_global,
                                         signature)
from numba.extending import (intrinsic, lower_builtin, lower_cast, lower_getattr, lower_setattr, models,
                             register_model)

from ..form import Form
from ..tape import CONSTANT_B
from .lanes import LanesType, RealsType, pair, parts, rule, spread

_DOUBLE = ir.DoubleType()


POINTER = types.CPointer(types.float64)


class PolynomialType(types.Type):
    def __init__(self, form):
        self.degree, self.lanes = form.degree, LanesType(form.lanes)
        self.constant = types.float64 if form.shared else RealsType(form.lanes)
        super().__init__(f"Polynomial of {form}")


@register_model(PolynomialType)
class _PolynomialModel(models.StructModel):
    def __init__(self, manager, polynomial):
        super().__init__(manager, polynomial, [("constant", POINTER), ("coefficients", POINTER)])


def polynomial_at(form, constant=False):
    """(the type, code) of a polynomial of a form, or of a constant beside it, at an element of a block's
    memory."""
    form = Form(0, form.lanes) if constant else form
    polynomial = PolynomialType(form)

    def generate(context, builder, memory, element):
        constants, coefficients = cgutils.unpack_tuple(builder, memory, 2)
        u = cgutils.create_struct_proxy(polynomial)(context, builder)
        u.coefficients = builder.gep(coefficients, [builder.mul(element, element.type(form.width))])
        u.constant = builder.gep(constants, [element]) if form.shared else u.coefficients
        return u._getvalue()
    return polynomial, generate


@intrinsic
def at(context, form, memory, element):
    """The polynomial of one element of a block's memory: (constants, coefficients)."""
    polynomial, code = polynomial_at(form.form)

    def generate(context, builder, signature, arguments):
        return code(context, builder, *arguments[1:])
    return polynomial(form, memory, types.intp), generate


def _reserve(form, count):
    """What an intrinsic returns that makes room for `count` polynomials on the stack."""
    memory = types.UniTuple(POINTER, 2)

    def generate(context, builder, signature, arguments):
        def array(size):
            vectors = ir.ArrayType(ir.VectorType(_DOUBLE, 8), max(1, -(-size // 8)))
            stack = cgutils.alloca_once(builder, vectors)
            return builder.bitcast(stack, _DOUBLE.as_pointer())
        return cgutils.pack_array(builder, [array(count), array(count * form.form.width)])
    return memory, generate


@intrinsic(prefer_literal=True)
def room(context, form, count):
    """A memory for some polynomials on the stack. Its content is undefined until it is written."""
    memory, generate = _reserve(form, count.literal_value)
    return memory(form, count), generate


@intrinsic
def tile_room(context, form, operation):
    """A memory for a tile of a product."""
    shape = form.form.tile(operation.operation in CONSTANT_B)
    memory, generate = _reserve(form, shape[0] * shape[1])
    return memory(form, operation), generate


@intrinsic
def panel_room(context, form, operation):
    """A memory for a panel of operand a of a product."""
    constant = operation.operation in CONSTANT_B
    memory, generate = _reserve(form, form.form.panel(constant) * form.form.tile(constant)[0])
    return memory(form, operation), generate


@rule
def local(form):
    """A polynomial on the stack, for intermediate results."""
    return at(form, room(form, 1), 0)


def _slots(context, builder, kind, polynomial, r):
    """Pointers to the real and imaginary vectors of order r."""
    u = cgutils.create_struct_proxy(kind)(context, builder, value=polynomial)
    lanes = kind.lanes.lanes
    start = builder.mul(builder.sub(r, r.type(1)), r.type(2 * lanes))
    for offset in (start, builder.add(start, r.type(lanes))):
        yield builder.bitcast(builder.gep(u.coefficients, [offset]), kind.lanes.vector.as_pointer())


@infer_global(operator.getitem)
class _GetCoefficient(AbstractTemplate):
    def generic(self, arguments, _):
        if isinstance(arguments[0], PolynomialType):
            return signature(arguments[0].lanes, arguments[0], types.intp)


@lower_builtin(operator.getitem, PolynomialType, types.Integer)
def _coefficient(context, builder, signature, arguments):
    slots = _slots(context, builder, signature.args[0], *arguments)
    return pair(builder, *(builder.load(slot, align=8) for slot in slots))


@infer_global(operator.setitem)
class _SetCoefficient(AbstractTemplate):
    def generic(self, arguments, _):
        if isinstance(arguments[0], PolynomialType):
            return signature(types.none, arguments[0], types.intp, arguments[0].lanes)


@lower_builtin(operator.setitem, PolynomialType, types.Integer, LanesType)
def _set_coefficient(context, builder, signature, arguments):
    polynomial, r, value = arguments
    for part, slot in zip(parts(builder, value), _slots(context, builder, signature.args[0], polynomial, r)):
        builder.store(part, slot, align=8)
    return context.get_dummy_value()


def _constant_slot(context, builder, kind, polynomial):
    """Pointer to the constant part, as a number or as a vector."""
    pointer = cgutils.create_struct_proxy(kind)(context, builder, value=polynomial).constant
    if kind.constant == types.float64:
        return pointer
    return builder.bitcast(pointer, kind.constant.vector.as_pointer())


@infer_getattr
class _PolynomialAttributes(AttributeTemplate):
    key = PolynomialType

    def resolve_constant(self, polynomial):
        return polynomial.constant


@lower_getattr(PolynomialType, "constant")
def _constant(context, builder, polynomial, value):
    return builder.load(_constant_slot(context, builder, polynomial, value), align=8)


@lower_setattr(PolynomialType, "constant")
def _set_constant(context, builder, signature, arguments):
    builder.store(arguments[1], _constant_slot(context, builder, signature.args[0], arguments[0]), align=8)


@lower_cast(types.Float, RealsType)
def _same_in_every_lane(context, builder, number, reals, value):
    return spread(builder, context.cast(builder, value, number, types.float64), reals.vector)


# what the machine needs -------------------------------------------------------------------------------------

@intrinsic
def pointers(context, arrays):
    """An array as a pointer to its numbers, or a named tuple of arrays as one of pointers."""
    def pointer(array):
        return types.CPointer(array.dtype)
    if isinstance(arrays, types.Array):
        result, several = pointer(arrays), [arrays]
    else:
        several = list(arrays.types)
        result = types.NamedTuple([pointer(x) for x in several], arrays.instance_class)

    def generate(context, builder, signature, arguments):
        single = isinstance(arrays, types.Array)
        values = [arguments[0]] if single else cgutils.unpack_tuple(builder, arguments[0], len(several))
        data = [context.make_array(kind)(context, builder, value).data
                for kind, value in zip(several, values)]
        return data[0] if single else context.make_tuple(builder, result, data)
    return result(arrays), generate


@intrinsic
def behind(context, pointer, count):
    """A pointer to the number that lies `count` numbers behind."""
    def generate(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])
    return pointer(pointer, types.intp), generate


@intrinsic
def copy(context, target, start, source, begin, count):
    """Copy some numbers, from source[begin] on, to target[start] and the following."""
    def generate(context, builder, signature, arguments):
        target, start, source, begin, count = arguments
        cgutils.raw_memcpy(builder, builder.gep(target, [start]), builder.gep(source, [begin]), count,
                           ir.IntType(64)(8))
        return context.get_dummy_value()
    return types.none(target, types.intp, source, types.intp, types.intp), generate


@intrinsic
def call(context, function, constants, coefficients, integers, tables, word, numbers, begin, end):
    """Call the kernel at an address on rows begin..end."""
    kinds = constants, coefficients, integers, tables, word, numbers, types.intp, types.intp

    def generate(context, builder, signature, arguments):
        opaque = ir.Constant(ir.IntType(8).as_pointer(), None)
        actual = [opaque, opaque, *arguments[1:]]
        kind = ir.FunctionType(ir.IntType(64), [x.type for x in actual])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), actual)
    return types.int64(types.intp, *kinds), generate

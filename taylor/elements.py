"""Polynomials as a type of numba: pointers into a block's memory, or to the stack. You may skip this file.

`u.constant` is the constant part of a polynomial: a float that all directions share, or Reals, one per lane.
`u[r]`, r = 1..degree, is the Lanes of order r.

Layout: the coefficients of element e of a block start at coefficients[e * 2 p lanes], as (order,
real/imaginary, direction) with the directions innermost and contiguous, so that one order of one element is
one or two machine registers. Its constant part is constants[e] or, where lanes do not share it, starts at
constants[e * lanes].
"""
import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import (intrinsic, lower_cast, lower_setattr, models, overload, overload_attribute,
                             register_model)

from .lanes import LanesType, RealsType, pair, parts, spread

_DOUBLE = ir.DoubleType()


class PolynomialType(types.Type):
    def __init__(self, form):
        self.degree, self.lanes = form.degree, LanesType(form.lanes)
        self.constant = types.float64 if form.shared else RealsType(form.lanes)
        super().__init__(f"Polynomial({form.degree}, {form.lanes}, {form.shared})")


@register_model(PolynomialType)
class _PolynomialModel(models.StructModel):
    def __init__(self, manager, polynomial):
        pointer = types.CPointer(types.float64)
        super().__init__(manager, polynomial, [("constant", pointer), ("coefficients", pointer)])


@intrinsic
def at(context, form, memory, element):
    """The polynomial of one element of a block's memory."""
    polynomial = PolynomialType(form)
    strides = {"constants": 1 if form.shared else form.lanes, "coefficients": 2 * form.degree * form.lanes}

    def generate(context, builder, signature, arguments):
        _, block, element = arguments
        u = cgutils.create_struct_proxy(polynomial)(context, builder)
        pointers = []
        for name, stride in strides.items():
            field = memory.fields.index(name)
            data = context.make_array(memory.types[field])(context, builder,
                                                           builder.extract_value(block, field)).data
            pointers.append(builder.gep(data, [builder.mul(element, element.type(stride))]))
        u.constant, u.coefficients = pointers
        return u._getvalue()
    return polynomial(form, memory, types.intp), generate


@intrinsic
def local(context, form):
    """A polynomial on the stack, for intermediate results. Its content is undefined until it is written."""
    polynomial = PolynomialType(form)

    def generate(context, builder, signature, arguments):
        def room(vectors):
            stack = cgutils.alloca_once(builder, ir.ArrayType(polynomial.lanes.vector, vectors))
            return builder.bitcast(stack, _DOUBLE.as_pointer())
        u = cgutils.create_struct_proxy(polynomial)(context, builder)
        u.constant, u.coefficients = room(1), room(2 * form.degree)
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
        return pair(builder,
                    *(builder.load(slot, align=8) for slot in _slots(context, builder, u, *arguments)))
    return u.lanes(u, types.intp), generate


@intrinsic
def _set_coefficient(context, u, r, value):
    def generate(context, builder, signature, arguments):
        polynomial, r, value = arguments
        for part, slot in zip(parts(builder, value), _slots(context, builder, u, polynomial, r)):
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


def _constant_slot(context, builder, kind, polynomial):
    """Pointer to the constant part, as a number or as a vector."""
    pointer = cgutils.create_struct_proxy(kind)(context, builder, value=polynomial).constant
    if kind.constant == types.float64:
        return pointer
    return builder.bitcast(pointer, kind.constant.vector.as_pointer())


@intrinsic
def _constant(context, u):
    def generate(context, builder, signature, arguments):
        return builder.load(_constant_slot(context, builder, u, arguments[0]), align=8)
    return u.constant(u), generate


@overload_attribute(PolynomialType, "constant")
def _overload_constant(u):
    return lambda u: _constant(u)


@lower_setattr(PolynomialType, "constant")
def _set_constant(context, builder, signature, arguments):
    builder.store(arguments[1], _constant_slot(context, builder, signature.args[0], arguments[0]), align=8)


@lower_cast(types.Float, RealsType)
def _same_in_every_lane(context, builder, number, reals, value):
    return spread(builder, context.cast(builder, value, number, types.float64), reals.vector)

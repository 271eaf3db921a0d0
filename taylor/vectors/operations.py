"""What the kernels of kernels.py have instead of `if`: the rule and the operands of an operation, chosen when
a kernel is compiled, as types of numba. You may skip this file: plain.py defines the same in NumPy.

An operation is part of the type of a kernel's arguments, as the form is, so that the compiler writes exactly
its rule into the loop.
"""
import inspect

from numba import types
from numba.extending import intrinsic, models, overload, register_model

from .. import rules
from ..compiling import address
from ..form import Form
from ..tape import CONSTANT_A, CONSTANT_B
from .elements import polynomial_at
from .lanes import FormType


class OperationType(types.Type):
    def __init__(self, name):
        self.operation = name
        super().__init__(f"Operation({name})")


register_model(OperationType)(models.OpaqueModel)


def _operand(constant):
    """An intrinsic: an element as an operand, a constant where the operation is one of `constant`."""
    @intrinsic
    def operand(context, form, operation, memory, element):
        polynomial, code = polynomial_at(form.form, operation.operation in constant)

        def generate(context, builder, signature, arguments):
            return code(context, builder, *arguments[2:])
        return polynomial(form, operation, memory, types.intp), generate
    return operand


a_at, b_at = _operand(CONSTANT_A), _operand(CONSTANT_B)


def apply(form, operation, y, a, b, numbers):
    """y = the operation's rule of a, or of a and b, with as many constant parameters as the rule takes."""


@overload(apply)
def _overload_apply(form, operation, y, a, b, numbers):
    chosen = getattr(rules, operation.operation)
    operands = list(inspect.signature(chosen.py_func).parameters)[2:]
    count = len(operands) - (1 + ("b" in operands))
    if "b" in operands:
        if count:
            return lambda form, operation, y, a, b, numbers: chosen(form, y, a, b, numbers[0], numbers[1])
        return lambda form, operation, y, a, b, numbers: chosen(form, y, a, b)
    if count == 2:
        return lambda form, operation, y, a, b, numbers: chosen(form, y, a, numbers[0], numbers[1])
    if count == 1:
        return lambda form, operation, y, a, b, numbers: chosen(form, y, a, numbers[0])
    return lambda form, operation, y, a, b, numbers: chosen(form, y, a)


def product(form, operation, y, a, b):
    """y += a b, of what differs from lane to lane."""


@overload(product)
def _overload_product(form, operation, y, a, b):
    if operation.operation in CONSTANT_B:
        return lambda form, operation, y, a, b: rules.multiply_add_constant_lanes(form, y, a, b)
    return lambda form, operation, y, a, b: rules.multiply_add_lanes(form, y, a, b)


def _constant(size):
    """An intrinsic: a number that form and operation decide, size(form, whether operand b is a constant)."""
    @intrinsic
    def number(context, form, operation):
        count = size(form.form, operation.operation in CONSTANT_B)

        def generate(context, builder, signature, arguments):
            return context.get_constant(types.intp, count)
        return types.intp(form, operation), generate
    return number


height = _constant(lambda form, constant: form.tile(constant)[0])
breadth = _constant(lambda form, constant: form.tile(constant)[1])
panel_length = _constant(Form.panel)


def compiled_kernel(kernel, form, operation):
    """Where the machine finds a kernel: its address."""
    return address(kernel, FormType(form), OperationType(operation))

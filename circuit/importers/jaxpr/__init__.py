"""Functions of JAX as circuits.

Reading order: reader (how a jaxpr is read, the one file that knows its types), whole (whole numbers of the
data), moves, rules and control (what primitives become), functions (what from_jax returns), optimizers (what
from_optax returns).
"""

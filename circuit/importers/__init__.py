from .jax_functions import *

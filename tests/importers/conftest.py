"""JAX calculates in double precision in these tests, as importers do."""
import pytest


@pytest.fixture(autouse=True)
def double_precision(request):
    if "jax" not in request.module.__name__:
        yield
        return
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        yield

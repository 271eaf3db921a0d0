"""JAX calculates in double precision in these tests, as importers do."""
import pytest


@pytest.fixture(autouse=True)
def double_precision():
    with pytest.importorskip("jax").enable_x64(True):
        yield

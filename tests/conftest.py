"""Shared fixtures: one seeded source of randomness, and the golden files."""
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def rng():
    """A generator with a fixed seed: no test needs a lucky one."""
    return np.random.default_rng(20260407)


@pytest.fixture
def golden():
    """golden(name): the arrays of a golden file."""
    def load(name):
        with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    return load

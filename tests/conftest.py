"""Shared fixtures: one seeded source of randomness, the golden files, and a sketch in a folder."""
import os
import shutil
from pathlib import Path

# before NumPy: small matrix products on busy cores wait for their threads longer than they take
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from learners import network

from deletion import precompute

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


@pytest.fixture(scope="module")
def learner():
    return network()


@pytest.fixture(scope="module")
def original(learner, tmp_path_factory):
    """A finished sketch of 20 directions: blocks of 8, 8 and 4."""
    path = tmp_path_factory.mktemp("sketch") / "original"
    precompute(learner, 20, 2, seed=5, design="sphere", out=path)
    return path


@pytest.fixture
def folder(original, tmp_path):
    """A copy of it, to damage."""
    return Path(shutil.copytree(original, tmp_path / "copy"))

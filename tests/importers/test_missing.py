"""Without JAX or PyTorch the importers say what to install, and nothing else notices."""
import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from circuit import InputError, importers

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name, library, extra", [
    ("from_jax", "jax", "jax"), ("from_optax", "jax", "jax"), ("flat_parameters", "jax", "jax"),
    ("tree_parameters", "jax", "jax"), ("from_torch", "torch", "torch")])
def test_what_to_install_is_said(name, library, extra, monkeypatch):
    def missing(module, package):
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr(importers, "import_module", missing)
    with pytest.raises(InputError, match=rf"{name} needs {library}: .*deletion-sketch\[{extra}\]"):
        getattr(importers, name)(None, None) if name != "flat_parameters" else importers.flat_parameters(None)


def test_an_error_in_the_importer_itself_is_no_missing_library(monkeypatch):
    def broken(module, package):
        raise ModuleNotFoundError("No module named 'circuit.nothing'", name="circuit.nothing")

    monkeypatch.setattr(importers, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="circuit.nothing"):
        importers.from_jax(None, None)


def test_nothing_else_imports_the_importers():
    for folder in ("circuit", "taylor", "deletion", "microgpt"):
        for path in (ROOT / folder).rglob("*.py"):
            if "importers" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [getattr(node, "module", None) or ""]
                names += [getattr(x, "name", "") for x in getattr(node, "names", [])]
                assert not any("importers" in name.split(".") for name in names), path


def test_the_public_functions_need_no_library():
    """Importing the folder imports neither JAX nor PyTorch."""
    code = "import sys, circuit.importers; print({'jax', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
                          check=True).stdout.strip() == "set()"
    assert importlib.import_module("circuit.importers").__all__ == sorted(importers.__all__)

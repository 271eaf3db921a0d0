"""The style that README and its guides promise: sizes, line lengths, names with types and sections, a clean
flake8."""
import ast
import importlib
import inspect
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("circuit", "taylor", "deletion", "microgpt", "benchmarks", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FACES = ("circuit", "taylor", "deletion", "deletion.influence", "deletion.report", "deletion.unlearning",
         "microgpt")
"""Modules whose __all__ is the public interface."""

LINES, COLUMNS, CLASS, FUNCTION = 400, 110, 200, 60


def named(path):
    return str(path.relative_to(ROOT))


def too_long(source):
    """What in a file's source is longer than the limits, in words."""
    lines = source.splitlines()
    if len(lines) > LINES:
        yield f"{len(lines)} lines"
    yield from (f"line {i} has {len(line)} columns" for i, line in enumerate(lines, 1) if len(line) > COLUMNS)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            limit = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
            if node.end_lineno - node.lineno >= limit:
                yield f"{node.name} has {node.end_lineno - node.lineno + 1} lines"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_sizes(path):
    assert not list(too_long(path.read_text(encoding="utf-8")))


def test_what_is_too_long_is_found():
    assert len(list(too_long("x = 1\n" * 401))) == 1 and len(list(too_long("#" * 111))) == 1
    assert len(list(too_long("def f():\n" + "    x = 1\n" * 60))) == 1
    assert not list(too_long("def f():\n" + "    x = 1\n" * 59))
    assert len(list(too_long("class C:\n" + "    x = 1\n" * 200))) == 1


def test_flake8():
    pytest.importorskip("flake8")
    result = subprocess.run([sys.executable, "-m", "flake8"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


# the public interface: types and sections -------------------------------------------------------------------

def public():
    """{name: function or class}: all that the faces show, and the public methods of their classes."""
    result = {}
    for face in FACES:
        module = importlib.import_module(face)
        for name in module.__all__:
            thing = getattr(module, name)
            if not (inspect.isfunction(thing) or inspect.isclass(thing)):
                continue
            result[f"{face}.{name}"] = thing
            if inspect.isclass(thing):
                result.update((f"{face}.{name}.{key}", value) for key, value in vars(thing).items()
                              if inspect.isfunction(inspect.unwrap(value)) and not key.startswith("_"))
    return result


def sections(doc):
    """{title: text} of a numpydoc docstring."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(doc or ""), flags=re.MULTILINE)
    return {title: text for title, text in zip(parts[1::2], parts[2::2])}


def parameters_of(thing):
    """The names that a section Parameters (of a record, Parameters or Attributes) must explain."""
    if is_dataclass(thing):
        return [field.name for field in fields(thing) if field.init and not field.name.startswith("_")]
    if inspect.isclass(thing) and "__init__" not in vars(thing):
        return []
    function = thing.__init__ if inspect.isclass(thing) else thing
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def missing(name, thing):
    """What a public name's docstring or signature lacks, in words."""
    doc, told = inspect.getdoc(thing), sections(inspect.getdoc(thing))
    if not doc:
        return ["a docstring"]
    explained = "\n".join(told.get(title, "") for title in ("Parameters", "Attributes"))
    lacks = [f"parameter {x} explained" for x in parameters_of(thing)
             if not re.search(rf"^[\w, *]*\b{x}\b[\w, *]* :", explained, flags=re.MULTILINE)]
    function = thing.__init__ if inspect.isclass(thing) else thing
    if inspect.isfunction(function) and not is_dataclass(thing):
        notes = function.__annotations__
        lacks += [f"a type of {x}" for x in inspect.signature(function).parameters
                  if x not in ("self", "cls") and x not in notes]
        if not inspect.isclass(thing):
            lacks += ["a type of what it returns"] * ("return" not in notes)
            lacks += ["a section Returns"] * (notes.get("return", "None") not in (None, "None")
                                              and "Returns" not in told and "Yields" not in told)
    if name.count(".") <= 1 + (name.startswith(("deletion.influence", "deletion.unlearning"))) \
            and not (inspect.isclass(thing) and issubclass(thing, Exception)):
        lacks += ["a section Examples"] * ("Examples" not in told)
    return lacks


@pytest.mark.parametrize("name, thing", sorted(public().items()),
                         ids=lambda x: x if isinstance(x, str) else "")
def test_public_names_tell_types_and_sections(name, thing):
    assert not missing(name, thing)


def test_what_is_missing_is_found():
    def bare(x):
        """Double a number."""
        return 2 * x

    def whole(x: float) -> float:
        """Double a number.

        Parameters
        ----------
        x : float
            The number.

        Returns
        -------
        float
            Twice the number.

        Examples
        --------
        >>> 1 + 1
        2
        """
        return 2 * x

    assert len(missing("circuit.bare", bare)) == 4 and not missing("circuit.whole", whole)

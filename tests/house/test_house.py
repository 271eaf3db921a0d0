"""The structure is what README says: imports go one way, between folders and between deletion's rooms; rooms
stay small."""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("circuit", "taylor", "deletion", "microgpt", "benchmarks")
ROOMS = ("learner", "directions", "storage", "trust", "gradients", "predictions", "sketch", "planning",
         "timeline", "models", "asking", "curvature", "methods", "studies", "influence", "unlearning",
         "report", "cli")
"""Of deletion/: each uses only those before it."""
INNER = ("circuit.gates", "circuit.networks", "circuit.numpy_functions", "circuit.importers",
         "circuit.importers.jaxpr", "circuit.importers.exported", "taylor.lowering", "taylor.vectors",
         "deletion.learner.optimizers", "deletion.unlearning.strongly_convex",
         *(f"deletion.{room}" for room in ROOMS))
"""Packages inside folders."""


def imported(path):
    """The absolute names of the modules that a file imports."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[:len(package) - node.level + 1] if node.level else []
            module = ".".join(start + ([node.module] if node.module else []))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("level, folder", list(enumerate(FOLDERS)))
def test_folders_use_only_those_to_their_left(level, folder):
    for path in (ROOT / folder).rglob("*.py"):
        for module in imported(path):
            assert module.split(".")[0] not in FOLDERS[level + 1:] + ("tests",), f"{path} imports {module}"


@pytest.mark.parametrize("level, room", list(enumerate(ROOMS)))
def test_rooms_of_deletion_use_only_those_before_them(level, room):
    for path in (ROOT / "deletion" / room).rglob("*.py"):
        for module in imported(path):
            parts = module.split(".")
            assert len(parts) < 2 or parts[0] != "deletion" or parts[1] not in ROOMS[
                level + 1:], f"{path} imports {module}"


def test_a_public_face_may_show_what_stands_in_another_room():
    """deletion.influence and deletion.unlearning keep the names they had in version 0.1."""
    import deletion.influence as influence
    import deletion.unlearning as unlearning
    assert influence.metagradient and influence.ByMetagradient and influence.solve and influence.Flow
    assert unlearning.ascend and unlearning.KKT and unlearning.GradientAscent and unlearning.Linear


def test_rooms_are_those_there_are_and_hold_few_files():
    assert {path.parent.name for path in (ROOT / "deletion").glob("*/__init__.py")} == set(ROOMS)
    for folder, most in ({"circuit": 16, "taylor": 16} | dict.fromkeys(INNER, 9)).items():
        files = list((ROOT / folder.replace(".", "/")).glob("*.py"))
        assert len(files) <= most, f"{folder} holds {len(files)} files"


def test_every_package_is_installed():
    packages = set(re.findall(r"[a-z_.]+", re.search(r"packages =\n((?: .*\n)+)",
                                                     (ROOT / "setup.cfg").read_text()).group(1)))
    assert packages == {*FOLDERS, *INNER} - {"benchmarks"}      # benchmarks are run from a checkout


def uses():
    """{room: the rooms that its files import}, without those that another of these imports anyway."""
    direct = {room: set() for room in ROOMS}
    for room in ROOMS:
        for path in (ROOT / "deletion" / room).rglob("[!_]*.py"):
            parts = (module.split(".") for module in imported(path))
            direct[room] |= {part[1] for part in parts if part[0] == "deletion" and len(part) > 1}
        direct[room] = direct[room] & set(ROOMS) - {room}
    behind, nearest = {}, {}
    for room in ROOMS:
        behind[room] = direct[room].union(*(behind[other] for other in direct[room]))
        nearest[room] = {x for x in direct[room] if not any(x in behind[y] for y in direct[room])}
    return nearest


def test_the_front_page_draws_the_imports_between_rooms():
    """Lines such as `storage, trust -> sketch -> cli`: every arrow, and no other."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = re.search(r"The rooms of deletion/.*?\n\n((?:    .*\n)+)", text, re.DOTALL).group(1)
    arrows = set()
    for chain in drawn.strip().splitlines():
        groups = [re.findall(r"\w+", group) for group in chain.split("->")]
        arrows |= {(a, b) for left, right in zip(groups, groups[1:]) for a in left for b in right}
    assert arrows == {(used, room) for room, several in uses().items() for used in several}

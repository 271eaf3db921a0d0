"""A sketch's manifest, read and checked. It may come from an untrusted source: no part is used unchecked.

A checked manifest contains whole numbers within bounds and texts of known form, which are safe to use and to
print. Only the recipe contains free text, which is printed by `repr`; cli/recipe.py says what it may ask for.
The fingerprint reveals damage; it is not a signature.
"""
import json
import math
import os
import re
from hashlib import sha256

from circuit.checks import is_whole
from taylor.evaluate import LARGEST_DEGREE

from .blocks import DTYPES
from ..directions.directions import KINDS
from .files import StoreError, open_regular

FORMAT, MANIFEST = 1, "manifest.json"
ALONG_DIRECTIONS, OF_COTANGENTS = "deletion sketch", "deletion sketch of cotangents"
"""What a folder holds: coefficients along directions, or cotangents pulled back to the units."""

FIELDS = {"learner": dict, "facts": dict, "fingerprint": str, "versions": dict, "arrays": dict}
"""The fields of a manifest besides its format, with their types."""

LARGEST_FILE = 1 << 24
"""The largest manifest in bytes: a sketch of half a million directions has such a one."""

DEEPEST = 20
"""The deepest nesting of a manifest. A recipe's arguments are at the fifth level."""

ADVICE = "Put back a copy of it, or delete the folder and precompute again"

CHECKSUM = re.compile(r"[0-9a-f]{64}")
ARRAY = re.compile(r"[a-z]+(-[a-z0-9]+)*")
PART = re.compile(r"[a-z ]{1,40}")
KIND = re.compile(r"[ -~]{1,40}")
VERSION = re.compile(r"[A-Za-z0-9.+!_-]{1,60}")


def is_whole_number(x, low=0, high=2 ** 53):
    """Whether x is a whole number from low to high. True is not 1."""
    return is_whole(x) and low <= x <= high


def matches(pattern, x):
    """Whether x is a text that matches a pattern from beginning to end."""
    return isinstance(x, str) and pattern.fullmatch(x) is not None


COUNT = (lambda x: is_whole_number(x, 1), "a whole number >= 1")
DIGEST = (lambda x: matches(CHECKSUM, x), "a checksum")
SHARED = {
    "seed": (lambda x: x is None or is_whole_number(x, 0, math.inf), "a whole number >= 0, or null"),
    "calibration": (is_whole_number, "a whole number >= 0"),
    "lanes": COUNT, "units": COUNT, "parameters": COUNT}
FACTS = {
    ALONG_DIRECTIONS: SHARED | {
        "degree": (lambda x: is_whole_number(x, 0, LARGEST_DEGREE),
                   f"a whole number from 0 to {LARGEST_DEGREE}"),
        "design": (lambda x: x in KINDS, f"one of {', '.join(KINDS)}"),
        "dtype": (lambda x: x in DTYPES, " or ".join(DTYPES)),
        "directions": COUNT, "psi": DIGEST, "downweight": DIGEST},
    OF_COTANGENTS: SHARED | {"cotangents": COUNT, "vectors": DIGEST}}
"""The values that each fact may have, by what a folder holds: a test, and the same in words."""


def of_cotangents(facts):
    """Whether these are the facts of cotangents pulled back."""
    return "cotangents" in facts


def are_kinds(x):
    """Whether x lists declared kinds of calibration sets, each once."""
    kinds = (lambda x: matches(KIND, x), lambda x: isinstance(x, bool), lambda x: is_whole_number(x, 1),
             lambda x: is_whole_number(x, 2), lambda x: matches(CHECKSUM, x))
    good = isinstance(x, list) and 0 < len(x) <= 1000 and all(
        isinstance(kind, list) and len(kind) == len(kinds) and all(test(y) for test, y in zip(kinds, kind))
        for kind in x)
    return good and len({kind[0] for kind in x}) == len(x)


OPTIONAL = {"kinds": (are_kinds, "a list of kinds: name, whether it is an order, sets, entries, checksum")}
"""The same of facts that only some sketches have."""


def fingerprint(parts, facts):
    """A hash of what determines a sketch: the parts of the learner's fingerprint, and the facts."""
    return sha256(json.dumps([parts, facts], sort_keys=True).encode()).hexdigest()


def read_manifest(folder):
    """Read and check the manifest of a folder (a Path). Raises StoreError, which says what is wrong."""
    file = folder / MANIFEST
    try:
        with os.fdopen(open_regular(file), "rb") as stream:
            manifest = parse(stream.read(LARGEST_FILE + 1))
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no sketch: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} cannot be read ({getattr(error, 'strerror', error)}). {ADVICE}") from None
    if not isinstance(manifest, dict) or manifest.get("what") not in tuple(FACTS):
        raise StoreError(f"{file} is not the manifest of a sketch")
    if manifest.get("format") != FORMAT:
        raise StoreError(f"{folder} is written in format {manifest.get('format')!r:.40}; this version reads "
                         f"format {FORMAT}. Use the version that wrote it ({writer(manifest)})")
    flaw = flaw_of(manifest)
    if flaw:
        raise StoreError(f"{file} is damaged or was edited: {flaw}. {ADVICE}")
    return manifest


def parse(content):
    """The value of a JSON text (bytes) of limited length and depth. Raises ValueError for any other text."""
    if len(content) > LARGEST_FILE:
        raise ValueError(f"it has more than {LARGEST_FILE:,} bytes")
    try:
        value = json.loads(content, parse_constant=refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if nested(value, DEEPEST):
        raise ValueError("it is nested too deeply")
    return value


def refuse_constant(constant):
    """Raise ValueError for NaN and infinities, which Python's JSON would accept."""
    raise ValueError(f"{constant} is not a number")


def nested(value, levels):
    """Whether dicts and lists are nested deeper than `levels`; without recursion, which Python limits."""
    level = [value]
    for _ in range(levels):
        level = [x for part in level if isinstance(part, (dict, list))
                 for x in (part.values() if isinstance(part, dict) else part)]
    return bool(level)


def writer(manifest):
    """The version of this library that wrote a manifest, of any format; 'unknown' if it does not say."""
    versions = manifest.get("versions")
    version = versions.get("deletion-sketch") if isinstance(versions, dict) else None
    return version if matches(VERSION, version) else "unknown"


# flaws: each function returns what is wrong, as the end of a sentence, or None ------------------------------

def flaw_of(manifest):
    """The flaw of a manifest."""
    for name, kind in FIELDS.items():
        if not isinstance(manifest.get(name), kind):
            return f"its {name!r} is {manifest.get(name)!r:.60}"
    learner, facts = manifest["learner"], manifest["facts"]
    return (flaw_of_facts(facts, FACTS[manifest["what"]]) or flaw_of_learner(learner)
            or flaw_of_texts("versions", manifest["versions"], VERSION, VERSION)
            or flaw_of_names(manifest["arrays"])
            or flaw_of_fingerprint(manifest["fingerprint"], fingerprint(learner["fingerprint"], facts)))


def flaw_of_facts(facts, known):
    """The flaw of the facts: one is missing, unknown, or has an impossible value."""
    known = known | {name: OPTIONAL[name] for name in OPTIONAL.keys() & facts.keys()}
    missing, unknown = known.keys() - facts.keys(), sorted(facts.keys() - known.keys())
    if missing:
        return f"its facts lack {min(missing)!r}"
    if unknown:
        return f"its facts hold {unknown[0]!r:.60}, which this version does not know"
    flaw = next((f"its fact {name!r} is {facts[name]!r:.60}; expected {words}"
                 for name, (good, words) in known.items() if not good(facts[name])), None)
    if flaw is None and sum(kind[2] for kind in facts.get("kinds", [])) >= max(facts["calibration"], 1):
        return f"its kinds have no fewer sets than the {facts['calibration']} for calibration"
    return flaw


def flaw_of_learner(learner):
    """The flaw of the learner's entry: its fingerprint and its recipe."""
    flaw = flaw_of_texts("the learner's fingerprint", learner.get("fingerprint"), PART, CHECKSUM)
    recipe = learner.get("recipe")
    if flaw or recipe is None:
        return flaw
    fields = (recipe.get("factory"), recipe.get("arguments")) if isinstance(recipe, dict) else (None, None)
    if not isinstance(fields[0], str) or not isinstance(fields[1], dict):
        return f"the learner's recipe is {recipe!r:.60}; expected a factory and its arguments"
    return next((f"the learner's recipe has an argument {name!r:.60}; expected an identifier"
                 for name in recipe["arguments"] if not name.isidentifier()), None)


def flaw_of_texts(what, texts, names, values):
    """The flaw of a dict whose names and values must be texts that match patterns."""
    if not isinstance(texts, dict):
        return f"{what} is {texts!r:.60}"
    return next((f"{what} holds {name!r:.60}: {text!r:.60}" for name, text in texts.items()
                 if not matches(names, name) or not matches(values, text)), None)


def flaw_of_names(arrays):
    """The flaw of the arrays' names, which become names of files."""
    return next((f"it names an array {name!r:.60}" for name in arrays if not matches(ARRAY, name)), None)


def flaw_of_fingerprint(stored, calculated):
    """The flaw of a fingerprint that is not the one of the learner and the facts."""
    return None if stored == calculated else "learner and facts do not give its fingerprint"


def good_entry(entry):
    """Whether an array's entry is valid: {"sha256", "bytes"} and, if it is known, "seconds"."""
    if not isinstance(entry, dict):
        return False
    seconds = entry.get("seconds", 0.0)
    timed = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e15
    return timed and matches(CHECKSUM, entry.get("sha256")) and is_whole_number(entry.get("bytes"))

"""Attacks on a sketch's folder, in tables: what is done to it, and the words that refuse it. One a line.

Version 0.1 refused five of these in such words: a manifest that is null, a number or not UTF-8, a degree of
5,000 digits, and a format with escapes. All others succeeded there, crashed it, or got other words.
"""
import json
import os
import pickle
from hashlib import sha256
from io import BytesIO

import numpy as np

from deletion import sphere
from deletion.storage.arrays import checksum
from deletion.storage.manifest import fingerprint

ESCAPE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e\udc80\r\n"
"""A terminal changes its title, its colour and the direction of text, clears itself and begins a line."""


# what is done ----------------------------------------------------------------------------------------------

def manifest(change):
    """Change the manifest, and give it a fitting fingerprint."""
    def attack(folder):
        content = json.loads((folder / "manifest.json").read_text())
        change(content)
        content["fingerprint"] = fingerprint(content["learner"].get("fingerprint"), content["facts"])
        (folder / "manifest.json").write_text(json.dumps(content))
    return attack


def facts(**changes):
    return manifest(lambda content: content["facts"].update(changes))


def lacking(name):
    return manifest(lambda content: content["facts"].pop(name))


def learner(**changes):
    return manifest(lambda content: content["learner"].update(changes))


def parts(content):
    return learner(fingerprint=content)


def asks(factory, /, **arguments):
    return learner(recipe={"factory": factory, "arguments": arguments})


def versions(content):
    return manifest(lambda whole: whole.update(versions=content))


def later(content):
    return manifest(lambda whole: whole.update(versions=content, format=2))


def entry(name, content):
    return manifest(lambda whole: whole["arrays"].update({name: content}))


def noted(**changes):
    return manifest(lambda content: content["arrays"]["theta"].update(changes))


def text(content):
    """Another manifest."""
    return lambda folder: (folder / "manifest.json").write_bytes(content.encode(errors="surrogateescape"))


def edited(old, new):
    """The manifest's text, with a piece replaced; its fingerprint no longer fits."""
    return lambda folder: text((folder / "manifest.json").read_text().replace(old, new, 1))(folder)


def put(name, array, **changes):
    """Replace an array (or the bytes of its file) and its checksum in the manifest. changes: of facts."""
    def attack(folder):
        stored = array if isinstance(array, bytes) else saved(array)
        (folder / f"{name}.npy").write_bytes(stored)
        entry(name, {"sha256": sha256(stored).hexdigest(), "bytes": len(stored)})(folder)
        facts(**changes)(folder)
    return attack


def saved(array):
    """The bytes of an array's file."""
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(content, version=b"\x01\x00"):
    """A file with any header, and 16 bytes behind it."""
    content = content.encode() + b"\n"
    return b"\x93NUMPY" + version + len(content).to_bytes(2, "little") + content + bytes(16)


def shaped(shape):
    return header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}")


def instead(name, make):
    """Replace a file by make(file, copy); the copy lies beside the folder."""
    def attack(folder):
        copy = folder.parent / f"copy-of-{name}"
        os.replace(folder / name, copy)
        make(folder / name, copy)
    return attack


def linked(file, copy):
    file.symlink_to(copy)


def device(file, copy):
    file.symlink_to("/dev/zero")


def pipe(file, copy):
    os.mkfifo(file)


def directory(file, copy):
    file.mkdir()


class Bomb:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch PWNED",)


# manifests -------------------------------------------------------------------------------------------------

DEGREE, WHOLE, RECIPE = '"degree": 2', "expected a whole number", "expected a factory and its arguments"
NESTED, ENTRY, NO_ARRAY = "nested too deeply", "theta.npy has a damaged entry", "npy is no array of a sketch"
TIMELESS, ABSENT = '"theta": {', {"sha256": "0" * 64, "bytes": 3}

MANIFESTS = {
    "deep lists": (text("[" * 100_000), NESTED),
    "deep dicts": (text('{"a":' * 100_000), NESTED),
    "a deep recipe": (edited('"recipe": null', '"recipe": ' + "[" * 400 + "]" * 400), NESTED),
    "null": (text("null"), "is not the manifest of a sketch"),
    "a number": (text("3"), "is not the manifest of a sketch"),
    "not UTF-8": (text('{"what": "\udcff"}'), "cannot be read"),
    "17 million blanks": (text(" " * (1 << 24) + "{}"), "more than 16,777,216 bytes"),
    "degree NaN": (edited(DEGREE, '"degree": NaN'), "NaN is not a number"),
    "degree infinite": (edited(DEGREE, '"degree": 1e999'), "'degree' is inf; " + WHOLE),
    "degree of 5,000 digits": (edited(DEGREE, '"degree": ' + "9" * 5000), "cannot be read"),
    "degree of 4,000 digits": (edited(DEGREE, '"degree": ' + "9" * 4000), "'degree' is 999.*; " + WHOLE),
    "format 2, versions a list": (later([1]), "format 2; .* that wrote it .unknown."),
    "format 2, escapes": (later({"deletion-sketch": ESCAPE}), "format 2; .* that wrote it .unknown."),
    "a format with escapes": (edited('"format": 1', f'"format": {json.dumps(ESCAPE)}'), r"format '\\x1b"),
    "a version a number": (versions({"numpy": 2}), "versions holds 'numpy': 2"),
    "a version with escapes": (versions({"numpy": ESCAPE}), r"versions holds 'numpy': '\\x1b"),
    "a version's name with escapes": (versions({ESCAPE: "2"}), r"versions holds '\\x1b"),
    "no parts": (parts(None), "the learner's fingerprint is None"),
    "parts a list": (parts([]), r"the learner's fingerprint is \[\]"),
    "a part a number": (parts({"data": 3}), "fingerprint holds 'data': 3"),
    "a part with escapes": (parts({"data": ESCAPE}), r"fingerprint holds 'data': '\\x1b"),
    "a part's name with escapes": (parts({ESCAPE: "0" * 64}), r"fingerprint holds '\\x1b"),
    "a recipe a list": (learner(recipe=[]), r"recipe is \[\]; " + RECIPE),
    "a recipe without factory": (learner(recipe={"arguments": {}}), RECIPE),
    "a recipe without arguments": (learner(recipe={"factory": "microgpt:names"}), RECIPE),
    "a factory a number": (learner(recipe={"factory": 3, "arguments": {}}), RECIPE),
    "arguments a list": (learner(recipe={"factory": "a:b", "arguments": []}), RECIPE),
    "an argument's name with escapes": (asks("a:b", **{ESCAPE: 3}), r"has an argument '\\x1b"),
    "an array outside of the folder": (entry("../../theta", {}), "names an array '../../theta'"),
    "an array's name with escapes": (entry(ESCAPE, {}), r"names an array '\\x1b"),
    "an array of no sketch": (entry("extra", ABSENT), "extra." + NO_ARRAY),
    "a block too many": (entry("block-00002", ABSENT), "block-00002." + NO_ARRAY),
    "an entry None": (entry("theta", None), "theta.npy is not finished"),
    "an entry with escapes": (entry("theta", ESCAPE), ENTRY + r".*'\\x1b"),
    "a checksum None": (noted(sha256=None), ENTRY),
    "a checksum with escapes": (noted(sha256=ESCAPE), ENTRY + r".*'\\x1b"),
    "a size a text": (noted(bytes="3"), ENTRY),
    "a size negative": (noted(bytes=-1), ENTRY),
    "a size of 400 digits": (noted(bytes=10 ** 400), ENTRY),
    "a time a text": (noted(seconds="long"), ENTRY),
    "a time infinite": (edited(TIMELESS, TIMELESS + '"seconds": 1e999, '), ENTRY),
}

# facts that cannot be, and facts that contradict the arrays ------------------------------------------------

BEGINS, NOT_MADE = "is damaged: it begins with", "is not the array that the sketch was made with"
DESIGN, FORMAT, CHECKSUM = "expected one of", "expected float64 or float32", "expected a checksum"
UNITS, PARAMETERS = "it is of 7 units|" + BEGINS, "it is of 6 units and 3 parameters|" + BEGINS

FACTS = {
    "no lanes": (lacking("lanes"), "its facts lack 'lanes'"),
    "lanes None": (facts(lanes=None), WHOLE),
    "lanes True": (facts(lanes=True), WHOLE),
    "lanes 0": (facts(lanes=0), WHOLE),
    "lanes -8": (facts(lanes=-8), WHOLE),
    "lanes a text": (facts(lanes="8"), WHOLE),
    "lanes 8.0": (facts(lanes=8.0), WHOLE),
    "lanes 16": (facts(lanes=16), "has blocks of 16 directions"),
    "no degree": (lacking("degree"), "its facts lack 'degree'"),
    "degree None": (facts(degree=None), WHOLE),
    "degree -1": (facts(degree=-1), WHOLE),
    "degree True": (facts(degree=True), WHOLE),
    "degree 2.0": (facts(degree=2.0), WHOLE),
    "degree a text": (facts(degree="2"), WHOLE),
    "degree a list": (facts(degree=[2]), WHOLE),
    "degree huge": (facts(degree=10 ** 12), WHOLE),
    "degree 3": (facts(degree=3), BEGINS),
    "degree 1": (facts(degree=1), BEGINS),
    "directions None": (facts(directions=None), WHOLE),
    "directions 0": (facts(directions=0), WHOLE),
    "directions -12": (facts(directions=-12), WHOLE),
    "directions huge": (facts(directions=10 ** 15), "not finished: 2 of 125000000000000 blocks"),
    "directions 13": (facts(directions=13), BEGINS),
    "directions 8": (facts(directions=8), BEGINS),
    "units None": (facts(units=None), WHOLE),
    "units 0": (facts(units=0), WHOLE),
    "units 7": (facts(units=7), UNITS),
    "parameters None": (facts(parameters=None), WHOLE),
    "parameters True": (facts(parameters=True), WHOLE),
    "parameters 3": (facts(parameters=3), PARAMETERS),
    "design unknown": (facts(design="cube"), "'design' is 'cube'; " + DESIGN),
    "design auto": (facts(design="auto"), "'design' is 'auto'; " + DESIGN),
    "design with escapes": (facts(design=ESCAPE), r"'design' is '\\x1b.*; " + DESIGN),
    "design a list": (facts(design=["sphere"]), DESIGN),
    "dtype unknown": (facts(dtype="float16"), "'dtype' is 'float16'; " + FORMAT),
    "dtype of objects": (facts(dtype="object"), FORMAT),
    "dtype None": (facts(dtype=None), FORMAT),
    "dtype float32": (facts(dtype="float32"), BEGINS),
    "seed -1": (facts(seed=-1), WHOLE),
    "seed True": (facts(seed=True), WHOLE),
    "seed with escapes": (facts(seed=ESCAPE), r"'seed' is '\\x1b.*; " + WHOLE),
    "calibration None": (facts(calibration=None), WHOLE),
    "calibration -1": (facts(calibration=-1), WHOLE),
    "calibration 8.5": (facts(calibration=8.5), WHOLE),
    "calibration 9": (facts(calibration=9), BEGINS),
    "calibration 0": (facts(calibration=0), "calibration-downweights." + NO_ARRAY),
    "psi None": (facts(psi=None), CHECKSUM),
    "psi of other directions": (facts(psi="0" * 64), "directions.npy " + NOT_MADE),
    "another downweight's checksum": (facts(downweight="0" * 64), "downweight.npy " + NOT_MADE),
    "an unknown fact": (facts(colour=3), "its facts hold 'colour', which this version does not know"),
    "a fact with escapes": (facts(**{ESCAPE: 3}), r"its facts hold '\\x1b"),
}

# arrays with their right checksums -------------------------------------------------------------------------

THETA, BLOCK, PSI, ONES = np.zeros(2), np.zeros((2, 2, 2, 8)), sphere(12, 6, seed=9).psi, np.ones(6)
MINUS = np.full(6, -np.inf)
SETS, NO_PSI = np.where(np.arange(8)[:, None] > 5, 1.0, np.eye(8, 6)), np.full((12, 6), np.nan + 0j)
T, ONE, TWO = f"theta.npy {BEGINS}", f"block-00000.npy {BEGINS}", f"block-00001.npy {BEGINS}"
HOLDS, DOWN, VALUES, CROSSED = "is damaged: it holds", *(
    f"calibration-{name}" for name in ("downweights", "values", "crossings"))

ARRAYS = {
    "other directions": (put("directions", PSI), "directions.npy " + NOT_MADE),
    "another downweight": (put("downweight", ONES / 2), "downweight.npy " + NOT_MADE),
    "directions real": (put("directions", PSI.real), f"directions.npy {BEGINS}"),
    "theta NaN": (put("theta", THETA * np.nan), rf"theta.npy {HOLDS} nan at \[0\]"),
    "theta infinite": (put("theta", np.array([0.0, -np.inf])), rf"theta.npy {HOLDS} -inf at \[1\]"),
    "theta longer": (put("theta", np.zeros(3)), T),
    "theta a matrix": (put("theta", np.zeros((2, 1))), T),
    "theta complex": (put("theta", THETA + 0j), T),
    "theta float32": (put("theta", THETA.astype(np.float32)), T),
    "theta whole": (put("theta", np.arange(2)), T),
    "theta text": (put("theta", np.array(["1", "2"])), T),
    "theta dates": (put("theta", np.zeros(2, "M8[s]")), T),
    "theta a record": (put("theta", np.zeros(2, [("x", float)])), T),
    "theta big-endian": (put("theta", THETA.astype(">f8")), T),
    "theta of objects": (put("theta", np.array([Bomb(), Bomb()])), T),
    "theta a pickle": (put("theta", pickle.dumps(Bomb())), T),
    "theta a zip": (put("theta", b"PK\x03\x04" + bytes(200)), T),
    "theta and more": (put("theta", saved(THETA) + bytes(8)), "theta.npy is damaged: 152 bytes long; by its"),
    "theta truncated": (put("theta", saved(THETA)[:-4]), "theta.npy is damaged: 140 bytes long; by its"),
    "theta empty": (put("theta", b""), T),
    "a header cut off": (put("theta", b"\x93NUMPY\x01\x00\xff\xff"), T),
    "a header of version 9": (put("theta", header("{}", b"\x09\x00")), T),
    "a shape that overflows": (put("theta", shaped("(4611686018427387904, 4)")), T),
    "a negative shape": (put("theta", shaped("(-2,)")), T),
    "a shape of brackets": (put("theta", shaped("(" * 5000)), T),
    "a shape with escapes": (put("theta", shaped("\x1b[31m\x07")), rf"{T}.*\\x1b\[31m"),
    "a block in Fortran's order": (put("block-00001", np.asfortranarray(BLOCK)), TWO),
    "a block of 16 lanes": (put("block-00001", np.zeros((2, 2, 2, 16))), TWO),
    "a block of degree 1": (put("block-00000", np.zeros((2, 1, 2, 8))), ONE),
    "a block with axes swapped": (put("block-00000", np.zeros((2, 2, 8, 2))), ONE),
    "a block float32": (put("block-00000", BLOCK.astype(np.float32)), ONE),
    "a block NaN": (put("block-00001", BLOCK * np.nan), rf"block-00001.npy {HOLDS} nan at \[0, 0, 0, 0\]"),
    "a block infinite": (put("block-00000", BLOCK + np.inf), f"block-00000.npy {HOLDS} inf"),
    "calibration sets of 2": (put(DOWN, 2 * SETS), f"{DOWN}.npy {HOLDS} 2.0"),
    "calibration sets of -1": (put(DOWN, -SETS), f"{DOWN}.npy {HOLDS} -1.0"),
    "calibration sets NaN": (put(DOWN, SETS * np.nan), f"{DOWN}.npy {HOLDS} nan"),
    "an empty calibration set": (put(DOWN, np.eye(8, 6)), "calibration set 6 deletes nothing"),
    "a calibration set fewer": (put(DOWN, SETS[:7]), f"{DOWN}.npy {BEGINS}"),
    "calibration sets of 5 units": (put(DOWN, SETS[:, 1:]), f"{DOWN}.npy {BEGINS}"),
    "calibration values fewer": (put(VALUES, np.zeros((7, 2))), f"{VALUES}.npy {BEGINS}"),
    "calibration values wider": (put(VALUES, np.zeros((8, 3))), f"{VALUES}.npy {BEGINS}"),
    "crossings of -1": (put(CROSSED, np.full(8, -1)), f"{CROSSED}.npy {HOLDS} -1"),
    "crossings of 0.5": (put(CROSSED, np.full(8, 0.5)), f"{CROSSED}.npy {BEGINS}"),
    "crossings fewer": (put(CROSSED, np.zeros(7, int)), f"{CROSSED}.npy {BEGINS}"),
}

WITH_FACTS = {
    "directions NaN": (put("directions", NO_PSI, psi=checksum(NO_PSI)), f"directions.npy {HOLDS}"),
    "a downweight of 2": (put("downweight", 2 * ONES, downweight=checksum(2 * ONES)), f"{HOLDS} 2.0"),
    "a downweight of -inf": (put("downweight", MINUS, downweight=checksum(MINUS)), f"{HOLDS} -inf"),
}

FILES = {
    "a manifest by a link": (instead("manifest.json", linked), "cannot be read .it is a symbolic link"),
    "a manifest by a pipe": (instead("manifest.json", pipe), "cannot be read .it is a pipe"),
    "a manifest, a folder": (instead("manifest.json", directory), "cannot be read .it is a folder"),
    "theta by a link": (instead("theta.npy", linked), "theta.npy cannot be read: it is a symbolic link"),
    "theta by a pipe": (instead("theta.npy", pipe), "theta.npy cannot be read: it is a pipe"),
    "a block by a link": (instead("block-00000.npy", linked), "00000.npy cannot be read: it is a symbolic"),
    "a block by a device": (instead("block-00000.npy", device), "00000.npy cannot be read: it is a symbolic"),
    "a block, a folder": (instead("block-00000.npy", directory), "00000.npy cannot be read: it is a folder"),
}

ATTACKS = MANIFESTS | FACTS | ARRAYS | WITH_FACTS | FILES

# recipes ---------------------------------------------------------------------------------------------------

ASKS = "asks for the learner"
OWN = ", which is not one of this project's own .microgpt:names, .*yourself: --learner module:function"
INFINITE = '"recipe": {"factory": "microgpt:names", "arguments": {"steps": 1e999}}'


def names(**arguments):
    return asks("microgpt:names", **arguments)


def digits(**arguments):
    return asks("benchmarks.learners:digits", **arguments)


def units(function):
    return names(units={"function": function})


RECIPES = {
    "a command": (asks("os:system", command="touch PWNED"), f"{ASKS} 'os:system' command='touch PWNED'{OWN}"),
    "code": (asks("builtins:exec", source="open('PWNED', 'w')"), f"{ASKS} 'builtins:exec' source=.*{OWN}"),
    "a module that acts": (asks("pwned:names"), f"{ASKS} 'pwned:names'{OWN}"),
    "a module inside of this one": (asks("microgpt.learner:names"), OWN),
    "an attribute of a factory": (asks("microgpt:names.__globals__"), OWN),
    "a factory and a blank": (asks("microgpt:names "), OWN),
    "a factory with escapes": (asks(ESCAPE), rf"{ASKS} '\\x1b"),
    "no factory": (asks(""), OWN),
    "a command for units": (units("os:system"), "asks for units = {'function': 'os:system'}; .*--units"),
    "a module for units": (units("pwned:f"), "asks for units = {'function': 'pwned:f'}; .*--units"),
    "a function not registered": (units("sample"), "asks for units = {'function': 'sample'}; .*--units"),
    "a function that is none": (units(3), "asks for units = {'function': 3}"),
    "an optimizer": (names(optimizer={"function": "os:system"}), "optimizer = .*--argument optimizer="),
    "a file": (names(path="/etc/passwd"), "asks for path = '/etc/passwd'; .*--names FILE"),
    "a file with escapes": (names(path=ESCAPE), r"asks for path = '\\x1b"),
    "a trillion steps": (names(steps=10 ** 12), "steps = 1000000000000; .* up to 100,000, .*--steps N"),
    "a hundred thousand and one": (names(steps=100_001), "asks for steps = 100001"),
    "minus a trillion steps": (names(steps=-10 ** 12), "asks for steps = -1000000000000"),
    "infinitely many steps": (edited('"recipe": null', INFINITE), "asks for steps = inf"),
    "a seed of 400 digits": (names(seed=10 ** 400), "asks for seed = 1000"),
    "a list": (names(steps=[3]), r"asks for steps = \[3\]"),
    "an unknown argument": (names(factory=3), "does not take these arguments: .*'factory'"),
    "a million passes": (digits(epochs=10 ** 6), "asks for epochs = 1000000; .* up to 200, "),
}

"""The page's content: from models to the numbers that their predictions need, and into one HTML file.

Names of units and measurements come from anywhere. They stand in a block of JSON whose `<` are escaped, and
the scripts put them into the page as text only. The page's own policy allows no request, and no script or
style but those whose hashes it states.
"""
import base64
import json
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Optional, Sequence, Union

import numpy as np
from scipy.stats import norm

from circuit.checks import iterable, real_number
from circuit.errors import LearnerError

from ..directions.decoders import FirstOrder, LeastSquares, likeliest
from ..gradients.metagradient import Metagradient
from ..models.gradient_model import Estimator
from ..predictions.additive import Additive
from ..predictions.prediction import UNUSED
from ..predictions.questions import Questions
from ..sketch.estimate import size
from ..sketch.identity import differing
from ..trust import error_model, verdict
from ..trust.kinds import MAX_CHANCE, RANDOM

LARGEST = 30_000_000
"""The largest page in bytes: browsers open it in a second or two."""

SCRIPTS = ("numbers.js", "estimators.js", "trust.js", "predictions.js", "charts.js", "page.js")
"""In the order in which they use one another."""

LIMITS = ("MAX_RELATIVE_ERROR", "MAX_WORST_ERROR", "MAX_RAISE_ERROR", "MAX_LACKING_ERROR", "MAX_SIZE",
          "MAX_MOVED", "MAX_REST", "SMALL_REST", "MAX_SURPRISE", "MAX_RATIO", "NEIGHBOURS")
"""The constants of trust/verdict.py, by which the page judges too."""


def report(models: Union[Questions, Sequence[Questions]], out: Union[str, PathLike], *,
           names: Optional[Sequence[str]] = None, title: str = "What if they had never been there?",
           level: float = 0.95, over_time: Optional[Sequence[Metagradient]] = None) -> Path:
    """Write a page in which units can be deleted: one HTML file, opened from disk, that needs no network.

    It holds the coefficients of the predictions and calculates as they do, to rounding errors.

    Parameters
    ----------
    models : Questions or sequence of them
        Measured sketches and gradient models of one learner, whose measurements stand side by side.
    out : str or PathLike
        The file to write.
    names : sequence of str, optional
        What each number that is measured is called, over all models. Default: measurement 1, 2, ...
    title : str
        The page's heading.
    level : float
        The probability that its intervals are made for.
    over_time : sequence of Metagradient, optional
        For each model `metagradient(learner, measurement, by_step=True)`, which shows when in the training a
        set has its influence.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LearnerError
        For models of different learners, for names or metagradients that do not fit, and for a page of more
        than 30 MB, with its size.

    Examples
    --------
    >>> import tempfile
    >>> from deletion import SGD, Learner, gradient_model
    >>> from deletion.report import report
    >>> numbers = [k / 10 for k in range(20)]
    >>> learner = Learner([0.0], numbers, lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(20)] * 30)
    >>> model = gradient_model(learner, lambda w: w[0], groups=5, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report(model, f"{folder}/mean.html", names=["the mean"]).name
    'mean.html'
    """
    models = checked_models([models] if isinstance(models, Questions) else models)
    real_number(level, "the level of an interval lies between 0 and 1", above=0.0, below=1.0)
    numbers = Numbers()
    content = contents(models, numbers, names, title, level, over_time)
    total = len(filled(content, "")) + 4 * -(-numbers.bytes // 3)
    if total > LARGEST:
        raise LearnerError(f"this page would take {size(total)}, and a page takes at most {size(LARGEST)}: "
                           "show fewer measurements, or make the model with fewer dense directions or groups")
    out = Path(out)
    out.write_bytes(filled(content | {"size": size(total)}, numbers.base64()))
    return out


# what is asked for ------------------------------------------------------------------------------------------

def checked_models(models):
    """Return at least one model, all of the same learner."""
    models = list(models) if iterable(models) else [models]
    for model in models:
        if not isinstance(model, Questions):
            raise LearnerError("a report shows measured sketches and gradient models, such as "
                               f"sketch.measure(f) or gradient_model(learner, f), not {model!r:.60}")
        if model.downweight is not None and np.any(model.downweight):
            raise LearnerError("a report shows sketches of the ordinary training, and one of these was "
                               "made with a downweight")
    if not models:
        raise LearnerError("a report shows at least one measured sketch or gradient model")
    for model in models[1:]:
        require_same_learner(models[0].learner, model.learner, "a report's models")
    return models


def require_same_learner(one, other, what):
    """Raise LearnerError unless two learners are the same."""
    difference = other is not one and differing(one.fingerprint_parts(), other.fingerprint_parts())
    if difference:
        raise LearnerError(f"{what} are of one learner: {difference}")


def checked_text(text, what):
    """Return a text."""
    if not isinstance(text, str):
        raise LearnerError(f"{what} is a text, not {text!r:.60}")
    return text


def checked_names(names, count):
    """Return a name for each number that is measured."""
    if names is None:
        return [f"measurement {k + 1}" for k in range(count)]
    names = [names] if isinstance(names, str) else list(names) if iterable(names) else [names]
    if len(names) != count:
        raise LearnerError(f"names: expected one for each of {count} measured numbers, got {len(names)}")
    return [checked_text(name, "the name of a measurement") for name in names]


def unit_names(learner):
    """Return the name of each unit: its label, or the example's name if every example is its own unit."""
    grouping = learner.grouping
    return [str(x) for x in (grouping.examples and grouping.names or learner.units)]


# what predictions need --------------------------------------------------------------------------------------

class Numbers:
    """The arrays of a page, one after the other in one block of bytes; equal ones are stored once.

    Of more than a page can hold only the size is kept.
    """

    def __init__(self):
        self.parts, self.places, self.bytes = [], {}, 0

    def of(self, x, dtype=np.float64):
        """Store an array, flat and in little-endian order, and return what the page finds it by."""
        content = np.ascontiguousarray(x, np.dtype(dtype).newbyteorder("<")).tobytes()
        kind = np.dtype(dtype).name
        key = kind, sha256(content).digest()
        if key not in self.places:
            self.places[key] = {"array": [kind, self.bytes, np.size(x)]}
            padding = b"\0" * (-len(content) % 8)      # arrays of doubles begin at multiples of 8
            self.bytes += len(content) + len(padding)
            if self.bytes < LARGEST:
                self.parts += [content, padding]
            else:
                self.parts.clear()
        return self.places[key]

    def base64(self):
        """Return everything as text."""
        return base64.b64encode(b"".join(self.parts)).decode("ascii")


def contents(models, numbers, names, title, level, over_time):
    """Return all that a page holds, as JSON holds it; arrays go into the Numbers."""
    limits = {name: getattr(verdict, name) for name in LIMITS} | {
        name: getattr(error_model, name) for name in ("NEAR", "NEAR_ENOUGH", "CONFIDENCE")} | {
        "NORMAL": norm.ppf(0.5 + 0.5 * level)}
    weights = [0.0, min(model.most for model in models)]      # between which its controls go
    return {"title": checked_text(title, "a page's title"), "level": level, "weights": weights,
            "limits": limits, "unused": UNUSED, "units": unit_names(models[0].learner),
            "used": numbers.of(models[0].learner.used, np.int32),
            "names": checked_names(names, sum(model.value.size for model in models)),
            "models": [model_facts(model, level, numbers) for model in models],
            "overTime": over_time_facts(models, over_time, numbers)}


def model_facts(model, level, numbers):
    """Return what the page needs of one model, as JSON holds it."""
    estimator, calibrated = model.estimator(), model.calibrated
    return {"value": numbers.of(model.value), "source": estimator.name, "series": calibrated.series,
            "lacking": calibrated.lacking, "estimator": estimator_facts(estimator, numbers),
            "calibrations": None if calibrated.calibration is None else
            [calibration_facts(calibrated.of(RANDOM), estimator, level, numbers),
             *(kind_facts(kind, int(model.learner.used.sum()), numbers)
               | calibration_facts(calibrated.of(kind.name), estimator, level, numbers)
               for kind in calibrated.declared)]}


def estimator_facts(estimator, numbers):
    """Return the coefficients of an estimator."""
    if isinstance(estimator, Additive):
        return {"kind": "additive", "finite": numbers.of(estimator.finite),
                "slopes": numbers.of(estimator.slopes)}
    if isinstance(estimator, Estimator):
        interactions = estimator.levels.interactions
        return {"kind": "gradients", "additive": estimator_facts(estimator.additive, numbers),
                "interactions": None if interactions is None else
                {"groups": numbers.of(interactions.groups, np.int32), "scale": numbers.of(interactions.scale),
                 "a": numbers.of(interactions.a)},
                "levels": [{"share": level.share, "left": float(level.left),
                            "slopes": numbers.of(level.slopes), "curvature": numbers.of(level.curvature)}
                           for level in estimator.levels.levels],
                "sizeEffect": estimator.size_effect and {
                    "largest": estimator.size_effect.largest,
                    "coefficients": numbers.of(estimator.size_effect.coefficients)}}
    gradient = None
    if isinstance(estimator, FirstOrder):
        estimator, gradient = estimator.decoder, numbers.of(estimator.gradient)
    if not hasattr(estimator, "tables"):
        raise LearnerError(f"no page can calculate with the estimator {estimator.name!r}")
    return decoder_facts(estimator, numbers) | {"gradient": gradient}


def decoder_facts(decoder, numbers):
    """Return the coefficients of a decoder of directions."""
    tables = decoder.tables
    facts = {"kind": decoder.name, "directions": tables.real.shape[1], "degree": tables.alpha.shape[1],
             "psi": direction_facts(tables, numbers), "alpha": numbers.of(tables.alpha),
             "beta": numbers.of(tables.beta), "groups": numbers.of(tables.groups, np.int32), "fits": [],
             "together": not isinstance(decoder, LeastSquares)}
    if isinstance(decoder, LeastSquares):
        kernel = decoder.kernel
        # directions of disjoint units show no interaction but those inside each
        facts["together"] = tables.alpha.shape[1] > 1 and max(map(len, kernel.groups)) > 1
        for order, fits in enumerate(decoder.fits, 1):
            w, _, scale = likeliest(fits)
            values, vectors = kernel.eigen(order, w)
            facts["fits"].append({"w": w, "scale": numbers.of(scale), "values": numbers.of(values),
                                  "vectors": matrix_facts(vectors, numbers)})
    return facts


def direction_facts(tables, numbers):
    """Return the directions, unit by unit; only what is not zero if that is less."""
    real, imaginary = tables.real, tables.imaginary
    units, directions = np.nonzero((real != 0.0) | (imaginary != 0.0))
    if 2 * len(units) > real.size:
        return {"starts": None, "real": numbers.of(real), "imaginary": numbers.of(imaginary)}
    return {"starts": numbers.of(np.searchsorted(units, np.arange(len(real) + 1)), np.int32),
            "directions": numbers.of(directions, np.int32), "real": numbers.of(real[units, directions]),
            "imaginary": numbers.of(imaginary[units, directions])}


def matrix_facts(vectors, numbers):
    """Return the columns of a matrix, sparse or not."""
    if isinstance(vectors, np.ndarray):
        return {"starts": None, "entries": numbers.of(vectors.T)}
    vectors = vectors.tocsc()
    return {"starts": numbers.of(vectors.indptr, np.int32), "rows": numbers.of(vectors.indices, np.int32),
            "entries": numbers.of(vectors.data)}


def kind_facts(kind, count, numbers):
    """Return by what a set of some of `count` used units is known to be of a declared kind."""
    rare = [kind.chance(size, count) <= MAX_CHANCE for size in range(1, count + 1)]
    return {"ordered": kind.ordered, "members": numbers.of(kind.members, np.int32),
            "rare": numbers.of([False, *rare], np.int32)}


def calibration_facts(calibrated, estimator, level, numbers):
    """Return what retraining says of the errors of a kind: the error model, and what verdicts are made of."""
    calibration, kind = calibrated.calibration, calibrated.kind
    if not calibration.finite:
        return {"kind": kind, "finite": False,
                "failed": f"retraining a set of kind {kind!r} did not end in numbers: no interval"}
    model = calibrated.error_model(estimator)
    count, variance = len(model.squares), model.variance
    # a power law, which two of its values determine
    one, four = calibrated.typical(np.array([1.0, 4.0]))
    power = np.log(np.where(one > 0, four, 1.0) / np.where(one > 0, one, 1.0)) / np.log(4.0)
    return {"kind": kind, "finite": True, "words": verdict.words_of(calibrated), "count": count,
            "squares": numbers.of(model.squares),
            "typical": {"level": numbers.of(one), "power": numbers.of(power)},
            "variance": {name: numbers.of(each) for name, each in variance._asdict().items()},
            "predicted": numbers.of(calibrated.estimates(estimator).change),
            "changes": numbers.of(calibrated.changes),
            "errors": numbers.of(model.errors), "standardised": numbers.of(model.standardised),
            "order": numbers.of(model.order, np.int32), "reach": calibration.reach,
            "crossings": numbers.of(calibration.crossings, np.int32),
            "ranks": [error_model.rank(k, level) for k in range(1, count + 1)]}


def over_time_facts(models, over_time, numbers):
    """Return the slopes of every step, by unit; None for models without."""
    if over_time is None:
        return [None] * len(models)
    over_time = [over_time] if isinstance(over_time, Metagradient) else list(over_time)
    if len(over_time) != len(models):
        raise LearnerError(f"over_time: expected a metagradient for each of {len(models)} models, got "
                           f"{len(over_time)}")
    for model, one in zip(models, over_time):
        if not isinstance(one, Metagradient) or one.slopes is None or np.any(one.weights != 1.0):
            raise LearnerError("over_time: expected metagradient(learner, measurement, by_step=True) at "
                               f"ordinary weights, got {one!r:.60}")
        require_same_learner(model.learner, one.learner, "a model and its metagradient")
        same = one.value.shape == model.value.shape
        if not same or not np.allclose(one.value, model.value, rtol=1e-4, atol=1e-9):
            raise LearnerError(f"over_time: as trained the model measures {model.value!r:.60}, its "
                               f"metagradient {one.value!r:.60}")
    return [slopes_by_unit(one, numbers) for one in over_time]


def slopes_by_unit(metagradient, numbers):
    """Return the steps that use each unit, and the slopes there: these are drawn, and float32 is enough."""
    learner = metagradient.learner
    units = learner.unit_of[learner.schedule.reshape(-1)]
    order, steps = np.argsort(units, kind="stable"), len(learner.steps)
    slopes = metagradient.slopes.reshape(len(units), -1)
    starts = np.searchsorted(units[order], np.arange(learner.unit_count + 1))
    return {"steps": steps, "starts": numbers.of(starts, np.int32),
            "when": numbers.of(order // (len(units) // steps), np.int32),
            "slopes": numbers.of(slopes[order], np.float32)}


# the file ---------------------------------------------------------------------------------------------------

def part(name):
    """Return the text of one of the page's parts."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def filled(content, numbers):
    """Return the page as bytes.   numbers: base64"""
    style, script = part("report.css"), "\n".join(map(part, SCRIPTS))
    text = {"POLICY": f"default-src 'none'; script-src {hashed(script)}; style-src {hashed(style)}; "
                      "base-uri 'none'; form-action 'none'",
            "STYLE": style, "CONTENT": escaped(content), "NUMBERS": numbers, "SCRIPT": script}
    pieces = part("report.html").split("@@")      # text, name, text, name, ..., text
    return "".join(text[piece] if number % 2 else piece for number, piece in enumerate(pieces)).encode()


def hashed(text):
    """Return the source of a policy that allows exactly this text."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode('ascii')}'"


def escaped(content):
    """Return JSON in which nothing ends a script or begins a comment."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

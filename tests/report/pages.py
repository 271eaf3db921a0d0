"""Models of every kind with a page, sets to ask of them, and what stands in a page."""
import base64
import json
import re
from functools import cache

import numpy as np
from learners import data, logistic, logistic_loss, network, relu_loss

from deletion import SGD, Learner, Order, cotangents, gradient_model, precompute
from deletion.influence import metagradient

ATTACKS = ["</script><script>attacked = 1</script>", "<img src=x onerror=attacked=1>", "<!--<script>", "]]>",
           "<svg onload=attacked=1>", "&lt;b&gt;", '"><b autofocus onfocus=attacked=1>', "\u2028\u2029\0",
           "{\"array\": 1}", "__proto__", "\u202egnp.exe", "\ud800", "a" * 300, "javascript:attacked=1",
           "@@SCRIPT@@"]
"""Names that would become markup, end a script, or confuse whoever reads them."""

QUIET = {"progress": False}


def named():
    """Logistic regression on 60 examples with names, some of them attacks."""
    names = ATTACKS + [f"unit {k}" for k in range(60 - len(ATTACKS))]
    return logistic(n=60, steps=40, labels=names)


def first(w):
    return w[0]


def three(w):
    return w[:3] * 1.0


def weights(p):
    return p["w1"].reshape(-1)[:3]


@cache
def learner():
    return logistic(n=60, steps=40)


@cache
def wide():
    return network(n=40, steps=60)


def pulled():
    return precompute(learner(), cotangents(learner()), **QUIET)


def sketch(directions, degree=3, of=None, **options):
    return precompute(of or learner(), directions, degree, **QUIET, **options)


def decoded(name):
    """A measured sketch of dense directions that is asked by a decoder of this name."""
    measured = sketch(240, 2, design="sphere", of=wide()).measure(weights, progress=False)
    measured.calibrated.__dict__["choice"] = name, "chosen"
    return [measured]


def joined():
    measured = sketch(20, 2, design="sphere").measure(first, progress=False)
    return [measured.with_gradient(metagradient(learner(), first, **QUIET))]


def left():
    """Three measurements, and the cotangents of one of them only."""
    return [precompute(learner(), cotangents(learner(), first), **QUIET).measure(three, progress=False)]


def corrected():
    """A sketch that corrects the gradient of too few cotangents."""
    return [sketch(20, 2, design="sphere").measure(three, progress=False).with_gradient(left()[0])]


def kinks():
    """A network with kinks, some of whose units no step uses."""
    x, y = data(30, 3)
    bent = Learner(np.full(3, 0.1), list(zip(x, y)), relu_loss, SGD(0.05), np.tile(np.arange(25), (12, 1)))
    return [sketch(20, 2, of=bent).measure(first, progress=False)]


@cache
def declared():
    """A sketch that knows the kinds of three declared rules."""
    classes = [None if k % 9 == 8 else f"class {k % 9}" for k in range(60)]
    topics = [{f"topic {k % 7}", f"topic {k % 11}"} for k in range(60)]
    kinds = {"class": classes, "topic": topics, "time": Order(7.0 * np.arange(60) % 60)}
    return sketch(30, kinds=kinds)


def grouped():
    """A learner whose units are texts, some without examples."""
    x, y = data(40, 3)
    units = Learner(np.zeros(3), list(zip(x, y)), logistic_loss, SGD(1.0), np.tile(np.arange(40), (30, 1)),
                    units=[f"user {k % 13}" for k in range(40)], all_units=[f"user {k}" for k in range(15)])
    return [gradient_model(units, three, groups=4, levels=(), **QUIET)]


MODELS = {
    "pairs": lambda: [sketch(30).measure(f, progress=False) for f in (three, first)],
    "few pairs": lambda: [sketch(12, 2).measure(three, progress=False)],
    "dense": lambda: [sketch(40, design="sphere").measure(three, progress=False)],
    "mixed": lambda: [sketch(80, 2, design="pairs", of=wide()).measure(weights, progress=False)],
    "joined": joined,
    "corrected": corrected,
    "mean": lambda: decoded("mean"),
    "median of means": lambda: decoded("median of means"),
    "uncalibrated": lambda: [sketch(30, calibration=0).measure(three, progress=False)],
    "groups": lambda: [gradient_model(learner(), three, groups=6, **QUIET)],
    "levels": lambda: [gradient_model(wide(), weights, groups=6, levels=(0.2, 0.5), **QUIET)],
    "finite steps": lambda: [gradient_model(learner(), three, levels=(), **QUIET)],
    "cotangents": lambda: [pulled().measure(three, progress=False)],
    "few cotangents": left,
    "kinks": kinks,
    "users": grouped,
    "declared": lambda: [declared().measure(f, progress=False) for f in (three, first)],
}
"""Lists of models of one learner."""


@cache
def models(name):
    return MODELS[name]()


def questions(units, count, seed=0):
    """Downweights (count, units): the empty set, and random sets of all sizes, deleted or at some weight."""
    rng, h = np.random.default_rng(seed), np.zeros((count, units))
    for k in range(1, count):
        size = int(np.rint(np.exp(rng.uniform(0.0, np.log(0.6 * units)))))
        h[k, rng.choice(units, size, replace=False)] = 1.0 if k % 2 else (0.5, 0.25, rng.uniform())[k % 3]
    return h


def of_kinds(units, count, seed=2):
    """Downweights (count, units) of units at equal distances: parts of classes, of topics and of an order."""
    rng, h = np.random.default_rng(seed), np.zeros((count, units))
    for row in h:
        step, first = rng.choice([1, 7, 9, 11, 43]), rng.integers(units)
        chosen = (first + step * np.arange(rng.integers(2, 9))) % units
        row[chosen[rng.random(len(chosen)) < rng.choice([0.6, 1.0])]] = rng.choice([1.0, 0.5])
    return h


def as_json(h):
    """Downweights as the page takes sets: [[numbers of units], [downweights]] of each."""
    return [[np.flatnonzero(row).tolist(), row[row != 0.0].tolist()] for row in h]


def differences(model, h, answers):
    """Compare what a page answers with `predict_downweights`: (largest difference relative to the largest
    change, sets whose verdict or reason differs)."""
    prediction, worst = model.predict_downweights(h), 0.0
    scale = np.abs(prediction.change).max(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    expected = {"value": prediction.value}
    if prediction.interval is not None:
        expected |= dict(zip(("low", "high"), prediction.interval))
    for name, right in expected.items():
        given = np.array([answer[name] for answer in answers]).reshape(right.shape)
        worst = np.maximum(worst, (np.abs(given - right) / scale).max())      # keeps a NaN
    judged = prediction.verdict is not None
    reasons = prediction.reasons if judged else [prediction.reasons] * len(h)
    nothing = [None] * len(h)
    right = list(zip(prediction.kind or nothing, prediction.verdict or nothing, [x for x, in reasons]))
    told = [(answer["kind"], answer["verdict"], answer["reason"]) for answer in answers]
    return worst, [pair for pair in zip(told, right) if pair[0] != pair[1]]


# what stands in a page --------------------------------------------------------------------------------------

def block(path, name):
    """The text of one of a page's blocks of data."""
    return re.search(f'id="{name}">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL).group(1)


def content(path):
    """The content of a page, with arrays."""
    numbers = base64.b64decode(block(path, "coefficients"))

    def array(found):
        if set(found) != {"array"}:
            return found
        kind, begin, count = found["array"]
        return np.frombuffer(numbers, np.dtype(kind).newbyteorder("<"), count, begin)

    return json.loads(block(path, "content"), object_hook=array)

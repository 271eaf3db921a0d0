"""From what is known and what is estimated to one Prediction, in the order of the sets asked about."""
from collections import Counter
from dataclasses import replace

import numpy as np

from ..predictions.prediction import Prediction
from ..trust.verdict import MAX_RELATIVE_ERROR, NOT, TRUST, percent
from .strategy import Strategy

EXACT = "Retrained exactly."


def assembled(asking):
    """Return the Prediction of an Asking that has run its course, with its strategy."""
    estimated = exact_prediction(asking) if asking.model is None else with_exact(asking, asking.prediction())
    place, sources = asking.question.place, estimated.source
    sources = [sources[k] for k in place]
    everything = not len(asking.unknown)
    calibration = 0 if asking.calibration is None else asking.calibrating
    strategy = Strategy(tuple(asking.stages), calibration, dict(Counter(sources)),
                        0.0 if everything else asking.expected().pooled, asking.tolerance,
                        asking.budget.elapsed)

    def rows(x):
        return None if x is None else x[place]

    return replace(estimated, value=rows(estimated.value), change=rows(estimated.change),
                   terms=rows(estimated.terms), standard_error=rows(estimated.standard_error),
                   interval=estimated.interval and tuple(rows(bound) for bound in estimated.interval),
                   sampling=rows(estimated.sampling), truncation=rows(estimated.truncation), source=sources,
                   verdict=estimated.verdict and [estimated.verdict[k] for k in place],
                   reasons=[estimated.reasons[k] for k in place] if estimated.verdict else estimated.reasons,
                   kind=estimated.kind and [estimated.kind[k] for k in place], strategy=strategy)


def exact_prediction(asking):
    """Return the Prediction where nothing is estimated: terms are the value as trained and the change."""
    question, count = asking.question, len(asking.known)
    value = asking.exact.reshape((count,) + question.value.shape)
    change = value - question.value
    start = np.broadcast_to(question.value, value.shape)
    nothing = np.zeros(value.shape)
    return Prediction(value, change, np.stack([start, change], axis=1), nothing, (value, value), asking.level,
                      nothing, nothing, "retraining", asking.sources, [TRUST] * count, [(EXACT,)] * count)


def with_exact(asking, prediction):
    """Return a model's Prediction with exact answers where they are known, and what the check of some of the
    sets asked about says of the others."""
    known, shape = asking.known, prediction.value.shape
    exact = asking.exact.reshape(shape)
    change = np.where(column(known, shape), exact - asking.question.value, prediction.change)
    value, terms = asking.question.value + change, prediction.terms.copy()
    if terms.shape[1] > 1:      # what a model's last term does not explain belongs to it
        terms[:, -1] += value - prediction.value
    sources = [own or theirs for own, theirs in zip(asking.sources, prediction.source)]
    prediction = replace(prediction, value=value, change=change, terms=terms, source=sources)
    if prediction.interval is not None:
        reach = 1.0 if asking.check is None else asking.check.reach
        half = reach * (prediction.interval[1] - prediction.interval[0]) / 2.0
        half = np.where(column(known, shape), 0.0, half)
        none = np.where(column(known, shape), 0.0, reach)
        prediction = replace(prediction, interval=(value - half, value + half),
                             sampling=prediction.sampling * none, truncation=prediction.truncation * none)
    if prediction.verdict is None:
        return prediction
    judged = [(TRUST, (EXACT,)) if exact else after_check(asking.check, verdict, reasons)
              for exact, verdict, reasons in zip(known, prediction.verdict, prediction.reasons)]
    return replace(prediction, verdict=[v for v, _ in judged], reasons=[r for _, r in judged])


def column(known, shape):
    """An array over sets, to be broadcast over a measurement's elements."""
    return known.reshape(known.shape + (1,) * (len(shape) - 1))


def after_check(check, verdict, reasons):
    """Return (verdict, reasons) of an estimate, with what some of the sets asked about say."""
    if check is None:
        return verdict, reasons
    said = (f"{len(check.numbers)} of the sets asked about, drawn at random, were retrained: the estimate is "
            f"off by {percent(check.error)} of the change there.")
    if verdict == TRUST and check.error > MAX_RELATIVE_ERROR:
        return NOT, (said, *reasons)
    return verdict, (*reasons, said)

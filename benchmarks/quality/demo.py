"""python -m benchmarks.demo: what if the model had never seen a name that begins with r?

Trains microgpt on 1,000 first names, pushes 64 random complex directions over the 26 first letters through
that training, and then asks for the loss on a name the model never saw, had all training names with its first
letter not been there - at several weights, by the sketch's decoders, by the Taylor series along that one
direction, and by exact retraining.
"""
import time

import numpy as np

from circuit import InputError
from deletion import given, precompute, retrain
from microgpt import first_letter, names, sample

from . import harness

WEIGHTS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


def ask(options):
    """Everything the demo prints and draws: (learner, f(0), columns by name, each one number per weight)."""
    learner = names(options.names, steps=options.steps, units=first_letter)
    letter = first_letter(options.name)
    # a name that cannot be asked about raises an error before any training
    measure = learner.loss_on(options.name)
    learner.unit_indices(letter)
    held = learner.documents.count(options.name)
    mine = sum(name[0] == letter for name in learner.documents)
    print(f"microgpt: {learner.layout.size:,} parameters, {options.steps:,} steps on names such as "
          f"{', '.join(learner.documents[:4])}")
    print(f"{mine} of the names begin with {letter!r}; {options.name!r} is "
          f"{'one of them' if held else 'not one of them'}")
    start = time.perf_counter()
    theta = learner.train()[0]
    print(f"trained in {time.perf_counter() - start:.1f} s; names that it makes up: "
          + ", ".join(sample(learner.layout.split(theta), learner.tokenizer, learner.shape, 8)))

    start = time.perf_counter()
    # of directions, of the steps before the first of them moves, of plain trainings
    for degree in (options.degree, 0, None):
        learner.recurrence(degree)
    print(f"ready after {time.perf_counter() - start:.1f} s (compiling happens only in the first run)")
    start = time.perf_counter()
    sketch = precompute(learner, options.directions, options.degree, options.seed, design="sphere")
    print(f"calculated {options.directions} directions of degree {options.degree} over {learner.unit_count} "
          f"units through the training in {time.perf_counter() - start:.1f} s")
    measured = sketch.measure(measure)
    start = time.perf_counter()
    own = precompute(learner, options.directions, options.degree, options.seed).measure(measure)
    print(f"and {options.directions} more of the default design ({own.directions.design}) in "
          f"{time.perf_counter() - start:.1f} s")
    along = precompute(learner, given(learner.downweight(letter)), options.degree, calibration=0)
    weights = np.stack([1.0 - learner.downweight(letter, w) for w in WEIGHTS])
    columns = {"retrained": retrain(learner, weights=weights, measurement=measure),
               f"series of {letter}": along.measure(measure).along(0, 1.0 - WEIGHTS)[:, -1].real}
    for decoder in ("auto", "mean", "median of means"):
        curve = (own if decoder == "auto" else measured).curve(letter, WEIGHTS, decoder=decoder)
        columns[decoder] = curve.value
        columns[f"{decoder} +-"] = (np.hypot(curve.sampling, curve.truncation) if decoder == "auto"
                                    else curve.standard_error)
    whole = own.predict(letter)
    print(f"auto decodes by {own.choice[0]}: {own.choice[1]}")
    print(f"without {letter!r}: {whole.value:.4f}, 95% interval {whole.interval[0]:.4f} to "
          f"{whole.interval[1]:.4f} - {whole.verdict}: {whole.reasons[0]}")
    return letter, float(measured.value), columns


def draw(options, letter, columns):
    """The same as a picture; returns its path, or None without matplotlib."""
    pyplot = harness.pyplot()
    if pyplot is None:
        return None
    figure, axes = pyplot.subplots(figsize=(7.5, 4.8), layout="constrained")
    names_of = [name for name in columns if not name.endswith("+-")]
    styles = dict(zip(names_of, ("ko-", "C2--", "C3o", "C0s", "C1D")))
    for shift, name in zip((0.0, 0.0, 0.0, -0.012, 0.012), names_of):
        error = columns.get(f"{name} +-")
        if error is None:
            axes.plot(WEIGHTS, columns[name], styles[name], label=name, zorder=3)
        else:
            kind = "deviation" if name == "auto" else "error"
            axes.errorbar(WEIGHTS + shift, columns[name], error, fmt=styles[name], capsize=3,
                          label=f"sketch, {name} (1 standard {kind})")
    axes.set_xlabel(
        f"weight of the training names that begin with {letter!r}  (0: never there, 1: as trained)")
    axes.set_ylabel(f"loss on {options.name!r}, nats per token")
    axes.set_title(f"What if no training name had begun with {letter!r}?")
    axes.grid(alpha=0.3)
    axes.legend()
    path = harness.output_folder(options.out) / "demo.png"
    figure.savefig(path, dpi=120)
    return path


def main():
    parser = harness.parser("demo", __doc__, names=None, steps=1000, directions=64, degree=3, seed=0,
                            out="results")
    parser.add_argument("--name", default="rufus", help="the name to ask about (default %(default)s)")
    options = parser.parse_args()
    if not options.name:
        raise InputError("--name is empty")
    harness.output_folder(options.out)
    letter, value, columns = ask(options)
    print(f"\nloss on {options.name!r} in nats per token (as trained: {value:.4f}), by the weight left to "
          f"names with {letter!r}:\n'retrained' is the truth (zero weight, schedule unchanged), 'series of "
          f"{letter}' the Taylor series of exactly this set, without a sketch;\nthe others are decoders of a "
          "sketch: 'auto' is the default, the other two are the paper's")
    rows = zip(*([f"{w:.2f}" for w in WEIGHTS],
                 *([f"{x:.4f}" for x in column] for column in columns.values())))
    print(harness.table(["weight", *columns], rows))
    path = draw(options, letter, columns)
    print(f"\npicture: {path}" if path else "\n(no picture: install the extra `plot`)")
    return 0


if __name__ == "__main__":
    harness.run(main)

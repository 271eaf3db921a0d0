"""python -m benchmarks.peers: this library and other ways to the same numbers, side by side.

The training is microgpt's on first names, the degree 3. The peers: polynomials in pure Python, one object per
number; JAX's Taylor mode; Taylor coefficients from JAX trainings at complex points on a circle; for exact
retraining JAX and NumPy; for gradients in the example weights JAX's `value_and_grad` through the training.
Each must first reproduce this library's numbers. Then every repetition runs the library and the peer one
after the other; a ratio is peer's seconds / library's seconds of one repetition: median, lowest and highest
are reported. JAX's batch sizes, threads and ways to write the training are swept and the fastest is taken;
compiling is never timed.
"""
import os
from functools import partial

import numpy as np

from circuit import InputError, evaluate, tanh
from deletion import given, precompute, retrain, sphere
from deletion.influence import metagradient
from microgpt import NameLearner, names

from . import harness, parity, peer_scalar
from .truth import Several

DEGREE = 3
TYPICAL = 6
"""Letters of a name of average length: 7 predictions a step, where the 1,000 names have 6.96."""

EXACT, GRADIENT, CONTOUR = 1e-10, 1e-9, 1e-6
"""Largest errors allowed, relative to the largest number of the same order, or of the same measurement: of
rounding, of rounding in a gradient, and of a contour of five points."""


# both sides -------------------------------------------------------------------------------------------------

def typical(steps):
    """A learner of names of average length only, so that all steps cost the same."""
    learner = names(steps=1000)
    documents = [name for name in learner.documents if len(name) == TYPICAL]
    return NameLearner(documents[:steps], learner.tokenizer, learner.layout.split(learner.layout.initial),
                       steps=steps)


def tanh_gelu(x):
    """The GELU of the contour peer, in gates."""
    return x * (tanh((x + x * x * x * 0.044715) * (2.0 / np.pi) ** 0.5) + 1.0) * 0.5


def with_tanh_gelu(learner):
    """The same learner with tanh-GELU in place of GELU."""
    return NameLearner(learner.documents, learner.tokenizer, learner.layout.split(learner.layout.initial),
                       activation=tanh_gelu)


def coefficients(sketch):
    """All of a sketch's coefficients: (directions, parameters, degree + 1) complex."""
    stored = np.concatenate([block[:, :, 0] + 1j * block[:, :, 1] for block in sketch.blocks],
                            axis=2)[..., :len(sketch.directions)]
    constant = np.broadcast_to(sketch.theta[:, None, None], (len(sketch.theta), 1, stored.shape[2]))
    return np.moveaxis(np.concatenate([constant, stored], axis=1), 2, 0)


def pushed(learner, psi, threads=None):
    return precompute(learner, given(psi), DEGREE, calibration=0, threads=threads, progress=False)


def verified(name, calculated, expected, tolerance):
    """The largest relative error of any order (last axis). Raises InputError above the tolerance."""
    error = float(parity.errors(calculated, expected).max())
    print(f"{name}: largest relative error {error:.1e}", flush=True)
    if not error <= tolerance:      # a NaN does not pass
        raise InputError(f"{name}: expected a relative error of at most {tolerance:g}, got {error:.1e}; "
                         "wrong answers are not timed")
    return error


def interleaved(calls, repeats):
    """Seconds of each call, (calls, repeats), one after the other in every repetition."""
    return np.array([[harness.seconds(call, 1)[0] for call in calls] for _ in range(repeats)]).T


def row(name, peer, ours, note, equations=1.0, **more):
    """A result.   peer, ours: seconds per direction-step of each repetition;   equations: per direction, ours
                   over the peer's."""
    ratios = equations * peer / ours
    return {"name": name, "seconds_per_direction_step": float(np.median(peer)),
            "ours": float(np.median(ours)), "ratio": float(np.median(ratios)),
            "ratio_min": float(ratios.min()), "ratio_max": float(ratios.max()), "note": note, **more}


# the peers --------------------------------------------------------------------------------------------------

def scalar_row(options):
    """Pure Python against one thread of this library."""
    few, directions = (2, 8) if options.quick else (10, 16)
    learner, ours = typical(few), typical(100)
    psi = sphere(directions, 100, 0).psi
    first = sphere(1, few, 0).psi
    error = verified("pure Python", np.array(peer_scalar.train(learner, first[0], DEGREE, few)),
                     coefficients(pushed(learner, first))[0], EXACT)
    pushed(ours, psi[:1])      # compiles
    mine, peer = interleaved([lambda: pushed(ours, psi, threads=1),
                              lambda: peer_scalar.train(learner, first[0], DEGREE, few)], options.repeats)
    return [row("pure Python", peer / few, mine / (100 * directions),
                f"per core: library on one thread; {few} steps", error=error)]


def swept(make, batches, learner):
    """The fastest peers, [(batch, threads, peer)]: the fastest of all, and if that has several Python
    threads, the fastest on one.

    make(batch, threads) makes one, for every batch size, on one thread and on all.

    Tried on a few steps of the commonest length; seconds per direction-step are printed.
    """
    lengths = [len(example[0]) for example in learner.examples]
    numbers = [i for i, n in enumerate(lengths) if n == max(set(lengths), key=lengths.count)][:25]
    results = []
    for batch in batches:
        for threads in sorted({1, os.cpu_count()}):
            peer = make(batch, threads)
            peer.run(numbers[:1])      # compiles
            best = harness.seconds(lambda: peer.run(numbers), 3)[0] / (len(numbers) * batch * threads)
            results.append((best, batch, threads, peer))
            print(f"   batch {batch:3d} on {threads} threads: {1e6 * best:7.0f} us", flush=True)
    results.sort(key=lambda result: result[0])
    single = [result for result in results if result[2] == 1]
    return [result[1:] for result in (results[:1] if results[0][2] == 1 else [results[0], single[0]])]


def series_row(name, make, batches, learner, twin, psi, tolerance, options, note, equations=1.0):
    """A peer that makes coefficients.   make(psi, threads);   twin: the learner that calculates as the peer
    does;   psi: its directions."""
    print(f"{name}: seconds per direction-step by batch size and threads")
    steps, rows = len(learner.steps), []
    directions = sphere(32 if options.quick else 128, learner.unit_count, 0).psi
    pushed(learner, directions[:1])      # compiles
    for batch, threads, peer in swept(lambda batch, threads: make(psi[:batch * threads], threads), batches,
                                      learner):
        error = verified(name, peer.run(), coefficients(pushed(twin, psi[:batch * threads])), tolerance)
        mine, other = interleaved([lambda: pushed(learner, directions), peer.run], options.repeats)
        rows.append(row(f"{name}, {threads} Python thread{'s' * (threads > 1)}",
                        other / (steps * batch * threads), mine / (steps * len(directions)),
                        f"{note}; {steps} steps", equations, batch=batch, threads=threads, error=error))
    return rows


def jet_row(options):
    """jax.experimental.jet, per real equation: our complex direction gives two of them."""
    from .peer_jax import Jet
    learner = typical(20) if options.quick else names(steps=100)
    psi = sphere(128, learner.unit_count, 1).psi.real
    return series_row("JAX jet", partial(Jet, learner, degree=DEGREE),
                      [8] if options.quick else [4, 8, 16, 64], learner, learner, psi, EXACT,
                      options, "per real equation (library's time halved): real directions only, as JAX has "
                      "no complex erf; 15 operations a product, not 42", equations=2.0)


def contour_row(options):
    """Complex trainings on a circle, five per direction."""
    from .peer_jax import Contour
    learner = typical(20) if options.quick else names(steps=100)
    psi = sphere(128, learner.unit_count, 1).psi
    return series_row("JAX contour", partial(Contour, learner, degree=DEGREE),
                      [2, 4] if options.quick else [1, 4, 16, 64], learner, with_tanh_gelu(learner), psi,
                      CONTOUR, options, "five complex trainings a direction with tanh-GELU (checked against "
                      "the library with the same); library timed with its exact GELU")


def numpy_training(learner, weights):
    """The trained parameters by NumPy, gate by gate: what the compiled training is an alternative to."""
    state = list(learner.states)
    for step in learner.steps:
        state = evaluate(learner.circuits[step.circuit],
                         [*state, weights[step.weights], *step.data])[:len(state)]
    return state[0]


def fastest(candidates):
    """(note, size, peer) of least seconds for its size among [(note, size, peer)]; all are printed."""
    timed = []
    for note, size, peer in candidates:
        peer.run()      # compiles
        timed.append(harness.seconds(peer.run, 2)[0] / size)
        print(f"   {note}: {timed[-1]:.3f} s", flush=True)
    return candidates[int(np.argmin(timed))]


def jax_trainings(learner, weights, options):
    """The fastest ways of JAX to train one alone and many side by side: [(note, size, peer), ...]."""
    from .peer_jax import Trainings
    from .peer_jax_gradient import WAYS, Scan
    cores = os.cpu_count()
    print("JAX trainings, step by step: seconds per training-step by batch size and threads")
    batch, threads, peer = swept(
        lambda batch, threads: Trainings(learner, weights[:batch * threads], threads),
        [8, 32] if options.quick else [4, 8, 16, 64], learner)[0]
    print("JAX trainings: seconds per training")
    alone = fastest([("jitted step by step", 1, Trainings(learner, weights[:1], 1)),
                     *((f"one jitted scan, {way}", 1, Scan(learner, weights[:1], 1, way)) for way in WAYS)])
    side_by_side = fastest(
        [(f"vmapped step by step, batch {batch} on {threads} threads", batch * threads, peer)]
        + [(f"vmapped scan, {way}, batch {size} on {cores} threads", size * cores,
            Scan(learner, weights[:size * cores], cores, way)) for way in WAYS for size in (8, 64)])
    return alone, side_by_side


def retraining_rows(options):
    """Exact retraining, seconds per training and step: many side by side, and one alone."""
    learner, cores = typical(50) if options.quick else names(steps=1000), os.cpu_count()
    weights = (np.random.default_rng(0).random((64 * max(cores, 2), learner.unit_count)) > 0.05).astype(float)
    truth = retrain(learner, weights=weights, progress=False)[..., None]
    calls = {"many": lambda: retrain(learner, weights=weights[:64], progress=False),
             "one": lambda: learner.train(weights[0])[0],
             "numpy": lambda: numpy_training(learner, weights[0])}
    sizes = {"many": 64, "one": 1, "numpy": 1}
    errors = {name: verified(name, calls[call]()[None, :, None], truth[:1], EXACT)
              for name, call in (("library, one alone", "one"), ("NumPy, one alone", "numpy"))}
    rows = [("library, one alone", "one", "many", "learner.train(), beside trainings side by side"),
            ("NumPy, one alone", "numpy", "one", "gate by gate")]
    if jax_installed():
        found = jax_trainings(learner, weights, options)
        for name, key, ours, (note, size, peer) in zip(("JAX, one alone", "JAX, side by side"),
                                                       ("JAX one", "JAX many"), ("one", "many"), found):
            errors[name] = verified(name, peer.run()[..., None], truth[:size], EXACT)
            rows.append((name, key, ours, note))
            calls[key], sizes[key] = peer.run, size
    times = interleaved(list(calls.values()), options.repeats)
    each = {key: taken / (len(learner.steps) * sizes[key]) for key, taken in zip(calls, times)}
    return [row(f"retraining: {name}", each[key], each[ours], note, batch=sizes[key], error=errors[name])
            for name, key, ours, note in rows]


def gradient_rows(options):
    """Gradients in the example weights, of 1 and of 20 measurements."""
    from .peer_jax_gradient import WAYS, Gradient
    held_out, rows = names(steps=1000).held_out, []
    learner = typical(50) if options.quick else names(steps=1000)
    for count in (1, 20):
        name, texts = f"gradient of {count}, JAX", held_out[:count]
        measure = Several(tuple(learner.loss_on(text) for text in texts))
        tokens = [np.asarray(learner.tokenizer.encode(text)) for text in texts]
        print(f"{name}: seconds")
        most = min(os.cpu_count(), count)
        note, _, peer = fastest([(f"one jitted scan, {way}, {threads} thread{'s' * (threads > 1)}", 1,
                                  Gradient(learner, tokens, threads, way))
                                 for way in WAYS for threads in ([most] if options.quick else {1, most})])

        def ours():
            return metagradient(learner, measure, progress=False).gradient
        error = verified(name, peer.run(), ours(), GRADIENT)
        mine, other = interleaved([ours, peer.run], options.repeats) / len(learner.steps)
        rows.append(row(name, other, mine, f"{note}; value_and_grad, or vjp and vmap; states kept, steps "
                        f"taken again; {len(learner.steps)} steps", error=error))
    return rows


def jax_installed():
    try:
        import jax.experimental.jet      # noqa: F401
    except ImportError:
        return False
    return True


def show(rows):
    """The rows as a table, with their notes below."""
    cells = [(r["name"], f"{1e6 * r['seconds_per_direction_step']:,.1f}", f"{1e6 * r['ours']:.1f}",
              f"{r['ratio']:,.2f}", f"{r['ratio_min']:,.2f}", f"{r['ratio_max']:,.2f}", r.get("batch", ""),
              r.get("threads", ""), f"{r['error']:.0e}" if "error" in r else "") for r in rows]
    print("\nmicroseconds per direction-step (retrainings and gradients: per step of training); "
          "ratio = peer / library")
    print(harness.table(["", "peer", "library", "ratio", "lowest", "highest", "batch", "threads", "error"],
                        cells))
    print("\n".join(f"{r['name']}: {r['note']}" for r in rows))


def main():
    parser = harness.parser("peers", __doc__, quick=False, json=None)
    parser.add_argument("--repeats", type=int, default=5,
                        help="repetitions of library and peer (default %(default)s)")
    options = parser.parse_args()
    if options.repeats < 1:
        raise InputError(f"--repeats: expected at least 1, got {options.repeats}")
    print(f"microgpt, degree {DEGREE}; {harness.machine()}")
    rows = scalar_row(options)
    if jax_installed():
        rows += jet_row(options) + contour_row(options)
    else:
        print("JAX is not installed: its rows are skipped (pip install '.[peers]')")
    rows += retraining_rows(options)
    if jax_installed():
        rows += gradient_rows(options)
    show(rows)
    if options.json:
        harness.write_json(options.json, ("jax", "jaxlib"), rows=rows)
    return 0


if __name__ == "__main__":
    harness.run(main)

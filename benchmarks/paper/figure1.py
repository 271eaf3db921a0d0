"""python -m benchmarks.figure1: how fast the Taylor terms decay, order by order, up to degree 100.

The paper's Figure 1: log2 of the estimated norms |T_r| from random directions of the sphere, E |c_r|^2 =
|T_r|^2 / C(n + r - 1, r); the root mean square over directions first, then the logarithm. Stability says that
sum_r B^r |T_r| converges for a B larger than the square root of a set's size; the decay fitted to the norms
gives the largest B for which it can. The fit ends where one direction is more than half of the mean square:
beyond, a dozen directions know the norm from below only.

That is the worst case over all directions of space. Beside it, the terms along real deletion sets: all names
with an 'x', and random sets of 1%, 5% and 20% of the names, which fill up the last block of directions and
cost nothing more. There the ratio of late terms says up to which downweight u the series converges; u = 1
deletes.
"""
import numpy as np

from circuit import InputError
from deletion import given, mixture, sphere
from deletion.directions.terms import log_binomials

from . import figures, harness
from .truth import random_sets

FULL, QUICK = {"directions": 12, "degree": 100}, {"directions": 4, "degree": 6}
SHARES = (0.01, 0.05, 0.2)
NORMS = "norm, random directions"
SHOWN = 10
"""Orders in the table: all up to this, then each tenth."""


def log_norms(coefficients, units):
    """log2 of C(n + r - 1, r)^(1/2) |c_r(psi_j)|, (m, p): the norm of T_r as each direction alone estimates
    it."""
    return log2(coefficients) + 0.5 * log_binomials(units, coefficients.shape[1]) / np.log(2.0)


def log2(x):
    """log2 |x|; -inf of 0."""
    with np.errstate(divide="ignore"):
        return np.log2(np.abs(x))


def root_mean_square(logs):
    """log2 of the root mean square of 2^logs over the first axis, without leaving the range of numbers."""
    largest = logs.max(axis=0)
    return largest + 0.5 * np.log2(np.mean(4.0 ** (logs - largest), axis=0))


def last_reliable(logs):
    """The last order up to which no direction holds more than half of the mean square; at least 2."""
    squares = 4.0 ** (logs - logs.max(axis=0))
    ruled = np.flatnonzero(squares.max(axis=0) > 0.5 * squares.sum(axis=0))
    return max(int(ruled[0]) if len(ruled) else logs.shape[1], 2)


def decay(logs, first, last):
    """(slope, its standard error): of the line fitted to log2 |T_r| over the orders r = first .. last, in
    bits an order.

    logs (m, p) by direction; the error by leaving out each direction in turn (jackknife), NaN for a single
    one.
    """
    m, orders = len(logs), np.arange(first, last + 1)

    def slope(some):
        return np.polyfit(orders, root_mean_square(some)[first - 1:last], 1)[0]

    without = [slope(np.delete(logs, j, axis=0)) for j in range(m)] if m > 1 else [np.nan]
    return slope(logs), np.sqrt((m - 1.0) * np.var(without))


def allowed(norms, size):
    """log2 of the largest terms (p,) that norms (their log2, (p,)) allow a set of some size: d^(r/2)
    |T_r|."""
    return norms + 0.5 * np.arange(1, len(norms) + 1) * np.log2(size)


def compute(question):
    """Everything the figure shows.

    logs      (directions, p): log2 of the norms by each direction;   norms (p,): of their root mean square
    sets      {what: {'size', 'logs' (p,)}}: log2 of the terms along real sets
    windows   ((first, last), (first, last)): early and late orders;   fits {what: [(slope, error) of each]}
    """
    learner, n, options = question.learner, question.learner.unit_count, question.options
    sizes = sorted({max(1, round(share * n)) for share in SHARES})
    random = random_sets(learner.units, sizes, 1, np.random.SeedSequence(options.seed, spawn_key=(3,)))
    sets = {question.description: question.deleted}
    sets |= {f"a random set of {size}": units for size, (units,) in random.items()}
    psi = mixture(sphere(options.directions, n, options.seed),
                  given(learner.deletion_sets(list(sets.values())).dense(n)))
    measured, seconds = question.pushed(psi, options.degree, calibration=0)
    logs = log_norms(measured.coefficients[:options.directions], n)
    along = log2(measured.coefficients[options.directions:].real)
    if not (np.isfinite(logs).all() and np.isfinite(along).all()):
        raise InputError(f"a term up to order {options.degree} is exactly zero, and has no logarithm: "
                         "choose a lower --degree")
    windows = (1, last_reliable(logs)), (max(options.degree // 2, 1), options.degree)
    lines = {NORMS: logs} | dict(zip(sets, along[:, None]))
    return {"logs": logs, "norms": root_mean_square(logs), "windows": windows,
            "sets": {what: {"size": len(units), "logs": line}
                     for (what, units), line in zip(sets.items(), along)},
            "fits": {what: [decay(line, *window) for window in windows] for what, line in lines.items()},
            "pushing_seconds": seconds}


def report(question, result):
    """The tables."""
    degree, sets = len(result["norms"]), result["sets"]
    print(f"\nroot mean square over {len(result['logs'])} directions of the estimated norm |T_r|, and "
          "|T_r(1_D)| along real sets D, nats per token")
    rows = [[r, f"{2.0 ** result['norms'][r - 1]:.3g}", f"{result['norms'][r - 1]:.2f}",
             *(f"{2.0 ** x['logs'][r - 1]:.2g}" for x in sets.values())] for r in range(1, degree + 1)
            if r <= SHOWN or r % 10 == 0]
    print(harness.table(["order", "norm", "log2 norm", *sets], rows))
    (_, reliable), (late, _) = result["windows"]
    print("\nratio from order to order, by a line fitted to log2, over the orders "
          f"1 to {reliable} and {late} to {degree}; +- its jackknife error")
    rows = []
    for what, ((early, error), (slope, _)) in result["fits"].items():
        ends = f"B < {2.0 ** -early:.3g}" if what == NORMS else f"u < {2.0 ** -slope:.3g}"
        spread = "" if np.isnan(error) else f"{error * np.log(2.0) * 2.0 ** early:.3f}"
        rows.append([what, f"{2.0 ** early:.3f}", spread, f"{2.0 ** slope:.3f}", ends])
    print(harness.table(["", f"1 to {reliable}", "+-", f"{late} to {degree}", "converges for"], rows))
    largest, size = 2.0 ** -result["fits"][NORMS][0][0], len(question.deleted)
    print(f"\nsum_r B^r |T_r| with B < {largest:.3g} bounds sets of fewer than B^2 = {largest ** 2:.3g} "
          f"names, with the paper's B = 4 sqrt(d) of fewer than {(largest / 4.0) ** 2:.2g}."
          + (" It says nothing of real sets." if largest < 4.0 else ""))
    if reliable < degree:
        print(f"Beyond order {reliable} one direction is more than half of the mean square: "
              f"{len(result['logs'])} directions know the norm from below.")
    real, most = sets[question.description]["logs"], allowed(result["norms"], size)
    print(f"At order {reliable} the worst case allows {question.description} a term of "
          f"{2.0 ** most[reliable - 1]:.2g} nats; really it is {2.0 ** real[reliable - 1]:.2g}.")
    beyond = np.flatnonzero(real > most)
    if len(beyond):
        print(f"From order {beyond[0] + 1} on it is larger than those norms allow: so far from the truth "
              f"are {len(result['logs'])} directions there.")


def columns(result):
    """log2 of everything by order."""
    header = ["order", "log2 norm", *(f"direction {j}" for j in range(len(result["logs"]))), *result["sets"]]
    lines = [result["norms"], *result["logs"], *(x["logs"] for x in result["sets"].values())]
    return header, np.column_stack([np.arange(1, len(result["norms"]) + 1), *lines])


def draw(question, result, pyplot):
    """The norms by direction with their fit; the worst case beside real sets."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
    norms, reliable = result["norms"], result["windows"][0][1]
    orders = np.arange(1, len(norms) + 1)
    for j, line in enumerate(result["logs"]):
        left.plot(orders, line, color="C1", alpha=0.3, linewidth=0.8,
                  label="each direction" if j == 0 else None)
    left.plot(orders, norms, color="C1", linewidth=2, label=f"root mean square of {len(result['logs'])}")
    slope = result["fits"][NORMS][0][0]
    fitted = orders[:reliable]
    left.plot(fitted, norms[:reliable].mean() + slope * (fitted - fitted.mean()), "k--", linewidth=1.5,
              label=f"fit to order {reliable}: ratio {2.0 ** slope:.2f} an order")
    if reliable < len(orders):
        left.axvline(reliable + 0.5, color="k", linestyle=":", linewidth=0.8,
                     label="beyond, one direction rules the mean")
    left.set_title("estimated norms: the paper's Figure 1")
    left.set_ylabel(r"$\log_2 \|T_r\|$, nats per token")
    lines, size = [x["logs"] for x in result["sets"].values()], len(question.deleted)
    worst = allowed(norms, size)
    right.plot(orders[:reliable], worst[:reliable], color="C1", linewidth=2,
               label=f"worst case for {size} names, from the norms")
    right.plot(orders[reliable - 1:], worst[reliable - 1:], color="C1", linewidth=0.8, linestyle=":")
    for k, (what, line) in enumerate(zip(result["sets"], lines)):
        right.plot(orders, line, color=("k", *figures.SHADES[::2])[k], linewidth=1.8 if k == 0 else 1.0,
                   label=what)
    low = min(line.min() for line in lines)
    # room for the legend; the worst case may leave the picture
    right.set_ylim(1.6 * low, max(6.0, -0.3 * low))
    right.set_title("terms along real sets of names")
    right.set_ylabel(r"$\log_2 |T_r(1_D)|$, nats per token")
    for axes in (left, right):
        axes.set_xlabel("order r")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left", fontsize=9)
    figure.suptitle("Terms along real sets fall at first; along large sets they grow again")
    return figure


FIGURE = figures.Figure("figure1", __doc__, FULL, QUICK, {"directions": 1, "degree": 2}, compute, report,
                        columns, draw)

if __name__ == "__main__":
    harness.run(FIGURE.main)

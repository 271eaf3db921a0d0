"""python -m benchmarks.figure1: how fast the Taylor terms decay, order by order, up to degree 100.

The paper's Figure 1: log2 of the estimated norms |T_r| from random directions of the sphere, E |c_r|^2 = |T_r|^2 / C(n + r - 1, r);
the root mean square over directions first, then the logarithm. Stability says that sum_r B^r |T_r| converges for a B larger than the
square root of a set's size; from the decay fitted to the norms follows the largest B for which it can.

That is the worst case over all directions of space. Beside it: the terms along real deletion sets - all names with an 'x', and random
sets of 1%, 5% and 20% of the names, which fill up the last block of directions and cost nothing more. Bound and reality differ by
dozens of orders of magnitude, so nothing should be decided by the bound: deletion.stability looks along sets like these.
"""
import numpy as np

from deletion import given, mixture, sphere

from . import figures, harness
from .truth import random_sets

FULL, QUICK = {"directions": 12, "degree": 100}, {"directions": 4, "degree": 6}
SHARES = (0.01, 0.05, 0.2)
SHOWN = 10
"""Orders in the table: all up to this, then each tenth."""


def log_norms(coefficients, units):
    """log2 of C(n + r - 1, r)^(1/2) |c_r(psi_j)|, (m, p): the norm of T_r as each direction alone estimates it."""
    return log2(coefficients) + 0.5 * figures.log_binomials(units, coefficients.shape[1]) / np.log(2.0)


def log2(x):
    """log2 |x|; -inf of 0."""
    with np.errstate(divide="ignore"):
        return np.log2(np.abs(x))


def root_mean_square(logs):
    """log2 of the root mean square of 2^logs over the first axis, without leaving the range of numbers."""
    largest = logs.max(axis=0)
    return largest + 0.5 * np.log2(np.mean(4.0 ** (logs - largest), axis=0))


def decay(logs, first):
    """(slope, its standard error): of the line fitted to log2 |T_r| over the orders r = first .. p, in bits an order.

    logs (m, p) by direction; the error by leaving out each direction in turn (jackknife), NaN for a single one.
    """
    m, orders = len(logs), np.arange(first, logs.shape[1] + 1)

    def slope(some):
        return np.polyfit(orders, root_mean_square(some)[first - 1:], 1)[0]

    without = [slope(np.delete(logs, j, axis=0)) for j in range(m)] if m > 1 else [np.nan]
    return slope(logs), np.sqrt((m - 1.0) * np.var(without))


def found(question):
    """{'logs' (directions, p), 'norms' (p,) their root mean square, 'sets': {what: {'size', 'logs' (p,)}}, 'fits', ...}"""
    learner, n, options = question.learner, question.learner.unit_count, question.options
    sizes = sorted({max(1, round(share * n)) for share in SHARES})
    random = random_sets(learner.units, sizes, 1, np.random.SeedSequence(options.seed, spawn_key=(3,)))
    sets = {question.said: question.deleted} | {f"a random set of {size}": some for size, (some,) in random.items()}
    psi = mixture(sphere(options.directions, n, options.seed), given(learner.deletion_sets(list(sets.values())).dense(n)))
    measured, seconds = question.pushed(psi, options.degree, calibration=0)
    logs = log_norms(measured.coefficients[:options.directions], n)
    along = log2(measured.coefficients[options.directions:].real)
    first = max(options.degree // 2, 1)
    fits = {"norms, random directions": decay(logs, first)} | {what: decay(line[None], first) for what, line in zip(sets, along)}
    ratio = 2.0 ** fits["norms, random directions"][0]
    return {"logs": logs, "norms": root_mean_square(logs), "sets": {what: {"size": len(some), "logs": line} for (what, some), line in zip(sets.items(), along)},
            "first": first, "fits": fits, "largest_b": 1.0 / ratio, "pushing_seconds": seconds}


def report(question, result):
    """The tables."""
    degree, sets = len(result["norms"]), result["sets"]
    print(f"\nroot mean square over {len(result['logs'])} directions of the estimated norm |T_r|, and |T_r(1_D)| along real sets D, nats per token")
    rows = [[r, f"{2.0 ** result['norms'][r - 1]:.3g}", f"{result['norms'][r - 1]:.2f}", *(f"{2.0 ** x['logs'][r - 1]:.2g}" for x in sets.values())]
            for r in range(1, degree + 1) if r <= SHOWN or r % 10 == 0]
    print(harness.table(["order", "norm", "log2 norm", *sets], rows))
    print(f"\ndecay: line fitted to log2 over the orders {result['first']} to {degree}")
    print(harness.table(["", "bits an order", "+-", "ratio"], [[what, f"{slope:.4f}", "" if np.isnan(error) else f"{error:.4f}", f"{2.0 ** slope:.3f}"]
                                                               for what, (slope, error) in result["fits"].items()]))
    largest, size = result["largest_b"], len(question.deleted)
    real, allowed = sets[question.said]["logs"][-1], result["norms"][-1] + 0.5 * degree * np.log2(size)
    print(f"\nsum_r B^r |T_r| converges for B < {largest:.3f}: the worst case is bounded for sets of fewer than B^2 = {largest ** 2:.3g} names,\n"
          f"with the paper's B = 4 sqrt(d) of fewer than {(largest / 4.0) ** 2:.3g}. Along {question.said} it allows a term of order {degree} of "
          f"2^{allowed:.0f};\nreally that is 2^{real:.0f}." + (" The bound says nothing of any real set." if largest < 4.0 else ""))


def columns(result):
    """log2 of everything by order."""
    header = ["order", "log2 norm", *(f"direction {j}" for j in range(len(result["logs"]))), *result["sets"]]
    lines = [result["norms"], *result["logs"], *(x["logs"] for x in result["sets"].values())]
    return header, np.column_stack([np.arange(1, len(result["norms"]) + 1), *lines])


def draw(question, result, pyplot):
    """The norms by direction with their fit; the worst case beside real sets."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
    orders, norms, first = np.arange(1, len(result["norms"]) + 1), result["norms"], result["first"]
    for j, line in enumerate(result["logs"]):
        left.plot(orders, line, color="C1", alpha=0.3, linewidth=0.8, label="each direction" if j == 0 else None)
    left.plot(orders, norms, color="C1", linewidth=2, label=f"root mean square of {len(result['logs'])}")
    slope = result["fits"]["norms, random directions"][0]
    left.plot(orders[first - 1:], norms[first - 1:].mean() + slope * (orders[first - 1:] - orders[first - 1:].mean()), "k--", linewidth=1,
              label=f"fit: ratio {2.0 ** slope:.3f} an order")
    left.set_title("estimated norms: the paper's Figure 1")
    left.set_ylabel(r"$\log_2 \|T_r\|$, nats per token")
    lines = [x["logs"] for x in result["sets"].values()]
    right.plot(orders, norms + 0.5 * orders * np.log2(len(question.deleted)), color="C1", linewidth=2, label=f"worst case for {len(question.deleted)} names")
    for k, (what, line) in enumerate(zip(result["sets"], lines)):
        right.plot(orders, line, color=("k", *figures.SHADES[::2])[k], linewidth=1.8 if k == 0 else 1.0, label=what)
    low = min(line.min() for line in lines)
    right.set_ylim(low - 2, max(6.0, -0.3 * low))      # the worst case leaves the picture at once
    right.set_title("terms along real sets of names")
    right.set_ylabel(r"$\log_2 |T_r(1_D)|$, nats per token")
    for axes in (left, right):
        axes.set_xlabel("order r")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle("The worst case hardly decays; along the sets one asks about, terms do")
    return figure


FIGURE = figures.Figure("figure1", __doc__, FULL, QUICK, {"directions": 1, "degree": 2}, found, report, columns, draw)

if __name__ == "__main__":
    harness.run(FIGURE.main)

"""python -m benchmarks.figure3: predicting a deletion that the sketch knew nothing of, by the paper's
estimator and by ours.

The paper's Figure 3: 500 random directions of degree 3, then the loss had all training names with an 'x' not
been there. The paper draws directions from the sphere and takes the mean; ours, of as many directions, takes
the design `auto`, decoded by least squares, with intervals and a verdict calibrated on random sets. Neither
knew the names or the document; the truth is retrained.
"""
import numpy as np

from deletion import sphere
from deletion.directions.directions import draw as drawn
from deletion.directions.terms import log_binomials

from . import figures, harness
from .figure2 import DOWNWEIGHTS

FULL, QUICK = {"directions": 500, "degree": 3}, {"directions": 24, "degree": 3}
COLOURS = {"paper": "C1", "ours": "C0"}


def mean_terms(psi, coefficients, h):
    """(terms, errors), (p,) each: the paper's estimates of T_1(h) .. T_p(h), and one standard error of each.

        X_rj = C(n + r - 1, r) Re(s_j^r c_r(psi_j)),   s_j = sum_i conj(psi_ji) h_i;   error: std of X_r over
        directions / sqrt(m)

    psi (m, n) uniform on the complex unit sphere, coefficients (m, p) complex, h (n,) real.
    """
    (m, n), degree = psi.shape, coefficients.shape[1]
    orders, binomials = np.arange(1, degree + 1), np.exp(log_binomials(n, degree))
    each = binomials * ((psi.conj() @ h)[:, None] ** orders * coefficients).real
    return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(m)


def cumulated(terms):
    """The curves of degree 1 .. p at every downweight (11, p), from terms (p,) at the whole deletion; of
    errors their sums."""
    return np.cumsum(terms * DOWNWEIGHTS[:, None] ** np.arange(1, len(terms) + 1), axis=1)


def compute(question):
    """{'trained', 'retrained' (11,), 'paper': panel, 'ours': panel}.

    A panel: design, decoder, curves (11, p) and half-width of the band (11, p), NaN where there is none;
    seconds its blocks took.
    """
    learner, options = question.learner, question.options
    m, p, seed = options.directions, options.degree, options.seed
    measured, seconds = question.pushed(sphere(m, learner.unit_count, seed), p, calibration=0)
    terms, errors = mean_terms(measured.directions.psi, measured.coefficients, question.downweight)
    trained, truth = float(measured.value), question.retrained(DOWNWEIGHTS)
    paper = {"design": "sphere", "decoder": "mean", "band_is": "1 standard error",
             "curves": trained + cumulated(terms), "band": cumulated(errors), "pushing_seconds": seconds}
    measured, seconds = question.pushed(drawn("auto", m, learner, p, seed), p)
    many = measured.curve(question.deleted, 1.0 - DOWNWEIGHTS)
    band = np.full((len(DOWNWEIGHTS), p), np.nan)
    band[:, -1] = (many.interval[1] - many.interval[0]) / 2.0
    ours = {"design": measured.directions.design, "decoder": many.decoder, "band_is": "95% interval",
            "curves": np.cumsum(many.terms, axis=1)[:, 1:], "band": band, "pushing_seconds": seconds,
            "verdict": many.verdict[-1], "reasons": many.reasons[-1]}
    return {"trained": trained, "retrained": truth, "paper": paper, "ours": ours}


def report(question, result):
    """The tables."""
    truth, m, trained = result["retrained"], question.options.directions, result["trained"]
    print(f"\nloss on {question.document!r}, nats per token, had {question.description} not been there: "
          f"{truth[-1]:.4f} retrained, {trained:.4f} as trained")
    rows = []
    for panel in (result["paper"], result["ours"]):
        for p, (value, half) in enumerate(zip(panel["curves"][-1], panel["band"][-1]), 1):
            band = "" if np.isnan(half) else f"+- {half:.4f}"
            inside = "" if np.isnan(half) else "yes" if abs(value - truth[-1]) <= half else "no"
            rows.append([f"{panel['design']}, {panel['decoder']}", m, p, f"{value:.4f}",
                         f"{value - truth[-1]:+.4f}",
                         f"{abs((value - truth[-1]) / (truth[-1] - trained)):.0%}", band,
                         panel["band_is"] if band else "", inside])
    print(harness.table(["estimator", "directions", "degree", "predicted", "error", "of the change", "band",
                         "which is", "holds the truth"], rows))
    print(f"verdict of ours: {result['ours']['verdict']} ({'; '.join(result['ours']['reasons'])})")


def columns(result):
    """The curves of both estimators and their bands."""
    header, columns = ["downweight", "retrained"], [DOWNWEIGHTS, result["retrained"]]
    for name in COLOURS:
        for p in range(result[name]["curves"].shape[1]):
            header += [f"{name}, degree {p + 1}", f"{name}, degree {p + 1}, band"]
            columns += [result[name]["curves"][:, p], result[name]["band"][:, p]]
    return header, np.column_stack(columns)


def draw(question, result, pyplot):
    """The two estimators side by side, on one scale."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained", sharey=True)
    ours = result["ours"]
    titles = {"paper": "the paper: mean over the sphere",
              "ours": f"ours: {ours['design']}, {ours['decoder']}; verdict: {ours['verdict']}"}
    for axes, (name, title) in zip(panels, titles.items()):
        curves, band, colour = result[name]["curves"], result[name]["band"], COLOURS[name]
        last = curves.shape[1] - 1
        for p in range(last + 1):
            axes.plot(DOWNWEIGHTS, curves[:, p], color=colour, alpha=0.4 + 0.6 * p / max(last, 1),
                      linestyle="-" if p == last else ("--", ":")[p % 2], linewidth=2.0 if p == last else 1.3,
                      label=f"predicted, degree {p + 1}")
            if not np.isnan(band[-1, p]):
                axes.fill_between(DOWNWEIGHTS, curves[:, p] - band[:, p], curves[:, p] + band[:, p],
                                  color=colour, alpha=0.15, linewidth=0,
                                  label=result[name]["band_is"] if p == last else None)
        axes.plot(DOWNWEIGHTS, result["retrained"], "ko", markersize=4, zorder=3, label="retrained")
        axes.set_title(title)
        axes.set_xlabel(f"downweight of {question.description}\n(0: as trained, 1: deleted)")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    panels[0].set_ylabel(f"loss on {question.document!r}, nats per token")
    figure.suptitle(f"{question.options.directions} random directions, made before anyone asked about "
                    f"{question.description}")
    return figure


FIGURE = figures.Figure("figure3", __doc__, FULL, QUICK, {"directions": 2, "degree": 1}, compute, report,
                        columns, draw)

if __name__ == "__main__":
    harness.run(FIGURE.main)

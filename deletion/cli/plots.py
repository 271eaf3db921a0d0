"""Pictures of what the command line prints, where matplotlib is installed."""
import numpy as np

from ..learner.learner import LearnerError


def drawing(path):
    """(axes, save) of a new picture."""
    try:
        import matplotlib
    except ImportError:
        raise LearnerError(
            "--plot needs matplotlib: pip install -e '.[plot]' in the project's folder") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7.5, 4.8), layout="constrained")

    def save():
        axes.grid(alpha=0.3)
        axes.legend()
        try:
            figure.savefig(path, dpi=120)
        except ValueError as error:      # a kind of file it does not know
            raise LearnerError(f"cannot draw {path}: {error}") from None
        finally:
            pyplot.close(figure)

    return axes, save


def by_measurement(rows):
    """{measurement: its rows}, in order."""
    return {label: [row for row in rows if row["measurement"] == label]
            for label in dict.fromkeys(row["measurement"] for row in rows)}


def orders(rows, meaning, path):
    """How large each order is, for every measurement."""
    axes, save = drawing(path)
    for row in rows:
        axes.semilogy(np.arange(1, len(row["sizes"]) + 1), row["sizes"], "o-", label=row["measurement"])
    axes.set_xlabel("order r")
    axes.set_ylabel(meaning)
    axes.xaxis.get_major_locator().set_params(integer=True)
    save()


def bars(rows):
    """((2, rows): how far bars reach below and above each prediction, what they are).

    They are the intervals of the table, or standard errors where there are no intervals.
    """
    if any(row["interval"] is None for row in rows):
        return np.array([[row["standard_error"] for row in rows]] * 2), "one standard error"
    low, high = np.transpose([row["interval"] for row in rows])
    predicted = np.array([row["predicted"] for row in rows])
    return np.array([predicted - low, high - predicted]), f"{rows[0]['level']:.0%} interval"


def predictions(rows, path):
    """The predicted change of every set, with its interval."""
    axes, save = drawing(path)
    for number, (label, here) in enumerate(by_measurement(rows).items()):
        axes.errorbar([row["change"] for row in here], np.arange(len(here)) + 0.1 * number,
                      xerr=bars(here)[0], fmt="o", capsize=3, label=label)
    axes.set_yticks(range(len(here)), [row["set"] for row in here])
    axes.axvline(0.0, color="k", linewidth=0.8)
    axes.set_xlabel(f"predicted change (bars: {bars(rows)[1]})")
    save()


def validation(rows, path):
    """Predicted against true change."""
    axes, save = drawing(path)
    for label, here in by_measurement(rows).items():
        axes.errorbar([row["retrained"] - row["trained"] for row in here], [row["change"] for row in here],
                      bars(here)[0], fmt="o", capsize=3, label=label)
    axes.axline((0.0, 0.0), slope=1.0, color="k", linewidth=0.8, label="exact")
    axes.set_xlabel("change by exact retraining")
    axes.set_ylabel(f"predicted change (bars: {bars(rows)[1]})")
    save()

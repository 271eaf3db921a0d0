"""Pictures of what the command line prints, if matplotlib is installed."""
import numpy as np

from circuit.errors import LearnerError


def drawing(path):
    """The axes of a new picture, and the function that saves it."""
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
        except ValueError as error:      # a kind of file that matplotlib does not know
            raise LearnerError(f"cannot draw {path}: {error}") from None
        finally:
            pyplot.close(figure)

    return axes, save


def by_measurement(rows):
    """{measurement: its rows}, in the order of the rows."""
    return {label: [row for row in rows if row["measurement"] == label]
            for label in dict.fromkeys(row["measurement"] for row in rows)}


def orders(rows, meaning, path):
    """Draw the size of each order, for every measurement."""
    axes, save = drawing(path)
    for row in rows:
        axes.semilogy(np.arange(1, len(row["sizes"]) + 1), row["sizes"], "o-", label=row["measurement"])
    axes.set_xlabel("order r")
    axes.set_ylabel(meaning)
    axes.xaxis.get_major_locator().set_params(integer=True)
    save()


def bars(rows):
    """The lengths (2, rows) of the bars below and above each prediction, and what they show.

    They show the intervals of the table, or standard errors if there are no intervals.
    """
    if any(row["interval"] is None for row in rows):
        return np.array([[row["standard_error"] for row in rows]] * 2), "one standard error"
    low, high = np.transpose([row["interval"] for row in rows])
    predicted = np.array([row["predicted"] for row in rows])
    return np.array([predicted - low, high - predicted]), f"{rows[0]['level']:.0%} interval"


def predictions(rows, path):
    """Draw the predicted change of every set, with its interval."""
    axes, save = drawing(path)
    groups = by_measurement(rows)
    for number, (label, group) in enumerate(groups.items()):
        axes.errorbar([row["change"] for row in group], np.arange(len(group)) + 0.1 * number,
                      xerr=bars(group)[0], fmt="o", capsize=3, label=label)
    sets = [row["set"] for row in next(iter(groups.values()))]      # the same for every measurement
    axes.set_yticks(range(len(sets)), sets)
    axes.axvline(0.0, color="k", linewidth=0.8)
    axes.set_xlabel(f"predicted change (bars: {bars(rows)[1]})")
    save()


def validation(rows, path):
    """Draw the predicted against the true change."""
    axes, save = drawing(path)
    for label, group in by_measurement(rows).items():
        axes.errorbar([row["retrained"] - row["trained"] for row in group], [row["change"] for row in group],
                      bars(group)[0], fmt="o", capsize=3, label=label)
    axes.axline((0.0, 0.0), slope=1.0, color="k", linewidth=0.8, label="exact")
    axes.set_xlabel("change by exact retraining")
    axes.set_ylabel(f"predicted change (bars: {bars(rows)[1]})")
    save()

"""The pictures of `benchmarks.compare`: error against cost with a name at every dot, and predicted against
retrained changes."""
from typing import NamedTuple

import numpy as np

LEAST_ERROR, LARGEST_ERROR = 1e-3, 10.0
"""Errors outside of these are drawn at the edge, as triangles: nobody needs to tell them apart."""

LEAST_COST = 1e-4
"""In trainings: cheaper answers are drawn here."""

COLOURS = {"reference": "0.4", "sketch": "C3", "models": "C4", "first order": "C0", "second order": "C2",
           "unlearning": "C1"}

FONT = 8
"""Points of the names at the dots."""

MOST_PREDICTED = 4
"""Methods whose predictions are drawn beside each other."""


class Dot(NamedTuple):
    """A method on one learner.   cost: of a deletion set, in trainings;   error: at 5% deleted."""
    method: str
    family: str
    cost: float
    error: float


class Box(NamedTuple):
    """A rectangle on the screen, in pixels."""
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other):
        return (self.left < other.right and other.left < self.right and self.bottom < other.top
                and other.bottom < self.top)

    def inside(self, other):
        return (other.left <= self.left and self.right <= other.right and other.bottom <= self.bottom
                and self.top <= other.top)


# names at the dots ------------------------------------------------------------------------------------------

def offsets(width, height):
    """Where a name's lower left corner may stand, in pixels from its dot: beside it, above and below, then
    farther away."""
    for distance in (6.0, 18.0, 30.0, 42.0, 54.0, 66.0, 78.0, 90.0):
        for up in (-0.5 * height, distance, -distance - height):
            beside = 9.0 if up == -0.5 * height else 3.0
            yield from ((beside + distance - 6.0, up), (-width - beside - distance + 6.0, up))
        yield from ((-0.5 * width, distance), (-0.5 * width, -distance - height))


def places(points, sizes, frame, taken):
    """Lower left corners of names (pixels) that stand at points without covering a dot, another name or what
    is taken already.

    A name for which there is no room goes to the right of its dot, whatever is there.
    """
    taken = [*taken, *(Box(x - 6.0, y - 6.0, x + 6.0, y + 6.0) for x, y in points)]
    corners = []
    for (x, y), (width, height) in zip(points, sizes):
        for right, up in [*offsets(width, height), (9.0, -0.5 * height)]:
            box = Box(x + right, y + up, x + right + width, y + up + height)
            if box.inside(frame) and not any(box.meets(other) for other in taken):
                break
        taken.append(box)
        corners.append((box.left, box.bottom))
    return corners


def name_dots(axes, dots, positions):
    """Write each method's name at its dot, with a thin line where the name had to move away."""
    scale = axes.figure.dpi / 72.0
    points = axes.transData.transform(positions)
    sizes = [(0.58 * FONT * scale * len(dot.method), 1.15 * FONT * scale) for dot in dots]
    corners = places(points, sizes, Box(*axes.get_window_extent().extents),
                     [Box(*text.get_window_extent().extents) for text in axes.texts])
    for dot, position, point, (width, height), corner in zip(dots, positions, points, sizes, corners):
        right, up = (corner - point) / scale
        beside = abs(up + 0.5 * height / scale) < 16.0 and -width / scale - 12.0 < right < 12.0
        nearest = np.clip((point - corner) / (width, height), 0.0, 1.0)
        line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4,
                "relpos": tuple(nearest)}
        axes.annotate(dot.method, position, xytext=(right, up), textcoords="offset points", fontsize=FONT,
                      color=COLOURS[dot.family], arrowprops=None if beside else line, in_layout=False)


# error against cost -----------------------------------------------------------------------------------------

def draw_costs(pyplot, title, panels):
    """Error at 5% against cost: a panel per learner, a named dot per method.   panels: {learner: [Dot]}."""
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(lines, columns, figsize=(6.6 * columns, 4.7 * lines + 0.8),
                                   layout="constrained", squeeze=False)
    for axes in grid.ravel()[len(panels):]:
        axes.axis("off")
    positions = {}
    for axes, (learner, dots) in zip(grid.ravel(), panels.items()):
        positions[learner] = [(max(dot.cost, LEAST_COST), min(max(dot.error, LEAST_ERROR), LARGEST_ERROR))
                              for dot in dots]
        for dot, (x, y) in zip(dots, positions[learner]):
            marker = "^" if y == LARGEST_ERROR else "v" if y == LEAST_ERROR else "o"
            axes.loglog(x, y, marker, color=COLOURS[dot.family], markersize=6)
        prepare(axes, positions[learner], learner)
    families = [f for f in COLOURS if any(dot.family == f for dots in panels.values() for dot in dots)]
    marks = [pyplot.Line2D([], [], marker="o", linestyle="", color=COLOURS[family]) for family in families]
    figure.legend(marks, families, loc="outside lower center", ncols=len(families), frameon=False)
    figure.suptitle(title)
    figure.draw_without_rendering()      # the layout decides how many pixels there are for names
    for axes, (learner, dots) in zip(grid.ravel(), panels.items()):
        name_dots(axes, dots, positions[learner])
    return figure


def prepare(axes, positions, learner):
    """Limits with room for names, the two lines of reference, and labels."""
    (left, low), (right, high) = np.min(positions, axis=0), np.max(positions, axis=0)
    right, high = max(right, 1.0), max(high, 1.0)
    axes.set_xlim(left / 2.0, right * (right / left) ** 0.2)
    axes.set_ylim(low / (high / low) ** 0.15, high * (high / low) ** 0.2)
    axes.axhline(1.0, color="0.7", linewidth=0.8)
    axes.axvline(1.0, color="0.7", linewidth=0.8)
    note = {"fontsize": 7, "color": "0.45", "textcoords": "offset points"}
    axes.annotate("as good as predicting no change", (1.0, 1.0), xycoords=("axes fraction", "data"),
                  xytext=(-4, 3), ha="right", **note)
    axes.annotate("one training", (1.0, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -4), va="top",
                  **note)
    if low == LEAST_ERROR:
        axes.annotate(f"triangles: error below {LEAST_ERROR:g}", (0.0, 0.0), xycoords="axes fraction",
                      xytext=(4, 4), **note)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(title=learner, xlabel="cost of one deletion set, in trainings",
             ylabel="error when 5% of the examples are deleted")
    axes.grid(alpha=0.25)


# predicted against retrained --------------------------------------------------------------------------------

def draw_predictions(pyplot, contest, results):
    """Predicted against retrained change of one learner's measurements, for the random 5% sets."""
    preferred = ("sketch", "metagradient", "influence, Gauss-Newton", "rewind 1/2", "gradient ascent",
                 "Newton step", "natural gradient")
    names = [m for m in preferred if m in results and not results[m].reason][:MOST_PREDICTED]
    names = names or [m for m in results if not results[m].reason][-MOST_PREDICTED:]
    figure, panels = pyplot.subplots(1, len(names), figsize=(3.6 * len(names), 3.8), layout="constrained",
                                     squeeze=False, sharex=True)
    span = np.abs(contest.change["5%"]).max() * 1.05
    for axes, name in zip(panels[0], names):
        predicted = results[name].change["5%"]
        axes.plot(contest.change["5%"][:len(predicted)].ravel(), predicted.ravel(), ".", markersize=3,
                  color="C3" if name == "sketch" else "C0")
        axes.axline((0.0, 0.0), slope=1.0, color="k", linewidth=0.8)
        axes.set(xlim=(-span, span), ylim=(-1.5 * span, 1.5 * span), xlabel="change by retraining, nats",
                 title=name)
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("predicted change, nats")
    figure.suptitle(f"{contest.name}: losses of held-out examples, random 5% deleted")
    return figure

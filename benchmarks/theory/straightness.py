"""python -m benchmarks.straightness: how straight is the path from the trained parameters to the retrained
ones?

theta(eps) are the parameters that training reaches when a deletion set has the weight eps. The path begins at
eps = 1 with the velocity theta-dot(1), which the trained model knows and influence follows, and ends at
eps = 0 with theta-dot(0), which only the retrained model knows. Both, and theta-ddot, are coefficients of one
push of degree 2 along the set, at weights that leave it eps.

slopes       the angle between the two velocities, their lengths, |theta-dot(1) - theta-dot(0)| beside its
             bound sup |theta-ddot|, and the error of first order beside half of that: four learners
columns      the Jacobian of the trained parameters in the weights: a group's velocity is the sum of its
             members' columns, at first order and at no other
continuity   training from two starts that are beta apart: how far apart it ends, beside the bound
             e^(L t) beta, L being the largest curvature that is met on the way
"""
import numpy as np

from circuit import evaluate, gradient
from deletion import Objective, precompute, retrain
from deletion.curvature.eigenvalues import eigenvalue_range
from deletion.influence import metagradient
from microgpt import names

from . import harness
from .learners import breast_cancer, diabetes, digits
from .truth import random_sets

SHARE = 0.05
"""Of the units, in a set that is more than one unit."""

SEED = 1
"""Of the random sets and starts."""


ROUNDED = 1e-10
"""Distances below this share of beta are rounding."""


# velocities along the path ----------------------------------------------------------------------------------

def derivatives(learner, h, eps):
    """theta, theta-dot and theta-ddot (parameters,) at the weight eps of what h (units,) deletes.

    Weights are 1 - (1 - eps) h - t h: eps falls as t grows, so odd orders change their sign, and the
    coefficient of t^2 is half of the second derivative.
    """
    sketch = precompute(learner, [h], 2, downweight=(1.0 - eps) * h, calibration=0, progress=False)
    first, second = sketch.blocks[0][:, :, 0, 0].T
    return sketch.theta, -first, 2.0 * second


def angle(a, b):
    """Degrees between two vectors."""
    return float(np.degrees(np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0))))


def straightness(learner, h, points):
    """One set's numbers; lengths of derivatives are relative to |theta-dot(1)|, errors to the movement."""
    theta, velocity, bend = map(np.array, zip(*(derivatives(learner, h, eps)
                                                for eps in np.linspace(1.0, 0.0, points))))
    bends, speed = np.linalg.norm(bend, axis=1), np.linalg.norm(velocity, axis=1)
    moved = np.linalg.norm(theta[-1] - theta[0])
    return {"angle": angle(velocity[0], velocity[-1]), "faster": speed[-1] / speed[0],
            "apart": np.linalg.norm(velocity[-1] - velocity[0]) / speed[0],
            "bend at 1": bends[0] / speed[0], "largest bend": bends.max() / speed[0],
            "error": np.linalg.norm(theta[0] - velocity[0] - theta[-1]) / moved,
            "error's bound": 0.5 * bends.max() / moved}


def sets_of(learner, count):
    """{"one unit", "5%": downweights (count, units)}."""
    sizes = {"one unit": 1, f"{SHARE:.0%}": round(SHARE * learner.unit_count)}
    drawn = random_sets(learner.units, sizes.values(), count, SEED)
    return {name: learner.deletion_sets(drawn[size]).dense(learner.unit_count)
            for name, size in sizes.items()}


def small_learners(quick):
    """Learners small enough to be pushed at many weights."""
    if quick:
        return {"least squares": diabetes(100, 40), "microgpt": names(steps=40)}
    return {"least squares": diabetes(), "logistic regression": breast_cancer(200),
            "digits network": digits(300, 16, 10), "microgpt": names(steps=300)}


# a column for each unit -------------------------------------------------------------------------------------

def columns(learner):
    """The Jacobian (parameters, units) of the trained parameters in the units' weights at 1.

    Its column j is theta-dot(1) of unit j alone. The direction e_a + i e_b carries two columns, one in the
    real and one in the imaginary part.
    """
    units = np.arange(learner.unit_count)
    psi = np.zeros((-(-len(units) // 2), len(units)), complex)
    psi[units // 2, units] = 1j ** (units % 2)
    sketch = precompute(learner, psi, 1, calibration=0, progress=False)
    first = [block[:, 0].transpose(0, 2, 1).reshape(len(block), -1) for block in sketch.blocks]
    return -np.concatenate(first, axis=1)[:, units]


def additivity(learner, count):
    """How far sums over members are from the group's own: {order or movement: relative distances (count,)}.

    second order   theta-ddot(1), of which the members' own are the diagonal, the rest interactions
    movement       of retraining, each member alone against all of them together
    """
    jacobian, result = columns(learner), {"first order": [], "second order": [], "movement": []}
    for h in sets_of(learner, count)[f"{SHARE:.0%}"]:
        members = np.eye(len(h))[h > 0.0]
        group = derivatives(learner, h, 1.0)
        alone = sum(derivatives(learner, one, 1.0)[2] for one in members)
        moved = retrain(learner, weights=1.0 - np.vstack([h, members]), progress=False) - group[0]
        for what, whole, parts in (("first order", group[1], jacobian @ h), ("second order", group[2], alone),
                                   ("movement", moved[0], moved[1:].sum(axis=0))):
            result[what].append(np.linalg.norm(parts - whole) / np.linalg.norm(whole))
    return jacobian, {what: np.array(distances) for what, distances in result.items()}


def off_metagradient(learner, jacobian, phi):
    """How far J^T grad phi is from the derivative of phi in the weights by reverse mode, relative to it."""
    slope = evaluate(gradient(learner.measurement(phi), wrt=[0]), [learner.trained])[1]
    pulled = metagradient(learner, phi, progress=False).gradient
    return float(np.linalg.norm(slope @ jacobian - pulled) / np.linalg.norm(pulled))


# from two starts --------------------------------------------------------------------------------------------

def descend(objective, theta, weights, rate, steps):
    """The parameters (steps + 1, parameters) of gradient descent along the mean loss of weighted examples."""
    path = [theta]
    for _ in range(steps):
        path.append(path[-1] - rate / objective.count * objective.gradient(path[-1], weights))
    return np.array(path)


def curvature(objective, theta, weights):
    """(smallest, largest) eigenvalue of the Hessian of the mean loss."""
    return eigenvalue_range(lambda v: objective.products(theta, v, weights) / objective.count, objective.size)


def drift(learner, weights, eta, steps, starts, beta=1e-3):
    """How far training from starts beta apart drifts, in units of beta, at each of `steps`; and two bounds.

    The rate is eta / L_0, L_0 being the largest curvature at the start. The Hessian's extreme eigenvalues are
    computed at 6 of the steps. L is the largest of them in modulus. For starts that are near each other, one
    step moves them apart by the factor max |1 - rate eigenvalue| at most.
    """
    objective, rng = Objective(learner), np.random.default_rng(SEED)
    theta = learner.layout.initial
    rate = eta / max(map(abs, curvature(objective, theta, weights)))
    path = descend(objective, theta, weights, rate, max(steps))
    met = np.array([curvature(objective, path[k], weights)
                    for k in np.linspace(0, max(steps), 6).astype(int)])
    away = rng.normal(size=(starts, len(theta)))
    away *= beta / np.linalg.norm(away, axis=1, keepdims=True)
    ends = [np.linalg.norm(descend(objective, theta + v, weights, rate, max(steps)) - path, axis=1) / beta
            for v in away]
    largest, factor = np.abs(met).max(), np.abs(1.0 - rate * met).max()
    return [{"steps": k, "L t": largest * rate * k, "measured": max(end[k] for end in ends),
             "by the step": factor ** k, "exponential": np.exp(largest * rate * k)} for k in steps]


# what is printed --------------------------------------------------------------------------------------------

def print_slopes(options):
    """The velocity at the beginning of the path against that at its end."""
    count, points = (2, 3) if options.quick else (6, 9)
    rows, results = [], {}
    for name, learner in small_learners(options.quick).items():
        for size, sets in sets_of(learner, count).items():
            each = [straightness(learner, h, points) for h in sets]
            half = {key: float(np.median([row[key] for row in each])) for key in each[0]}
            results[f"{name}, {size}"] = half
            rows.append([name, size, f"{half['angle']:.1f}", f"{max(row['angle'] for row in each):.1f}",
                         *(f"{half[key]:.3f}" for key in list(half)[1:])])
    print(f"medians over {count} random sets; sup of theta-ddot over {points} weights; all but angles and "
          "errors relative to |theta-dot(1)|")
    print(harness.table(["learner", "deleted", "angle", "largest", "|dot(0)|", "|dot(0) - dot(1)|",
                         "|ddot(1)|", "sup |ddot|", "first order's error", "its bound"], rows))
    return results


def print_columns(options):
    """A group's velocity is the sum of its members' columns."""
    count, rows, results = 2 if options.quick else 6, [], {}
    for name, learner in small_learners(options.quick).items():
        jacobian, off = additivity(learner, count)
        phi = learner.loss_on("rufus" if name == "microgpt" else 0)
        results[name] = {what: float(np.median(distances)) for what, distances in off.items()}
        results[name]["metagradient"] = off_metagradient(learner, jacobian, phi)
        rows.append([name, *(f"{x:.1e}" for x in results[name].values())])
    print(f"{count} random groups of {SHARE:.0%}: |sum over members - group| / |group|, medians; and J^T "
          "grad phi for a held-out loss phi, off the metagradient")
    print(harness.table(["learner", "theta-dot(1)", "theta-ddot(1)", "movement by retraining",
                         "J^T grad phi"], rows))
    return results


def print_continuity(options):
    """Two starts a distance beta apart: where training leads them, beside e^(L t) beta."""
    learners = {"least squares": diabetes(100), "logistic regression": breast_cancer(100)}
    if not options.quick:
        learners |= {"digits network": digits(100, 4), "microgpt": names(steps=30)}
    steps, starts = ([10, 30], 2) if options.quick else ([10, 100], 4)
    rows, results = [], {}
    for name, learner in learners.items():
        weights = 1.0 - sets_of(learner, 1)[f"{SHARE:.0%}"][0]
        for eta in (0.1, 1.0):
            for row in drift(learner, weights, eta, steps, starts):
                seen = max(row["measured"], ROUNDED)
                row["orders"] = float(np.log10(row["exponential"] / seen))
                results[f"{name}, rate {eta} / L_0, {row['steps']} steps"] = row
                sign = "< " if row["measured"] < ROUNDED else ""
                rows.append([name, eta, row["steps"], f"{row['L t']:.1f}", f"{sign}{seen:.2g}",
                             f"{row['by the step']:.2g}", f"{row['exponential']:.1g}",
                             f"{row['orders']:.1f}"])
    print(f"gradient descent without {SHARE:.0%}; the farthest of {starts} random starts; distances in units "
          "of beta")
    print(harness.table(["learner", "rate x L_0", "steps", "L t", "measured", "step by step", "e^(L t)",
                         "orders too large"], rows))
    return results


PARTS = {"slopes": print_slopes, "columns": print_columns, "continuity": print_continuity}


def main():
    options = harness.parser("straightness", __doc__, PARTS, quick=None, json=None).parse_args()
    results = harness.parts(PARTS, options)
    harness.write_json(options.json, ["scikit-learn"], **results)
    return 0


if __name__ == "__main__":
    harness.run(main)

"""python -m benchmarks.trust: is the honest word honest? Verdicts against retraining over many settings, and learners built to fail.

microgpt at several learning rates and values of Adam's eps, several sizes of set: of the predictions that were trusted, how many lay
outside their stated 95% interval? Then learners on which the answer must be "do not trust".
"""
import numpy as np

from circuit import relu
from deletion import Adam, Learner, LinearDecay, Momentum, precompute, stability
from microgpt import names

from . import harness
from .truth import Bank, Several, error, random_sets

RATES, EPSILONS, SHARES = (0.003, 0.01, 0.02, 0.05), (1e-8, 1e-5, 1e-3), (0.01, 0.05, 0.2)


def sweep(options):
    """A row per learning rate, eps and size: {'rate', 'eps', 'size', 'error', 'trusted', 'outside', ...}."""
    rows = []
    for rate in RATES:
        for eps in EPSILONS:
            learner = names(options.names, steps=options.steps, optimizer=Adam(LinearDecay(rate), 0.85, 0.99, eps))
            documents = np.random.default_rng(0).choice(learner.held_out, options.documents, replace=False)
            measure = Several(tuple(learner.loss_on(str(name)) for name in documents))
            measured = precompute(learner, options.steps // 2, 3).measure(measure)
            for share in SHARES:
                size = max(1, round(share * learner.unit_count))
                sets = random_sets(learner.units, [size], options.sets, 5)[size]
                true, many = Bank(learner).values(sets, measure), measured.predict_many(sets)
                if many.interval is None:
                    outside = np.ones(true.shape, bool)
                else:
                    outside = (true < many.interval[0]) | (many.interval[1] < true)
                trusted = np.array([verdict == "trust" for verdict in many.verdict])
                rows.append({"rate": rate, "eps": eps, "size": size, "error": error(many.change, true - measured.value),
                             "trusted": float(trusted.mean()), "outside": float(outside[trusted].mean()) if trusted.any() else 0.0,
                             "verdict": max(set(many.verdict), key=many.verdict.count)})
    return rows


def square(output, w, x, y):
    return (output(w, x) - y) ** 2


def kinked(w, x):
    return relu(x @ w["w1"]) @ w["w2"]


def built_to_fail():
    """{name: (learner, measurement, size)}: what must not be trusted."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    network = {"w1": rng.normal(size=(3, 8)), "w2": rng.normal(size=8) / 2}
    schedule = np.concatenate([rng.permutation(60).reshape(-1, 10) for _ in range(20)])

    def kinked_loss(w, x, y):
        return square(kinked, w, x, y)

    def at_a_point(w):
        return kinked(w, np.array([[0.5, -1.0, 1.0]]))[0]
    fast = names(steps=200, optimizer=Adam(LinearDecay(0.1), 0.85, 0.99, 1e-3))
    sharp = names(steps=200, optimizer=Adam(LinearDecay(0.02), 0.85, 0.99, 1e-8))
    return {"large learning rate": (fast, fast.loss_on("rufus"), 20), "Adam's eps at 1e-8": (sharp, sharp.loss_on("rufus"), 20),
            "ReLU kinks crossed": (Learner(network, list(zip(x, y)), kinked_loss, Momentum(0.02), schedule), at_a_point, 3)}


def main():
    parser = harness.parser("trust", __doc__, names=None, steps=200, json=None)
    parser.add_argument("--sets", type=int, default=50, help="random sets of each size")
    parser.add_argument("--documents", type=int, default=5)
    options = parser.parse_args()
    rows = sweep(options)
    print(f"{harness.machine()}; {options.steps} names, {options.steps // 2} directions of degree 3, {options.sets} sets of each size")
    print(harness.table(["learning rate", "eps", "set size", "error", "trusted", "outside of those", "most frequent verdict"],
                        [[r["rate"], f"{r['eps']:.0e}", r["size"], f"{r['error']:.3f}", f"{r['trusted']:.0%}", f"{r['outside']:.1%}", r["verdict"]]
                         for r in rows]))
    weight = np.array([r["trusted"] for r in rows])
    false = float((weight * [r["outside"] for r in rows]).sum() / max(weight.sum(), 1e-300))
    print(f"\n{len(rows)} settings; of the trusted predictions {false:.1%} lie outside their 95% interval\n")
    failing = {}
    for name, (learner, measure, size) in built_to_fail().items():
        sketch = precompute(learner, max(32, learner.unit_count // 2), 3)
        found = stability(sketch, measure, size)
        rng = np.random.default_rng(1)
        said = sketch.measure(measure).predict([learner.units[i] for i in rng.choice(learner.unit_count, size, replace=False)])
        failing[name] = {"stability": found.verdict, "predict": said.verdict}
        print(f"{name}: predict says {said.verdict!r} ({said.reasons[0]}); stability says {found}\n")
    harness.write_json(options.json, rows=rows, false_trust=false, failing=failing)
    return 0


if __name__ == "__main__":
    harness.run(main)

"""python -m benchmarks.uses: what knowing every example's influence is good for, beside plain rivals.

labels    wrong labels: does self-influence find them better than the loss itself does?
choose    choosing data: test loss when the most valuable examples by every score are left out, or come first
weights   soft weights that repair a rare class, chosen by gradients through the training
examples  the most and the least informative examples, predicted and retrained

Every score of an example is made from training and validation data; what is reported is measured on test data
after an exact retraining, for several seeds (of the split, the initial parameters and the schedule).
"""
from circuit.checks import whole_number

from . import harness
from .choosing import choose, draw
from .informative import examples
from .repairing import weights
from .wrong_labels import labels

PARTS = {"labels": labels, "choose": choose, "weights": weights, "examples": examples}


def main():
    parser = harness.parser("uses", __doc__, seed=0, quick=None, out="results")
    parser.add_argument("--part", nargs="+", dest="parts", default=[], metavar="PART",
                        help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--trials", type=int, default=5, help="seeds, from --seed on (default %(default)s)")
    parser.add_argument("--orders", type=int, default=30,
                        help="random orders of Shapley values (default %(default)s)")
    options = parser.parse_args()
    options.count = None
    whole_number(options.trials, "the number of seeds (--trials)", 1)
    whole_number(options.orders, "the number of orders (--orders)", 2)
    if options.quick:
        options.trials, options.orders, options.count = 1, 2, 60
    options.seeds = range(options.seed, options.seed + options.trials)
    folder = harness.output_folder(options.out)
    print(f"{harness.machine()}; mean ± standard deviation over seeds {options.seeds[0]} to "
          f"{options.seeds[-1]}")
    results, worked = harness.core_seconds(lambda: harness.parts(PARTS, options))
    print(f"\n{worked:.0f} core seconds")
    harness.write_json(folder / "uses.json", ["scikit-learn"], **results)
    if "choose" in results:
        harness.pictures(folder, uses=lambda pyplot: draw(pyplot, results["choose"]))
    return 0


if __name__ == "__main__":
    harness.run(main)

"""python -m benchmarks.whole_list: a whole list of names in one pass, from a cold start to many answers.

A finite step at the full weights, then the changes of every document's loss for random sets of 1%, 5% and
20%, in turn. Seconds count from the start of the script; nothing is retrained.
"""
import time

import numpy as np

from deletion.influence import metagradient
from microgpt import names

from . import harness
from .truth import Several
from .ways import SHARES

TOGETHER = 100
"""Sets that are predicted at once: their downweights take memory."""


def main():
    parser = harness.parser("whole_list", __doc__, names=None, steps=5000, quick=None, json=None)
    parser.add_argument("--seed", type=int, default=2026, help="of the training, documents and sets")
    parser.add_argument("--sets", type=int, default=10000, help="to answer (default %(default)s)")
    parser.add_argument("--documents", type=int, default=20, help="measurements (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.sets, options.documents = 120, 300, 3
    begin = time.perf_counter()
    learner, rng = names(options.names, options.steps, options.seed), np.random.default_rng(options.seed)
    documents = rng.choice(learner.held_out, options.documents, replace=False)
    measure = Several(tuple(learner.loss_on(str(name)) for name in documents))
    gradient = metagradient(learner, measure, finite_step=True)
    differentiated, changes = time.perf_counter() - begin, []
    sizes = [max(1, learner.unit_count // share) for share in SHARES.values()]
    for first in range(0, options.sets, TOGETHER):
        sets = [rng.choice(learner.unit_count, sizes[k % len(sizes)], replace=False)
                for k in range(first, min(first + TOGETHER, options.sets))]
        changes.append(gradient.changes(sets, finite_step=True))
    changes, took = np.concatenate(changes), time.perf_counter() - begin
    most = harness.memory("VmHWM")
    print(f"{harness.machine()}; {options.names or 'US Census names'}, seed {options.seed}")
    print(f"{learner.unit_count} names, {options.documents} documents x {len(changes)} sets: finite step "
          f"after {differentiated:.0f} s, all answers after {took:.0f} s, at most {most / 1e9:.2f} GB of "
          f"memory, {gradient.stored} states held at once")
    harness.write_json(options.json, names=learner.unit_count, answers=changes.shape, seconds=took,
                       differentiated=differentiated, peak_memory=most)
    return 0


if __name__ == "__main__":
    harness.run(main)

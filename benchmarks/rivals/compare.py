"""python -m benchmarks.compare: every method, on every learner, against the same retrained truth.

Deletion sets: single examples, random 1%, 5% and 20%, a class, the most influential. Measured: the loss of
held-out examples. LDS and error are those of `benchmarks.accuracy`. distance: |predicted - retrained
parameters| over |retrained - trained|. membership: by how much a threshold on its loss tells deleted examples
from ones never seen (1: always, 0: never), for the 20% sets. aim: error against the method that it
approximates by its own account (the optimum, PBRF), at 5%. trainings: what answering every set takes, in
units of one training; first: what one set takes. Where nearly all of it is shared by any number of sets, as a
sketch is, the cost of the first follows from that; elsewhere one set is asked for alone. A matrix or a sketch
that an earlier method made counts in the time of every method that uses it, but not in its memory.

Every method's answers, and what they took beside one training then, are kept below --out: killed, the same
command goes on; when the library's code has changed, it asks again. Truth: weight 0, schedule unchanged.
"""
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np

from circuit import InputError
from deletion import Objective, retrain

from . import harness
from .compare_pictures import Dot, draw_costs, draw_predictions
from .contestants import ARENAS, CONVEX_ONLY, FEW, RANDOM, entries
from .truth import Trial, error, lds, random_sets

LONG = 120.0
"""Seconds beyond which a method is not run once more for the cost of its first answer."""

SHARED = 0.8
"""Share of a method's time that is common to all sets, from which its first answer is not measured: it takes
the common work, and one set's part of the rest."""

LISTS = ("notes", "refusals", "diagnostics")
"""Fields of a Result that are kept as JSON."""

KINDS = ("single", *RANDOM, "class", "influential")


@dataclass(frozen=True)
class Contest:
    """A learner on its arena, its deletion sets by kind, and the retrained truth: changes and parameters by
    kind."""
    name: str
    arena: object
    trial: Trial
    sets: dict
    change: dict
    theta: dict
    seen: Objective
    unseen: Objective

    @classmethod
    def of(cls, name, options):
        """The Contest on the arena of a name."""
        arena = ARENAS[name]
        learner = arena.make()
        trial = Trial(learner, arena.asked(learner, options.measured, options.seed),
                      harness.output_folder(options.out) / "truth")
        units, count = learner.units, options.sets
        sizes = {kind: max(2, len(units) // divisor) for kind, divisor in RANDOM.items()}
        sets = dict(zip(RANDOM, random_sets(units, list(sizes.values()), count, options.seed + 1).values()))
        rng = np.random.default_rng(options.seed + 2)
        sets["single"] = [[units[i]] for i in rng.choice(len(units), min(count, len(units)), replace=False)]
        sets["class"] = [arena.group[1](learner)]
        moved = np.abs(trial.changes([[unit] for unit in units])).sum(axis=1)
        sets["influential"] = [[units[i] for i in np.argsort(-moved)[:10]]]
        sets = {kind: sets[kind] for kind in KINDS}
        change = {kind: trial.changes(some) for kind, some in sets.items()}
        theta = {kind: trial.bank.parameters(learner.deletion_sets(some).dense(len(units)))
                 for kind, some in sets.items()}
        return cls(name, arena, trial, sets, change, theta, Objective(learner), unseen(learner))

    def training(self):
        """Seconds of one training now, alone: measured beside every method, since the machine's pace
        changes."""
        return harness.seconds(lambda: retrain(self.trial.learner, [[]], progress=False), 3)[0]

    def chosen(self, few):
        """{kind: sets} that a method is asked for: all, or a few."""
        return {kind: self.sets[kind][:FEW] for kind in ("5%", "class")} if few else self.sets


@dataclass(frozen=True)
class Result:
    """What a method answered, or why not.   change, theta: by kind;   trainings: what all sets took, in
    trainings;   first: what one did;   refusals: why kinds have no answer;   diagnostics: those of each
    answer, of arrays the largest number."""
    reason: str
    change: dict
    theta: Optional[dict]
    trainings: float = np.nan
    first: float = np.nan
    memory: float = np.nan
    notes: tuple = ()
    refusals: tuple = ()
    diagnostics: tuple = ()

    @classmethod
    def none(cls, reason):
        """The Result of a method that has no answer at all."""
        return cls(reason, {}, None, refusals=(reason,))


def answered(contest, entry):
    """The Result of a method: one answer to all sets; where some of them are refused, one for each kind."""
    sets, learner, measure = contest.chosen(entry.few), contest.trial.learner, contest.trial.measure
    try:
        entry.method.check(learner)
    except InputError as refusal:      # DoesNotApply, or a gate that leaves its domain
        return Result.none(one_line(refusal))
    harness.forget_peak()
    before, parts, reasons, took = harness.memory(), {}, {}, []
    notes, diagnostics = [], []
    for kinds in (list(sets), *([kind] for kind in sets)):
        if all(kind in parts for kind in sets):
            break
        try:
            answer = entry.method.answer(learner, [s for kind in kinds for s in sets[kind]], measure)
        except InputError as refusal:
            reasons[kinds[0] if len(kinds) == 1 else ""] = one_line(refusal)
            continue
        notes += answer.notes
        diagnostics.append({key: float(np.max(value)) for key, value in answer.diagnostics.items()})
        places = np.cumsum([0] + [len(sets[kind]) for kind in kinds])
        took.append((answer.shared, answer.seconds - answer.shared, places[-1]))
        parts |= {kind: (answer.change[a:b], answer.parameters if answer.parameters is None
                         else answer.parameters[a:b]) for kind, a, b in zip(kinds, places, places[1:])}
    if not parts:
        return Result.none(next(iter(reasons.values())))
    memory, training = harness.memory("VmHWM") - before, contest.training()
    shared, own, asked = np.array(took).T
    seconds, own = shared.max() + own.sum(), own.sum() / asked.sum()
    one = next(iter(sets.values()))[:1]
    if entry.few or shared.max() > SHARED * seconds:
        first = shared.max() + own
    else:
        first = np.nan if seconds > LONG else entry.method.answer(learner, one, measure).seconds
    theta = {kind: part[1] for kind,
             part in parts.items()} if next(iter(parts.values()))[1] is not None else None
    change = {kind: part[0] for kind, part in parts.items()}
    refusals = dict.fromkeys(text for kind, text in reasons.items() if kind)
    return Result("", change, theta, seconds / training, first / training, memory,
                  tuple(dict.fromkeys(notes)), tuple(refusals), tuple(diagnostics))


def one_line(refusal):
    """An error's text without line breaks."""
    return " ".join(str(refusal).split())


# what is kept between runs ----------------------------------------------------------------------------------

def code():
    """A hash of the library: what was answered by other code is asked again."""
    root = Path(__file__).parent.parent.parent
    return harness.digest(*(file.read_text(encoding="utf-8") for room in ("circuit", "taylor", "deletion")
                            for file in sorted((root / room).rglob("*.py"))))


def kept(contest, name, entry, options):
    """A method's Result: from its file, or made and written there."""
    key = harness.digest(code(), contest.trial.learner.fingerprint(), name,
                         repr(sorted(vars(entry.method).items(), key=str)), str(options.sets),
                         str(options.measured), str(options.seed), str(entry.few))
    path = harness.output_folder(harness.output_folder(options.out) / "compared") / f"{key}.npz"
    if not path.exists():
        print(f"{contest.name}: {name} ...", flush=True)
        result = answered(contest, entry)
        arrays = {f"change {kind}": x for kind, x in result.change.items()}
        arrays |= {f"theta {kind}": x for kind, x in (result.theta or {}).items()}
        plain = {field: getattr(result, field) for field in ("reason", "trainings", "first", "memory")}
        plain |= {field: json.dumps(getattr(result, field)) for field in LISTS}
        with open(path.with_suffix(".part"), "wb") as file:
            np.savez(file, **arrays, **plain)
        path.with_suffix(".part").rename(path)
    with np.load(path) as file:
        arrays = {part: {kind: file[f"{part} {kind}"] for kind in KINDS if f"{part} {kind}" in file}
                  for part in ("change", "theta")}
        return Result(str(file["reason"]), arrays["change"], arrays["theta"] or None,
                      *(float(file[x]) for x in ("trainings", "first", "memory")),
                      *(tuple(json.loads(str(file[x]))) for x in LISTS))


# how it is scored -------------------------------------------------------------------------------------------

def membership(deleted, unseen):
    """The advantage of the best threshold on the loss, deleted examples against ones never seen: 0 to 1."""
    edges = np.concatenate([deleted, unseen])
    below = [np.searchsorted(np.sort(x), edges, side="right") / len(x) for x in (deleted, unseen)]
    return float(np.max(below[0] - below[1]).clip(0.0))


def unseen(learner, count=300):
    """The Objective of examples that training never saw: its losses are theirs."""
    examples = learner.held_out[:count]
    if hasattr(learner, "documents"):
        examples = [learner.tokenizer.encode(name) for name in examples]
    schedule = np.arange(len(examples))
    if learner.schedule.ndim > 1:
        schedule = schedule[None]
    return Objective(learner.again(examples=examples, schedule=schedule, units=None, all_units=None,
                                   labels=None))


def scores(contest, result, own):
    """{column: number} of one method; NaN where there is nothing to score.   own: the Result of what it
    approximates, or None."""
    learner, row = contest.trial.learner, {}
    for kind in KINDS:
        some = result.change.get(kind)
        true = None if some is None else contest.change[kind][:len(some)]
        row[f"error {kind}"] = np.nan if some is None else error(some, true)
        row[f"LDS {kind}"] = lds(some, true) if some is not None and len(some) > FEW else np.nan
        if result.theta is None or kind not in result.theta:
            row[f"distance {kind}"] = np.nan
            continue
        theta, exact = result.theta[kind], contest.theta[kind][:len(result.theta[kind])]
        row[f"distance {kind}"] = float(np.mean(np.linalg.norm(theta - exact, axis=1)
                                                / np.linalg.norm(exact - learner.trained, axis=1)))
    row["membership"] = np.nan
    if result.theta is not None and "20%" in result.theta:
        deleted = [np.isin(learner.unit_of, learner.unit_indices(units)) for units in contest.sets["20%"]]
        row["membership"] = float(np.mean([
            membership(contest.seen.losses(theta)[examples], contest.unseen.losses(theta))
            for theta, examples in zip(result.theta["20%"], deleted)]))
    asked, aim = sum(len(x) for x in result.change.values()), np.nan
    if own is not None and "5%" in result.change and "5%" in own.change:
        count = min(len(result.change["5%"]), len(own.change["5%"]))
        aim = error(result.change["5%"][:count], own.change["5%"][:count])
    return row | {"trainings": result.trainings, "first": result.first, "asked": asked,
                  "memory": result.memory, "aim": aim}


def retraining_itself(contest):
    """The truth as a Result: what the other rows are scored against."""
    count = sum(len(x) for x in contest.sets.values())
    flat = [s for some in contest.sets.values() for s in some]
    seconds = harness.seconds(lambda: retrain(contest.trial.learner, flat, progress=False), 1)[0]
    return Result("", contest.change, contest.theta, seconds / contest.training(), 1.0,
                  notes=(f"{count} trainings, many side by side",))


# what is shown ----------------------------------------------------------------------------------------------

COLUMNS = (("LDS 1%", ".3f"), ("LDS 5%", ".3f"), ("LDS 20%", ".3f"), ("error single", ".3f"),
           ("error 1%", ".3f"), ("error 5%", ".3f"), ("error 20%", ".3f"), ("error class", ".3f"),
           ("error influential", ".3f"), ("distance 5%", ".3f"), ("membership", ".2f"), ("aim", ".1e"),
           ("first", ".3g"), ("trainings", ".3g"), ("memory", ".0f"))


def shown(contest, results, rows):
    """The table of one learner, and below it why methods do not apply."""
    def cell(value, form):
        return "-" if np.isnan(value) else format(value, form if abs(value) < 100 or form == ".0f" else ".3g")

    lines = [[name + ("*" if sum(map(len, result.change.values())) < sum(map(len, contest.sets.values()))
                      else ""), *(cell(rows[name][column] / (1e6 if column == "memory" else 1.0), form)
                                  for column, form in COLUMNS)] for name,
             result in results.items() if not result.reason]
    sizes = ", ".join(f"{kind} {len(contest.sets[kind])} of {len(contest.sets[kind][0])}" for kind in KINDS)
    print(f"\n== {contest.name}: {contest.trial.learner.layout.size:,} parameters, "
          f"{contest.trial.learner.unit_count:,} units, one training "
          f"{contest.training() * 1e3:.0f} ms\nsets: {sizes} ({contest.arena.group[0]})")
    print(harness.table(["", *(column for column, _ in COLUMNS[:-1]), "MB"], lines))
    if any(line[0].endswith("*") for line in lines):
        print(f"* only some sets: the first {FEW} of 5% and the class, where one set takes long; or without "
              "those refused")
    for name, result in results.items():
        for text in result.refusals:
            print(f"no number for {name}: {text}")


PICTURES = {False: ("compare", "Networks that are stopped before any minimum: error and cost of each method"),
            True: ("compare_convex", "Convex objectives at their minimum: error and cost of each method")}
"""The picture's name and title, by whether the objective is convex."""


def dots(contest, results, rows):
    """A Dot per method of one learner that has an error at 5%."""
    listed = entries(contest.arena, contest.trial.learner)
    return [Dot(m, listed[m].family, row["trainings"] / row["asked"], row["error 5%"])
            for m, row in rows.items() if m in listed and not np.isnan(row["error 5%"])]


def draws(everything):
    """{name: draw(pyplot)}: a picture for networks, one for convex objectives, and one of the last learner's
    predictions."""
    made = {}
    for convex, (name, title) in PICTURES.items():
        panels = {learner: dots(*parts) for learner, parts in everything.items()
                  if parts[0].arena.convex == convex}
        if panels:
            made[name] = partial(draw_costs, title=title, panels=panels)
    contest, results, _ = list(everything.values())[-1]
    return made | {"compare_predictions": partial(draw_predictions, contest=contest, results=results)}


def main():
    parser = harness.parser("compare", __doc__, seed=0, quick=None, out="results/compare")
    parser.add_argument("--learner", action="append", metavar="NAME",
                        help=f"any of {', '.join(ARENAS)}; may be repeated; default: all")
    parser.add_argument("--method", action="append", metavar="NAME",
                        help="only these; may be repeated; default: all")
    parser.add_argument("--sets", type=int, default=30, help="random sets of each size (default %(default)s)")
    parser.add_argument("--measured", type=int, default=20,
                        help="held-out examples whose loss is measured (default %(default)s)")
    options = parser.parse_args()
    for name in options.learner or ():
        if name not in ARENAS:
            raise InputError(f"no learner {name!r}; there are {', '.join(ARENAS)}")
    if options.quick:
        options.sets, options.measured = 5, 3
        options.learner = options.learner or ["least squares", "logistic regression"]
    run, everything = harness.Run("compare", options), {}
    for name in options.learner or ARENAS:
        contest = Contest.of(name, options)
        listed = entries(contest.arena, contest.trial.learner)
        unknown = set(options.method or ()) - set(listed) - CONVEX_ONLY
        if unknown:
            raise InputError(f"no method {unknown.pop()!r} for {name}; there are {', '.join(listed)}")
        results = {m: kept(contest, m, entry, options) for m, entry in listed.items()
                   if not options.method or m in options.method}
        results = {"retraining": retraining_itself(contest), **results}
        aims = {m: results.get(entry.aim) for m, entry in listed.items()}
        rows = {m: scores(contest, result, aims.get(m)) for m, result in results.items() if not result.reason}
        shown(contest, results, rows)
        everything[name] = contest, results, rows
    header = ["learner", "method", *next(iter(next(iter(everything.values()))[2].values()))]
    table = [[name, m, *row.values()] for name, (_, _, rows) in everything.items() for m, row in rows.items()]
    run.finish(header, table, draws(everything),
               scores={name: rows for name, (_, _, rows) in everything.items()},
               **{field: {name: {m: getattr(r, field) for m, r in results.items() if getattr(r, field)}
                          for name, (_, results, _) in everything.items()} for field in LISTS})
    return 0


if __name__ == "__main__":
    harness.run(main)

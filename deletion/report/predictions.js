"use strict";

/* The models of a page, and what can be asked of them. Nothing here touches the document. */

const predictions = (() => {
  const {zeros} = numbers, {estimator, squareOf} = estimators, {Trust, remainder, TRUST, NOT} = trust;
  const UNCALIBRATED = "no interval and no verdict: it was made without calibration sets";

  /* Of each unit the labels, or the place in an order, from pairs of a unit and one of these. */
  function codesOf(members) {
    const codes = new Map();
    for (let at = 0; at < members.length; at += 2) {
      if (!codes.has(members[at])) codes.set(members[at], new Set());
      codes.get(members[at]).add(members[at + 1]);
    }
    return codes;
  }

  /* Whether a set of units is of a kind: they share a label, or follow each other in an order. */
  function holds({ordered, codes}, units) {
    if (!units.every(unit => codes.has(unit))) return false;
    const each = units.map(unit => [...codes.get(unit)]);
    if (!ordered) return each[0].some(code => units.every(unit => codes.get(unit).has(code)));
    const places = Int32Array.from(each.flat()).sort();
    return places[places.length - 1] - places[0] < units.length;
  }

  /* One model of a page: predict(set, intervals) and what else can be asked of it. */
  class Model {
    constructor(facts, content) {
      Object.assign(this, facts);
      this.content = content;
      this.isUsed = Array.from(content.used, Boolean);
      this.used = content.units.map((_, unit) => unit).filter(unit => this.isUsed[unit]);
      this.q = facts.value.length;
      this.estimate = estimator(facts.estimator, this.q, this.used);
      this.parts = (facts.calibrations || []).map(
        part => part.finite ? new Trust(part, this, content.limits) : part);
      this.declared = this.parts.slice(1).map(kind => ({...kind, codes: codesOf(kind.members)}));
    }

    /* The units of a set that steps use. */
    among(set) { return this.only(set, at => set.values[at] !== 0 && this.isUsed[set.units[at]]); }

    only({units, values}, kept) {
      return {units: units.filter((_, at) => kept(at)), values: values.filter((_, at) => kept(at))};
    }

    change(set) { return this.estimate(this.among(set), false).change; }

    /* {value, change, low, high, verdict, reason, part}: `part` is what is known of sets of its kind. Where
       nothing was retrained, it is null like low, high and verdict. */
    predict(set) {
      const used = this.among(set), {terms, change, error} = this.estimate(used, true);
      const value = change.map((x, k) => this.value[k] + x);
      const made = {value, change, low: null, high: null, verdict: null, reason: UNCALIBRATED, part: null};
      if (!this.parts.length) return made;
      made.part = this.partOf(used.units);
      const failed = [this.parts[0], made.part].find(part => !part.finite);
      if (failed) Object.assign(made, {verdict: NOT, reason: failed.failed});
      else Object.assign(made, this.interval(made, squareOf(used), terms, error || zeros(this.q)));
      const unused = set.values.some(h => h !== 0) && !used.units.length;
      return unused ? Object.assign(made, {verdict: TRUST, reason: this.content.unused}) : made;
    }

    /* As trust/kinds.py: the first declared kind that a set is of and a random one would hardly be. */
    partOf(units) {
      const found = this.declared.findIndex(
        kind => units.length > 1 && kind.rare[units.length] && holds(kind, units));
      return this.parts[found + 1];
    }

    interval({value, change, part}, square, terms, stated) {
      const rest = this.series && terms.length > 1 ? remainder(terms, this.content.limits) : null;
      const {sampling, truncation} = part.deviations(stated, square, change, rest);
      const half = part.halfWidth(sampling, truncation, square);
      const [verdict, reason] = part.judge(square, change, rest, sampling, truncation);
      return {low: value.map((x, k) => x - half[k]), high: value.map((x, k) => x + half[k]), verdict, reason};
    }

    /* The change without each unit alone, units x q. */
    leaveOneOuts() {
      const all = zeros(this.isUsed.length * this.q);
      for (const unit of this.used) all.set(this.change({units: [unit], values: [1]}), unit * this.q);
      return all;
    }

    get interacts() { return Boolean(this.estimate.partners || this.estimator.together); }

    /* By how much more the deletion of each unit outside changes the measurements once the set is deleted. */
    partners(set, alone) {
      const some = this.among(set), inside = new Set(some.units), {q} = this;
      let all = zeros(this.isUsed.length * q);
      if (this.estimate.partners) all = this.estimate.partners(some).slice();
      else {
        const before = this.change(some);
        for (const unit of this.used.filter(one => !inside.has(one))) {
          const both = this.change({units: [...some.units, unit], values: [...some.values, 1]});
          for (let k = 0; k < q; k++) all[unit * q + k] = both[k] - before[k] - alone[unit * q + k];
        }
      }
      for (const unit of inside) all.fill(0, unit * q, (unit + 1) * q);
      return all;
    }
  }

  /* The content of a page, with arrays in place of what says where they are.   bytes: an ArrayBuffer */
  function revived(text, bytes) {
    const kinds = {float64: Float64Array, float32: Float32Array, int32: Int32Array};
    const array = ([kind, first, length]) => new kinds[kind](bytes, first, length);
    return JSON.parse(text, (_, x) => x && x.array ? array(x.array) : x);
  }

  function models(content) { return content.models.map(facts => new Model(facts, content)); }

  return {revived, models};
})();

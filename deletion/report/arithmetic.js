"use strict";

/* The arithmetic of predictions, step by step as predictions/, models/, directions/ and trust/ calculate. Nothing
   here touches the document. A set is {units, values}: numbers of units, and their downweights h. Of a model of q
   measurements, arrays of `units x q` numbers are flat, row by row. */

const arithmetic = (() => {
  const TINY = 2.2250738585072014e-308;
  const TRUST = "trust", RAISE = "raise degree", MORE = "more directions", NOT = "do not trust";

  // what Python prints, and small helpers -----------------------------------------------------------------------

  /* Digits and exponent of x > 0, exact halves to even as Python rounds. */
  function rounded(x, digits) {
    const [mantissa, exponent] = x.toExponential(Math.min(digits + 60, 100)).split("e");
    const all = mantissa.replace(".", ""), rest = all.slice(digits);
    let kept = BigInt(all.slice(0, digits)), power = Number(exponent);
    const half = "5" + "0".repeat(rest.length - 1);
    if (rest > half || (rest === half && kept % 2n === 1n)) kept += 1n;
    let text = String(kept);
    if (text.length > digits) { text = text.slice(0, digits); power += 1; }
    return [text, power];
  }

  /* Python's f"{x:.{digits}g}". */
  function general(x, digits) {
    if (Number.isNaN(x)) return "nan";
    if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
    if (x === 0) return "0";
    const sign = x < 0 ? "-" : "", [text, power] = rounded(Math.abs(x), digits);
    const trimmed = (head, tail) => { tail = tail.replace(/0+$/, ""); return head + (tail && "." + tail); };
    if (power < -4 || power >= digits) {
      const two = String(Math.abs(power)).padStart(2, "0");
      return `${sign}${trimmed(text[0], text.slice(1))}e${power < 0 ? "-" : "+"}${two}`;
    }
    if (power < 0) return sign + trimmed("0", "0".repeat(-power - 1) + text);
    return sign + trimmed(text.slice(0, power + 1), text.slice(power + 1));
  }

  /* Python's f"{x:.0f}" and round(x), of x >= 0. */
  function toEven(x) {
    const floor = Math.floor(x), rest = x - floor;
    return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  }

  const percent = share => share < 0.995 ? `${general(100 * share, 2)}%`
    : `${Number.isFinite(share) ? toEven(100 * share) : general(share, 2)}%`;
  const orZero = x => Number.isNaN(x) ? 0 : x;
  const orOne = x => x > 0 ? x : 1;
  const zeros = count => new Float64Array(count);
  const sum = values => values.reduce((total, x) => total + x, 0);
  const mean = values => sum(values) / values.length;
  const squared = values => sum(values.map(x => x * x));

  function median(values) {
    const sorted = Float64Array.from(values).sort(), middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /* Linear between nodes in rising order, constant beyond them. */
  function interpolated(x, nodes, values) {
    if (x <= nodes[0]) return values[0];
    for (let k = 1; k < nodes.length; k++) {
      if (x < nodes[k]) return values[k - 1] + (values[k] - values[k - 1]) * (x - nodes[k - 1]) / (nodes[k] - nodes[k - 1]);
    }
    return values[values.length - 1];
  }

  /* The sum of weights[unit] times the unit's row of a matrix units x q. */
  function combined(units, weights, rows, q) {
    const total = zeros(q);
    units.forEach((unit, at) => { for (let k = 0; k < q; k++) total[k] += weights[at] * rows[unit * q + k]; });
    return total;
  }

  const squareOf = set => set.values.reduce((total, h) => total + h * h, 0);

  // estimators: a set -> {terms: [(q,), ...], change: (q,), error: (q,) or null} -----------------------------------

  /* predictions/additive.py */
  function contributions(facts, set, q) {
    const own = combined(set.units, set.values.map(h => h * h), facts.finite, q);
    const linear = combined(set.units, set.values.map(h => h * (1 - h)), facts.slopes, q);
    return own.map((x, k) => x - linear[k]);
  }

  function additive(facts, q) {
    return set => {
      const change = contributions(facts, set, q);
      return {terms: [change], change, error: null};
    };
  }

  /* models/interactions.py: what a set's units sum up to, by group, and M h of every unit. */
  function interacting(facts, q) {
    const {groups, scale, a} = facts, count = a.length / q / groups.length;

    function bySet(set) {
      const sums = zeros(count), weighted = zeros(count * q);
      set.units.forEach((unit, at) => {
        const scaled = set.values[at] * scale[unit];
        if (groups[unit] >= 0) sums[groups[unit]] += scaled;
        for (let k = 0; k < count * q; k++) weighted[k] += scaled * a[unit * count * q + k];
      });
      return {sums, weighted};
    }

    function change(set) {
      const {sums, weighted} = bySet(set), total = zeros(q);
      for (let g = 0; g < count; g++) for (let k = 0; k < q; k++) total[k] += weighted[g * q + k] * sums[g];
      return total;
    }

    function partners(set) {
      const {sums, weighted} = bySet(set), all = zeros(groups.length * q);
      groups.forEach((group, unit) => {
        if (group < 0) return;
        for (let k = 0; k < q; k++) {
          let both = weighted[group * q + k];
          for (let g = 0; g < count; g++) both += a[(unit * count + g) * q + k] * sums[g];
          all[unit * q + k] = scale[unit] * both;
        }
      });
      return all;
    }

    return {change, partners};
  }

  /* models/gradient_model.py and models/levels.py */
  function gradients(facts, q, used) {
    const inside = facts.interactions && interacting(facts.interactions, q);
    const everything = {units: used, values: used.map(() => 1)};
    const partners = inside && facts.levels.length ? inside.partners(everything) : null;
    const total = partners && inside.change(everything);
    const shares = facts.levels.map(level => level.share), nodes = [0, ...shares];
    const sums = facts.levels.map(level => combined(used, used.map(() => 1), level.slopes, q));
    const curves = Array.from({length: q}, (_, k) => facts.levels.map(level => level.curvature[k]));

    function together(set) {
      const change = inside ? inside.change(set) : zeros(q);
      if (!facts.levels.length) return change;
      const x = sum(set.values) / used.length;
      for (let k = 0; k < q; k++) change[k] += x * x * interpolated(x, shares, curves[k]);
      facts.levels.forEach((level, number) => {
        const part = combined(set.units, set.values, level.slopes, q);
        const share = interpolated(x, nodes, nodes.map((_, node) => node === number + 1 ? 1 : 0));
        for (let k = 0; k < q; k++) change[k] += share * (part[k] - x * sums[number][k]);
      });
      if (partners) {
        const mixed = combined(set.units, set.values, partners, q);
        for (let k = 0; k < q; k++) change[k] += x * x * total[k] - x * mixed[k];
      }
      return change;
    }

    function estimate(set) {
      const alone = contributions(facts.additive, set, q), rest = together(set);
      return {terms: [alone, rest], change: alone.map((x, k) => x + rest[k]), error: null};
    }
    estimate.partners = inside && inside.partners;
    return estimate;
  }

  /* directions/terms.py and directions/decoders.py: s_j = sum_i conj(psi_ij) h_i^power, of every direction. */
  function along(facts, set, power = 1) {
    const {starts, directions, real, imaginary} = facts.psi, m = facts.directions;
    const re = zeros(m), im = zeros(m);
    set.units.forEach((unit, at) => {
      const h = set.values[at] ** power, first = starts ? starts[unit] : unit * m;
      const last = starts ? starts[unit + 1] : first + m;
      for (let k = first; k < last; k++) {
        const j = starts ? directions[k] : k - first;
        let x = real[k], y = imaginary[k];
        for (let r = 1; r < power; r++) [x, y] = [x * real[k] - y * imaginary[k], x * imaginary[k] + y * real[k]];
        re[j] += h * x;
        im[j] -= h * y;
      }
    });
    return {re, im};
  }

  /* The terms of every group of directions, (groups, p, q) flat, and, with `spread`, the sum over directions of the
     squares of their shares (q,). */
  function termsOf(facts, q, set, spread) {
    const {alpha, beta, groups, degree: p, directions: m} = facts, {re, im} = along(facts, set);
    const count = groups.length - 1, terms = zeros(count * p * q), squares = zeros(q), share = zeros(q);
    for (let g = 0; g < count; g++) {
      for (let j = groups[g]; j < groups[g + 1]; j++) {
        if (re[j] === 0 && im[j] === 0) continue;
        let x = re[j], y = im[j];
        share.fill(0);
        for (let r = 0; r < p; r++) {
          for (let k = 0; k < q; k++) {
            const at = (r * q + k) * m + j, one = x * alpha[at] - y * alpha[p * q * m + at];
            terms[(g * p + r) * q + k] += one;
            share[k] += one;
          }
          [x, y] = [x * re[j] - y * im[j], x * im[j] + y * re[j]];
        }
        if (spread) for (let k = 0; k < q; k++) squares[k] += share[k] * share[k];
      }
    }
    if (beta.length) {
      const units = beta.length / p / q;
      set.units.forEach((unit, at) => {
        for (let r = 0; r < p; r++) {
          for (let k = 0; k < q; k++) terms[r * q + k] += set.values[at] ** (r + 1) * beta[(r * q + k) * units + unit];
        }
      });
    }
    return {terms, squares};
  }

  /* directions/kernel.py: the variance of T_order given the observations, at scale 1. */
  function variance(facts, fit, order, set) {
    const m = facts.directions, s = along(facts, set), own = fit.w ? along(facts, set, order) : null;
    const between = zeros(2 * m), {starts, rows, entries} = fit.vectors;
    for (let j = 0; j < m; j++) {
      let x = s.re[j], y = s.im[j];
      for (let r = 1; r < order; r++) [x, y] = [x * s.re[j] - y * s.im[j], x * s.im[j] + y * s.re[j]];
      between[j] = own ? x + fit.w * own.re[j] : x;
      between[m + j] = -(own ? y + fit.w * own.im[j] : y);
    }
    let explained = 0;
    for (let c = 0; c < fit.values.length; c++) {
      let product = 0;
      if (starts) for (let k = starts[c]; k < starts[c + 1]; k++) product += entries[k] * between[rows[k]];
      else for (let k = 0; k < 2 * m; k++) product += entries[c * 2 * m + k] * between[k];
      explained += product * product / fit.values[c];
    }
    const prior = squareOf(set) ** order + fit.w * set.values.reduce((total, h) => total + h ** (2 * order), 0);
    const rounding = 1e-13 * prior * fit.values.length;
    return prior - explained > rounding ? prior - explained : 0;
  }

  const DECODERS = {
    "least squares"(facts, q, set, errors) {
      const {terms} = termsOf(facts, q, set, false), p = facts.degree, total = zeros(q);
      if (errors) {
        facts.fits.forEach((fit, r) => {
          if (!fit.scale.some(x => x !== 0)) return;
          const one = variance(facts, fit, r + 1, set);
          for (let k = 0; k < q; k++) total[k] += one * fit.scale[k];
        });
      }
      return {terms: ordered(terms, p, q), error: errors ? total.map(Math.sqrt) : null};
    },

    "mean"(facts, q, set, errors) {
      const {terms, squares} = termsOf(facts, q, set, errors), m = facts.directions, by = ordered(terms, facts.degree, q);
      const change = totals(by, q);
      const error = squares.map((x, k) => m > 1 ? Math.sqrt(Math.max(x - change[k] ** 2 / m, 0) * m / (m - 1)) : NaN);
      return {terms: by, error: errors ? error : null};
    },

    "median of means"(facts, q, set, errors) {
      const {terms} = termsOf(facts, q, set, false), p = facts.degree, groups = facts.groups.length - 1;
      const byGroup = Array.from({length: groups}, (_, g) => ordered(terms.subarray(g * p * q, (g + 1) * p * q), p, q));
      const sums = byGroup.map(by => totals(by, q)), measurements = Array.from({length: q}, (_, k) => k);
      const change = Float64Array.from(measurements, k => median(sums.map(x => x[k])));
      const error = Float64Array.from(measurements, k => groups > 1 ? Math.sqrt(Math.PI / 2 / groups) * 1.4826
        * median(sums.map(x => Math.abs(x[k] - change[k]))) : NaN);
      return {terms: Array.from({length: p}, (_, r) => Float64Array.from(measurements, k => median(byGroup.map(by => by[r][k])))),
              change, error: errors ? error : null};
    },
  };

  const ordered = (terms, p, q) => Array.from({length: p}, (_, r) => terms.slice(r * q, (r + 1) * q));

  function totals(terms, q) {
    const total = zeros(q);
    terms.forEach(term => term.forEach((x, k) => { total[k] += x; }));
    return total;
  }

  function decoder(facts, q) {
    return (set, errors) => {
      const made = DECODERS[facts.kind](facts, q, set, errors);
      made.change ??= totals(made.terms, q);
      if (facts.gradient) {
        const first = combined(set.units, set.values, facts.gradient, q).map(x => -x);
        made.terms[0] = first;
        made.change = made.change.map((x, k) => x + first[k]);
      }
      return made;
    };
  }

  // trust: trust/error_model.py and trust/verdict.py ---------------------------------------------------------------

  /* What the calibration sets say of a set of size |h|^2 = square that is estimated to change the measurements so. */
  class Trust {
    constructor(facts, model, limits) {
      Object.assign(this, facts);
      this.model = model;
      this.limits = limits;
      this.q = model.value.length;
      this.sizes = this.changes.map(Math.abs);
    }

    usual(square) {
      return Array.from(this.typical.level, (level, k) => level * square ** this.typical.power[k]);
    }

    /* The standard deviation of the error (q,). */
    deviation(stated, square, change) {
      const {sampling, tail, growth} = this.variance, usual = this.usual(square);
      return Array.from(change, (x, k) => Math.sqrt(sampling[k] * orZero(stated[k]) ** 2
        + tail[k] * square ** growth[k] * (1 + (x / orOne(usual[k])) ** 2)));
    }

    deviations(stated, square, change, rest) {
      const total = this.deviation(stated, square, change);
      const sampling = total.map((all, k) => {
        const own = Math.min(orZero(stated[k]), all);
        return rest ? Math.max(own, Math.sqrt(all ** 2 - Math.min(rest[k], all) ** 2)) : own;
      });
      return {sampling, truncation: total.map((all, k) => Math.sqrt(all ** 2 - sampling[k] ** 2))};
    }

    /* How much each calibration set counts for a size, the nearest 1. */
    near(square) {
      const log = Math.log(Math.max(square, TINY));
      const distances = Array.from(this.squares, x => ((log - Math.log(x)) / this.limits.NEAR) ** 2);
      const least = Math.min(...distances);
      return distances.map(x => Math.exp(-0.5 * (x - least)));
    }

    halfWidth(sampling, truncation, square) {
      const weight = this.near(square), count = toEven(sum(weight) ** 2 / squared(weight)), {ranks, q} = this;
      return sampling.map((own, k) => {
        let below = 0, at = 0;
        const along = Array.from({length: this.count}, (_, place) => below += weight[this.order[place * q + k]]);
        while (along[at] < (ranks[count - 1] - 0.5) / count * below) at++;
        const reach = Math.max(this.standardised[at * q + k], this.student,
                               this.standardised[(ranks[this.count - 1] - 1) * q + k]);
        return reach * Math.hypot(own, truncation[k]);
      });
    }

    /* The error of random sets of a size beside the change: {error, spread, worst}. */
    relativeError(square) {
      const weight = this.near(square), {q, count} = this;
      const weighted = (values, k) => weight.reduce((total, w, set) => total + w * values[set * q + k], 0);
      const total = Array.from({length: q}, (_, k) => Math.max(weighted(this.sizes, k), TINY));
      const ratio = total.map((all, k) => weighted(this.errors, k) / all);
      const effective = sum(weight) ** 2 / squared(weight);
      const spread = Math.sqrt(sum(weight.map((w, set) => (w * mean(ratio.map(
        (one, k) => (this.errors[set * q + k] - one * this.sizes[set * q + k]) / total[k]))) ** 2)));
      return {error: mean(ratio), worst: Math.max(...ratio), count,
              spread: effective > 1.5 ? spread * Math.sqrt(effective / Math.max(effective - 1, 0.5)) : Infinity};
    }

    /* How far a set moves the measurements, beside the farthest of calibration sets up to twice as large. */
    moved(change, square) {
      if (!(square > 0)) return 0;
      const usual = this.usual(square).map(orOne), {q} = this;
      const distance = values => Math.sqrt(mean(usual.map((one, k) => (values[k] / one) ** 2)));
      const most = Math.max(2 * square, Math.min(...this.squares));
      let farthest = 0;
      this.squares.forEach((size, set) => {
        if (size <= most) farthest = Math.max(farthest, distance(this.changes.subarray(set * q, (set + 1) * q)));
      });
      const here = distance(change);
      return farthest > TINY ? here / farthest : here > 0 ? Infinity : 0;
    }

    kinks(square) {
      if (!this.crossings.some(x => x)) return 0;
      const size = Math.log(Math.max(square, 1e-300));
      const order = Array.from(this.squares, (x, set) => [Math.abs(Math.log(x) - size), set]);
      order.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      return median(order.slice(0, this.limits.NEIGHBOURS).map(([, set]) => this.crossings[set]));
    }

    judge(square, change, rest, sampling, truncation) {
      const usual = this.usual(square).map(orOne), share = (x, k) => x / usual[k];
      const truncated = this.model.series && squared(truncation.map(share)) > squared(sampling.map(share));
      const beyond = rest ? Math.sqrt(mean(rest.map((x, k) => share(x, k) ** 2))) : 0;
      return this.verdict(square, {...this.relativeError(square), truncated, beyond, moved: this.moved(change, square),
                                   kinks: this.kinks(square)});
    }

    verdict(square, {error, spread, worst, truncated, moved, beyond, kinks}) {
      const limits = this.limits, {lacking} = this.model;
      if (!square) return [TRUST, "Nothing is deleted."];
      if (square > limits.MAX_SIZE * this.reach) {
        return [NOT, `The set has size ${general(square, 3)}; the largest calibration set has size `
          + `${general(this.reach, 3)}, so the error estimate does not apply.`];
      }
      if (kinks) {
        return [NOT, `Retraining sets of this size crossed ${toEven(kinks)} kinks (median); a Taylor series describes `
          + "one branch only."];
      }
      let calibrated = `Calibrated error for random sets of this size: ${percent(error)} of the change`;
      if (error + spread > limits.MAX_RELATIVE_ERROR || worst > limits.MAX_WORST_ERROR) {
        if (worst > limits.MAX_WORST_ERROR && limits.MAX_WORST_ERROR >= error) {
          calibrated += ` (${percent(worst)} for the worst measurement)`;
        }
        if (error <= limits.MAX_RELATIVE_ERROR) calibrated += `, standard error ${percent(spread)}`;
        if (lacking && !truncated && error <= limits.MAX_LACKING_ERROR) {
          return [MORE, `${calibrated}, mostly by sampling: ${lacking}.`];
        }
        if (Math.max(error, worst) > limits.MAX_RAISE_ERROR) {
          return [NOT, `${calibrated}. The estimate does not predict such sets.`];
        }
        if (truncated) return [RAISE, `${calibrated}, mostly by truncation of the series.`];
        return [NOT, `${calibrated}, mostly by interactions that were not seen.`];
      }
      if (moved > limits.MAX_MOVED) {
        return [NOT, `This set changes the model ${general(moved, 2)} times as much as any calibration set of its size, `
          + "so the error estimate does not apply."];
      }
      if (beyond > limits.MAX_REST || beyond > Math.max(limits.MAX_SURPRISE * error, limits.SMALL_REST)) {
        return [RAISE, `Series not converged: extrapolated remainder ${percent(beyond)} of the change typical of this `
          + `size (calibrated error ${percent(error)}).`];
      }
      return [TRUST, `${calibrated}. Sets chosen by a rule (a class, neighbours) were not retrained and may be far off: `
        + "stability(sketch, f, sets=[set]) tries them."];
    }
  }

  /* What the last two terms of a series imply beyond the last (q,). */
  function remainder(terms, limits) {
    return Array.from(terms[terms.length - 1], (x, k) => {
      const last = Math.abs(x), before = Math.abs(terms[terms.length - 2][k]);
      const rho = Math.min(last / (before > 0 ? before : Infinity), limits.MAX_RATIO);
      return last * rho / (1 - rho);
    });
  }

  // predictions ----------------------------------------------------------------------------------------------------

  const ESTIMATORS = {additive, gradients};

  /* One model of a page: predict(set, intervals) and what else can be asked of it. */
  class Model {
    constructor(facts, content) {
      Object.assign(this, facts);
      this.content = content;
      this.isUsed = Array.from(content.used, Boolean);
      this.used = content.units.map((_, unit) => unit).filter(unit => this.isUsed[unit]);
      this.q = facts.value.length;
      this.estimate = (ESTIMATORS[facts.estimator.kind] || decoder)(facts.estimator, this.q, this.used);
      this.trust = facts.calibration && facts.calibration.finite
        ? new Trust(facts.calibration, this, content.limits) : null;
    }

    among(set) {
      const kept = set.units.map(unit => this.isUsed[unit]);
      return {units: set.units.filter((_, at) => kept[at]), values: set.values.filter((h, at) => kept[at] && h !== 0)};
    }

    change(set) { return this.estimate(this.among(set), false).change; }

    /* {value, change, low, high, verdict, reason}; the last four are null where nothing was retrained. */
    predict(set) {
      const some = {units: set.units.filter((_, at) => set.values[at] !== 0), values: set.values.filter(h => h !== 0)};
      const used = this.among(some), {terms, change, error} = this.estimate(used, true);
      const value = change.map((x, k) => this.value[k] + x);
      const made = {value, change, low: null, high: null, verdict: null,
                    reason: "no interval and no verdict: it was made without calibration sets"};
      if (!this.calibration) return made;
      if (this.trust) Object.assign(made, this.interval(made, squareOf(used), terms, error || zeros(this.q)));
      else Object.assign(made, {verdict: NOT, reason: "retraining a random set did not end in numbers: no interval"});
      if (some.units.length && !used.units.length) Object.assign(made, {verdict: TRUST, reason: this.content.unused});
      return made;
    }

    interval({value, change}, square, terms, stated) {
      const rest = this.series && terms.length > 1 ? remainder(terms, this.content.limits) : null;
      const {sampling, truncation} = this.trust.deviations(stated, square, change, rest);
      const half = this.trust.halfWidth(sampling, truncation, square);
      const [verdict, reason] = this.trust.judge(square, change, rest, sampling, truncation);
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
        for (const unit of this.used) {
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
    return JSON.parse(text, (_, x) => x && x.array ? new kinds[x.array[0]](bytes, x.array[1], x.array[2]) : x);
  }

  function models(content) { return content.models.map(facts => new Model(facts, content)); }

  return {revived, models, general, TRUST};
})();

"use strict";

/* What estimates changes, step by step as predictions/, models/ and directions/ calculate.

   A set is {units, values}: numbers of units, and their downweights h. An estimator takes a set, and whether
   errors are wanted, and gives {terms: [(q,), ...], change: (q,), error: (q,) or null} for q measurements.
   Arrays of units x q numbers are flat, row by row. */

const estimators = (() => {
  const {zeros, sum, median, interpolated} = numbers;

  /* The sum of weights[unit] times the unit's row of a matrix units x q. */
  function combined(units, weights, rows, q) {
    const total = zeros(q);
    units.forEach((unit, at) => {
      for (let k = 0; k < q; k++) total[k] += weights[at] * rows[unit * q + k];
    });
    return total;
  }

  const squareOf = set => set.values.reduce((total, h) => total + h * h, 0);

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

  /* models/size_effect.py: of q measurements. */
  function sizeEffect({coefficients, largest}, set, units) {
    const x = Math.min(sum(set.values) / units, largest), q = coefficients.length / 3;
    const u = sum(set.values.map(h => h * h)) / units, basis = [u, u * Math.sqrt(x), u * x];
    return Array.from({length: q}, (_, k) => basis.reduce((all, b, r) => all + b * coefficients[r * q + k], 0));
  }

  /* models/gradient_model.py and models/levels.py */
  function gradients(facts, q, used) {
    const inside = facts.interactions && interacting(facts.interactions, q);
    const shares = facts.levels.map(level => level.share), nodes = [0, ...shares];
    const kept = [1, ...facts.levels.map(level => level.left)];      // of the interactions
    const sums = facts.levels.map(level => combined(used, used.map(() => 1), level.slopes, q));
    const curves = Array.from({length: q}, (_, k) => facts.levels.map(level => level.curvature[k]));

    function together(set) {
      const change = inside ? inside.change(set) : zeros(q);
      if (!facts.levels.length) return change;
      const x = sum(set.values) / used.length, left = interpolated(x, nodes, kept);
      const bend = x * Math.min(x, shares[shares.length - 1]);
      for (let k = 0; k < q; k++) change[k] = left * change[k] + bend * interpolated(x, shares, curves[k]);
      facts.levels.forEach((level, number) => {
        const part = combined(set.units, set.values, level.slopes, q);
        const share = interpolated(x, nodes, nodes.map((_, node) => node === number + 1 ? 1 : 0));
        for (let k = 0; k < q; k++) change[k] += share * (part[k] - x * sums[number][k]);
      });
      return change;
    }

    function estimate(set) {
      const alone = contributions(facts.additive, set, q), rest = together(set);
      if (facts.sizeEffect) sizeEffect(facts.sizeEffect, set, used.length).forEach((x, k) => { rest[k] += x; });
      return {terms: [alone, rest], change: alone.map((x, k) => x + rest[k]), error: null};
    }
    estimate.partners = inside && inside.partners;
    return estimate;
  }

  /* The sums of directions/terms.py: s_j = sum_i (conj(psi_ij) h_i)^power, of every direction. */
  function along(facts, set, power = 1) {
    const {starts, directions, real, imaginary} = facts.psi, m = facts.directions;
    const re = zeros(m), im = zeros(m);
    set.units.forEach((unit, at) => {
      const h = set.values[at] ** power, first = starts ? starts[unit] : unit * m;
      const last = starts ? starts[unit + 1] : first + m;
      for (let k = first; k < last; k++) {
        const j = starts ? directions[k] : k - first;
        let x = real[k], y = imaginary[k];
        for (let r = 1; r < power; r++) {
          [x, y] = [x * real[k] - y * imaginary[k], x * imaginary[k] + y * real[k]];
        }
        re[j] += h * x;
        im[j] -= h * y;
      }
    });
    return {re, im};
  }

  /* The terms of every group of directions, (groups, p, q) flat, and, with `spread`, the sum over directions
     of the squares of their shares (q,). */
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
          const power = set.values[at] ** (r + 1);
          for (let k = 0; k < q; k++) terms[r * q + k] += power * beta[(r * q + k) * units + unit];
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
    const selves = sum(set.values.map(h => h ** (2 * order)));
    const prior = squareOf(set) ** order + fit.w * selves;
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
      const {terms, squares} = termsOf(facts, q, set, errors), m = facts.directions;
      const by = ordered(terms, facts.degree, q), change = totals(by, q);
      const spread = squares.map((x, k) => Math.max(x - change[k] ** 2 / m, 0));
      return {terms: by, error: errors ? spread.map(x => m > 1 ? Math.sqrt(x * m / (m - 1)) : NaN) : null};
    },

    "median of means"(facts, q, set, errors) {
      const {terms} = termsOf(facts, q, set, false), p = facts.degree, count = facts.groups.length - 1;
      const groups = Array.from({length: count},
                                (_, g) => ordered(terms.subarray(g * p * q, (g + 1) * p * q), p, q));
      const sums = groups.map(by => totals(by, q)), each = f => zeros(q).map((_, k) => f(k));
      const change = each(k => median(sums.map(x => x[k])));
      const sigma = each(k => 1.4826 * median(sums.map(x => Math.abs(x[k] - change[k]))));
      const error = sigma.map(x => count > 1 ? Math.sqrt(Math.PI / 2 / count) * x : NaN);
      const medians = Array.from({length: p}, (_, r) => each(k => median(groups.map(by => by[r][k]))));
      return {terms: medians, change, error: errors ? error : null};
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
        made.terms[0] = made.terms[0].map((x, k) => x + first[k]);
        made.change = made.change.map((x, k) => x + first[k]);
      }
      return made;
    };
  }

  const made = {additive, gradients};

  /* The estimator of a page's facts.   used: the numbers of the units that steps use */
  function estimator(facts, q, used) { return (made[facts.kind] || decoder)(facts, q, used); }

  return {estimator, squareOf};
})();

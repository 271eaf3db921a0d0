"use strict";

/* How far a prediction may be off, and whether to trust it, as the files of trust/ calculate. */

const trust = (() => {
  const {TINY, general, toEven, percent, orZero, orOne, sum, mean, squared, median, chiSquared} = numbers;
  const TRUST = "trust", RAISE = "raise degree", MORE = "more directions", NOT = "do not trust";

  /* What the calibration sets of one kind say of a set of size |h|^2 = `square` and its change of q
     measurements. */
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
    near(square, width) {
      const log = Math.log(Math.max(square, TINY));
      const distances = Array.from(this.squares, x => ((log - Math.log(x)) / width) ** 2);
      const least = Math.min(...distances);
      return distances.map(x => Math.exp(-0.5 * (x - least)));
    }

    halfWidth(sampling, truncation, square) {
      const weight = this.near(square, this.limits.NEAR_ENOUGH), count = sum(weight) ** 2 / squared(weight);
      const least = chiSquared(1 - this.limits.CONFIDENCE, count);
      return sampling.map((own, k) => {
        const squares = weight.map((w, set) => w * this.standardised[set * this.q + k] ** 2);
        const normal = this.limits.NORMAL * Math.sqrt(sum(squares) / sum(weight) * count / least);
        return Math.max(normal, this.rankedReach(weight, toEven(count), k)) * Math.hypot(own, truncation[k]);
      });
    }

    /* The standardised error that bounds the level among `count` calibration sets of these weights. */
    rankedReach(weight, count, k) {
      const order = weight.map((_, place) => this.order[place * this.q + k]);
      let below = 0, at = 0;
      const along = order.map(set => below += weight[set]);
      while (along[at] < (this.ranks[count - 1] - 0.5) / count * below) at++;
      return this.standardised[order[at] * this.q + k];
    }

    /* The error of sets of a size beside the change: {error, spread, worst}. */
    relativeError(square) {
      const weight = this.near(square, this.limits.NEAR), {q} = this;
      const weighted = (values, k) => weight.reduce((total, w, set) => total + w * values[set * q + k], 0);
      const total = Array.from({length: q}, (_, k) => Math.max(weighted(this.sizes, k), TINY));
      const ratio = total.map((all, k) => weighted(this.errors, k) / all);
      const effective = sum(weight) ** 2 / squared(weight);
      const spread = Math.sqrt(sum(weight.map((w, set) => (w * mean(ratio.map(
        (one, k) => (this.errors[set * q + k] - one * this.sizes[set * q + k]) / total[k]))) ** 2)));
      const more = effective > 1.5 ? Math.sqrt(effective / Math.max(effective - 1, 0.5)) : Infinity;
      return {error: mean(ratio), worst: Math.max(...ratio), spread: spread * more};
    }

    /* How far a set moves the measurements, beside the farthest of calibration sets up to twice as large. */
    moved(change, square) {
      if (!(square > 0)) return 0;
      const usual = this.usual(square).map(orOne), {q} = this;
      const distance = values => Math.sqrt(mean(usual.map((one, k) => (values[k] / one) ** 2)));
      const most = Math.max(2 * square, Math.min(...this.squares));
      let farthest = 0;
      this.squares.forEach((size, set) => {
        const changes = this.changes.subarray(set * q, (set + 1) * q);
        if (size <= most) farthest = Math.max(farthest, distance(changes));
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
      return this.verdict(square, {...this.relativeError(square), truncated, beyond,
                                   moved: this.moved(change, square), kinks: this.kinks(square)});
    }

    verdict(square, {error, spread, worst, truncated, moved, beyond, kinks}) {
      const limits = this.limits, {lacking} = this.model, [sets, known] = this.words;
      if (!square) return [TRUST, "Nothing is deleted."];
      if (square > limits.MAX_SIZE * this.reach) {
        return [NOT, `The set has size ${general(square, 3)}; the largest calibration set has size `
          + `${general(this.reach, 3)}, so the error estimate does not apply.`];
      }
      if (kinks) {
        return [NOT, `Retraining sets of this size crossed ${toEven(kinks)} kinks (median); a Taylor series `
          + "describes one branch only."];
      }
      let calibrated = `Calibrated error for ${sets} of this size: ${percent(error)} of the change`;
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
        return [NOT, `This set changes the model ${general(moved, 2)} times as much as any calibration set `
          + "of its size, so the error estimate does not apply."];
      }
      if (beyond > limits.MAX_REST || beyond > Math.max(limits.MAX_SURPRISE * error, limits.SMALL_REST)) {
        return [RAISE, `Series not converged: extrapolated remainder ${percent(beyond)} of the change `
          + `typical of this size (calibrated error ${percent(error)}).`];
      }
      return [TRUST, `${calibrated}. ${known}`];
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

  return {Trust, remainder, TRUST, NOT};
})();

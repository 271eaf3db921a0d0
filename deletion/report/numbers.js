"use strict";

/* Small sums over numbers, and numbers as Python writes them. */

const numbers = (() => {
  const TINY = 2.2250738585072014e-308;

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
      const share = (x - nodes[k - 1]) / (nodes[k] - nodes[k - 1]);
      if (x < nodes[k]) return values[k - 1] + (values[k] - values[k - 1]) * share;
    }
    return values[values.length - 1];
  }

  /* The logarithm of the gamma function, by Lanczos' sum. */
  function logGamma(x) {
    const parts = [676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
                   12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
    const series = parts.reduce((total, part, k) => total + part / (x + k), 0.99999999999980993), t = x + 6.5;
    return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
  }

  /* The number below which chi squared lies with probability `share`.

     With x half of it and a half of the degrees of freedom, share is x^a e^-x / Gamma(a + 1) times the series
     1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ... In logarithms of both sides this is concave, so that
     Newton's steps from the left do not pass the solution. */
  function chiSquared(share, freedom) {
    const a = freedom / 2, constant = logGamma(a + 1);
    let log = (Math.log(share) + constant) / a;
    for (let k = 0; k < 100; k++) {
      const x = Math.exp(log);
      let series = 1;
      for (let n = 1, term = 1; term > 1e-17 * series; n++) series += term *= x / (a + n);
      const step = (Math.log(share) - (a * log - x - constant + Math.log(series))) * series / a;
      log += step;
      if (Math.abs(step) < 1e-15) break;
    }
    return 2 * Math.exp(log);
  }

  return {TINY, general, toEven, percent, orZero, orOne, zeros, sum, mean, squared, median, interpolated,
          chiSquared};
})();

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

  return {TINY, general, toEven, percent, orZero, orOne, zeros, sum, mean, squared, median, interpolated};
})();

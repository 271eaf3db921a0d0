"use strict";

/* Charts as inline SVG, drawn for the width that they have. Texts are text nodes, never markup. */

const charts = (() => {
  const SPACE = "http://www.w3.org/2000/svg";

  function svg(tag, attributes = {}, ...children) {
    const made = document.createElementNS(SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /* Round numbers inside a range, about `count` of them, and the decimals that tell them apart. */
  function ticks(low, high, count) {
    const rough = (high - low) / count, ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(x => x * ten).find(x => x >= rough * 0.999), all = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) all.push(k * step);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const shown = x => decimals > 6 || Math.abs(x) >= 1e6 ? x.toExponential(1) : x.toFixed(decimals);
    return all.map(x => [x, shown(Object.is(x, -0) ? 0 : x).replace("-", "\u2212")]);
  }

  /* A range that holds all finite values, a little larger, and never empty. */
  function range(values, most = 0.06) {
    const finite = Float64Array.from(values.filter(Number.isFinite)).sort();
    const [low, high] = finite.length ? [finite[0], finite[finite.length - 1]] : [0, 1];
    const extra = (high - low) * most || Math.abs(high) * 0.01 || 1;
    return [low - extra, high + extra];
  }

  /* An empty chart in a figure, with axes. Returns the places of numbers, and what adds a shape. */
  function chart(figure, {x, y, xLabel, yLabel, label, height = 250}) {
    figure.querySelector("svg")?.remove();
    const style = getComputedStyle(figure);
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const width = Math.max(240, figure.clientWidth - padding);
    const yTicks = ticks(...y, 5), left = 14 + 6.6 * Math.max(...yTicks.map(([, text]) => text.length));
    const [right, top, bottom] = [10, 20, 38];
    const X = v => left + (v - x[0]) / (x[1] - x[0]) * (width - left - right);
    const Y = v => height - bottom - (v - y[0]) / (y[1] - y[0]) * (height - top - bottom);
    const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
    const add = (tag, attributes, ...children) => root.appendChild(svg(tag, attributes, ...children));
    for (const [v, text] of yTicks) {
      add("line", {class: "axis", x1: left, x2: width - right, y1: Y(v), y2: Y(v)});
      add("text", {x: left - 7, y: Y(v) + 4, "text-anchor": "end"}, text);
    }
    for (const [v, text] of ticks(...x, width > 420 ? 6 : 4)) {
      add("line", {class: "axis", x1: X(v), x2: X(v), y1: height - bottom, y2: height - bottom + 4});
      add("text", {x: X(v), y: height - bottom + 17, "text-anchor": "middle"}, text);
    }
    add("text", {x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle"}, xLabel);
    add("text", {x: 0, y: 10}, yLabel);
    figure.append(root);
    return {X, Y, add, x, y};
  }

  const path = points => "M" + points.map(point => point.map(v => v.toFixed(2)).join(" ")).join("L");

  /* Predictions over the weight.   points: [{weight, value, low, high, trusted}], here: the chosen one */
  function curve(figure, points, here, trained, label) {
    const bounds = points.flatMap(p => [p.value, p.low ?? p.value, p.high ?? p.value]);
    const weights = points.map(p => p.weight);
    const {X, Y, add, x} = chart(figure, {
      x: [Math.min(...weights), Math.max(...weights)], y: range([...bounds, trained]), label,
      xLabel: "weight that the set keeps", yLabel: "predicted value"});
    if (points[0].low !== null) {
      const edge = name => points.map(p => [X(p.weight), Y(p[name])]);
      add("path", {class: "band", d: path([...edge("low"), ...edge("high").reverse()]) + "Z"});
    }
    add("line", {class: "reference", x1: X(x[0]), x2: X(x[1]), y1: Y(trained), y2: Y(trained)});
    for (let from = 0; from < points.length - 1;) {
      let to = from + 1;
      const trusted = points[from].trusted && points[to].trusted;
      while (to < points.length - 1 && (points[to].trusted && points[to + 1].trusted) === trusted) to++;
      add("path", {class: trusted ? "line" : "line doubtful",
                   d: path(points.slice(from, to + 1).map(p => [X(p.weight), Y(p.value)]))});
      from = to;
    }
    add("circle", {class: "here", r: 5, cx: X(here.weight), cy: Y(here.value)});
  }

  /* Predicted against retrained changes.   points: [{predicted, retrained, title}], here: a change or null */
  function scatter(figure, points, here, label) {
    const both = range(points.flatMap(p => [p.predicted, p.retrained]));
    const wide = here === null || !Number.isFinite(here) ? both : range([...both, here], 0);
    const {X, Y, add} = chart(figure, {x: wide, y: both, label, xLabel: "predicted change",
                                       yLabel: "retrained change"});
    add("line", {class: "reference", x1: X(both[0]), x2: X(both[1]), y1: Y(both[0]), y2: Y(both[1])});
    for (const p of points) {
      add("circle", {class: "point", r: 3.4, cx: X(p.predicted), cy: Y(p.retrained)},
          svg("title", {}, p.title));
    }
    if (here !== null && Number.isFinite(here)) {
      add("line", {class: "marker", x1: X(here), x2: X(here), y1: Y(both[0]), y2: Y(both[1])});
      const late = here > (wide[0] + wide[1]) / 2;
      add("text", {x: X(here) + (late ? -6 : 6), y: Y(both[1]) + 10, "text-anchor": late ? "end" : "start"},
          "this set");
    }
  }

  /* A sum over the steps of the training.   values: after every step */
  function steps(figure, values, label) {
    const {X, Y, add, x} = chart(figure, {
      x: [0, values.length], y: range([0, ...values]), label, height: 220, xLabel: "training step",
      yLabel: "change, first order, of the steps so far"});
    add("line", {class: "reference", x1: X(x[0]), x2: X(x[1]), y1: Y(0), y2: Y(0)});
    const points = [[X(0), Y(0)]];
    let before = 0;
    values.forEach((value, step) => {
      if (value !== before) points.push([X(step), Y(before)], [X(step), Y(value)]);
      before = value;
    });
    add("path", {class: "line", d: path([...points, [X(values.length), Y(before)]])});
  }

  /* Value and interval on one line, beside the value as trained. */
  function reach(figure, {value, low, high}, trained, label) {
    const x = range([value, low ?? value, high ?? value, trained], 0.12);
    figure.querySelector("svg")?.remove();
    const width = Math.max(240, figure.clientWidth), X = v => 8 + (v - x[0]) / (x[1] - x[0]) * (width - 16);
    const root = svg("svg", {viewBox: `0 0 ${width} 46`, role: "img", "aria-label": label});
    const add = (tag, attributes, ...children) => root.appendChild(svg(tag, attributes, ...children));
    add("line", {class: "axis", x1: 8, x2: width - 8, y1: 15, y2: 15});
    if (low !== null) add("line", {class: "reach", x1: X(low), x2: X(high), y1: 15, y2: 15});
    add("line", {class: "reference", x1: X(trained), x2: X(trained), y1: 3, y2: 27});
    add("circle", {class: "here", r: 5, cx: X(value), cy: 15});
    const side = X(trained) < 40 ? "start" : X(trained) > width - 40 ? "end" : "middle";
    add("text", {x: X(trained), y: 41, "text-anchor": side}, "as trained");
    figure.append(root);
  }

  return {curve, scatter, steps, reach};
})();

"use strict";

/* What is chosen, and what the page shows of it. Everything that comes from the data is put in as text. */

(() => {
  const AT_ONCE = 200, CHIPS = 40, TOP = 8, POINTS = 41, MINUS = "\u2212";
  const at = id => document.getElementById(id);

  function make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (name === "class") made.className = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // the content ---------------------------------------------------------------------------------------------

  const bytes = Uint8Array.from(atob(at("coefficients").textContent), letter => letter.charCodeAt(0)).buffer;
  const content = predictions.revived(at("content").textContent, bytes);
  const models = predictions.models(content), units = content.units;
  const folded = units.map(name => name.toLowerCase());
  /* Every number that is measured: its name, model, and place among the model's. */
  const measured = models.flatMap((model, of) => Array.from(model.value, (_, place) => ({of, model, place})));
  measured.forEach((one, k) => { one.name = content.names[k]; });
  const single = new Map();

  /* The change without each unit alone (units x q), of one model. */
  function alone(model) {
    if (!single.has(model)) single.set(model, model.leaveOneOuts());
    return single.get(model);
  }

  const state = {chosen: new Set(), weight: 0, shown: 0, found: units.map((_, unit) => unit)};
  const setAt = weight => ({units: [...state.chosen], values: Array.from(state.chosen, () => 1 - weight)});
  const shown = () => measured[state.shown];

  // numbers as text -----------------------------------------------------------------------------------------

  /* A number with the digits that differences of size `scale` need. */
  function written(x, scale) {
    if (!Number.isFinite(x)) return String(x);
    const size = Math.floor(Math.log10(scale > 0 ? scale : Math.abs(x) || 1)), decimals = 2 - size;
    let text;
    if (decimals >= 0 && decimals <= 7 && Math.abs(x) < 1e7) text = x.toFixed(decimals);
    else if (decimals < 0 && Math.abs(x) < 1e7) text = x.toFixed(0);
    else {
      const digits = Math.floor(Math.log10(Math.abs(x) || 1)) + decimals + 1;
      text = numbers.general(x, Math.min(12, Math.max(3, digits)));
    }
    return text.replace(/^-(?=[0.]*$)/, "").replaceAll("-", MINUS);
  }

  function signed(x, scale) {
    const text = written(x, scale);
    return x > 0 ? `+${text}` : text;
  }

  const number = (x, text) => make("data", {value: String(x)}, text);
  const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const name = unit => make("bdi", {}, units[unit]);

  // choosing ------------------------------------------------------------------------------------------------

  function choose(unit, on = !state.chosen.has(unit)) {
    if (on) state.chosen.add(unit);
    else state.chosen.delete(unit);
    update();
  }

  function search() {
    const text = at("search").value.trim().toLowerCase(), one = shown();
    state.found = units.map((_, unit) => unit).filter(unit => folded[unit].includes(text));
    // what is called so comes before what begins so, and that before what contains it
    const place = unit => folded[unit] === text ? 0 : folded[unit].startsWith(text) ? 1 : 2;
    if (text) state.found.sort((a, b) => place(a) - place(b) || a - b);
    if (at("order").value === "most") {
      const size = unit => Math.abs(alone(one.model)[unit * one.model.q + one.place]);
      state.found.sort((a, b) => size(b) - size(a) || a - b);
    }
    at("found").textContent = counted(state.found.length, "unit") + (text ? " found" : "");
    at("list").replaceChildren(...state.found.slice(0, AT_ONCE).map(entry));
    at("list").scrollTop = 0;
    if (state.found.length) at("list").querySelector("input").tabIndex = 0;
    const rest = state.found.length - AT_ONCE;
    at("more").textContent = rest > 0 ? `and ${rest.toLocaleString("en")} more: search to see them` : "";
    at("all").disabled = !state.found.length;
  }

  function entry(unit) {
    const {model, place} = shown(), change = alone(model)[unit * model.q + place];
    const box = make("input", {type: "checkbox", value: unit, tabindex: -1, keydown: step,
                               change: () => choose(unit, box.checked)});
    box.checked = state.chosen.has(unit);
    const idle = !model.isUsed[unit];
    return make("li", idle ? {class: "idle"} : {}, make("label", {}, box, name(unit),
      idle ? make("span", {class: "note"}, "not used") : number(change, signed(change, Math.abs(change)))));
  }

  /* The list is one stop of the tabulator; inside it arrow keys, Home and End move. */
  function step(event) {
    const boxes = [...at("list").querySelectorAll("input")], here = boxes.indexOf(event.target);
    const to = {ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: boxes.length - 1}[event.key];
    if (!boxes[to]) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    boxes[to].tabIndex = 0;
    boxes[to].focus();
  }

  function chip(unit) {
    return make("li", {}, make("button", {type: "button", "aria-label": `Keep ${units[unit]}`, click: () => {
      choose(unit, false);
      (at("chosen").querySelector("button") || at("search")).focus();
    }}, name(unit)));
  }

  function weigh(weight) {
    const [low, high] = content.weights;
    if (!Number.isFinite(weight)) return;
    state.weight = Math.min(Math.max(weight, low), high);
    update();
  }

  // the answer ----------------------------------------------------------------------------------------------

  /* What the set is called in a sentence: texts, and what `as` makes of its first units. */
  function calling(as) {
    const few = [...state.chosen].slice(0, 3), rest = state.chosen.size - few.length;
    if (!few.length) return ["With every unit"];
    const start = state.weight ? `With weight ${numbers.general(state.weight, 3)} of ` : "Without ";
    return [start, ...few.flatMap((unit, k) => k ? [", ", as(unit)] : [as(unit)]),
            rest ? ` and ${counted(rest, "other unit")}` : ""];
  }

  const called = () => calling(unit => units[unit]).join("");

  /* One measured number of a prediction. */
  function picked(prediction, place) {
    const [value, change, low, high] = ["value", "change", "low", "high"].map(
      which => prediction[which] === null ? null : prediction[which][place]);
    return {value, change, low, high, scale: Math.max(Math.abs(change), low === null ? 0 : (high - low) / 2)};
  }

  function verdict({verdict: text}) {
    const trusted = text === trust.TRUST;
    return make("span", {class: trusted ? "verdict trust" : "verdict"}, text ?? "not calibrated");
  }

  /* The digits that a number and its interval need, and an interval's two numbers as cells have them. */
  const digitsOf = ({scale}, trained) => scale || Math.abs(trained) / 1e3;
  const ends = ({low, high}, size) => [number(low, written(low, size)), " to ",
                                       number(high, written(high, size))];
  const level = `${numbers.general(100 * content.level, 3)}% interval`;

  function update() {
    state.predictions = models.map(model => model.predict(setAt(state.weight)));
    for (const box of at("list").querySelectorAll("input")) box.checked = state.chosen.has(Number(box.value));
    at("slider").value = state.weight;
    if (document.activeElement !== at("weight")) at("weight").value = numbers.general(state.weight, 6);
    at("none").disabled = !state.chosen.size;
    at("without").replaceChildren(...(state.chosen.size ? [...calling(name), ":"]
      : ["Nothing is deleted yet: choose units to delete."]));
    const chips = [...state.chosen], more = chips.length - CHIPS;
    at("chosen").replaceChildren(...chips.slice(0, CHIPS).map(chip),
      ...(more > 0 ? [make("li", {class: "note"}, `and ${more.toLocaleString("en")} more`)] : []));
    at("chosen").hidden = !chips.length;
    answer();
    sideBySide();
    later();
  }

  function answer() {
    const {of, model, place, name: title} = shown(), prediction = state.predictions[of];
    const one = picked(prediction, place), {value, change, low, high} = one, trained = model.value[place];
    const size = digitsOf(one, trained);
    const fact = (term, ...what) => make("div", {}, make("dt", {}, term), make("dd", {}, ...what));
    const interval = low === null ? [] : [fact(level, ...ends(one, size))];
    at("answer").replaceChildren(
      make("div", {class: "headline"},
        make("div", {}, make("h3", {}, make("bdi", {}, title)),
          make("span", {class: "value", id: "value"}, number(value, written(value, size)))),
        make("dl", {class: "facts"}, fact("as trained", number(trained, written(trained, size))),
          fact("change", number(change, signed(change, size))), ...interval,
          fact("verdict", verdict(prediction)))),
      make("div", {id: "strip"}), make("p", {class: "note", id: "reason"}, prediction.reason));
    const said = low === null ? "" : `, ${level} ${written(low, size)} to ${written(high, size)}`;
    const sentence = `${called()}: ${title} ${written(value, size)}, change ${signed(change, size)}${said}. `
      + `${prediction.verdict === null ? "Not calibrated" : `Verdict: ${prediction.verdict}`}.`;
    state.sentence = sentence;
    clearTimeout(state.speaking);
    state.speaking = setTimeout(() => { at("status").textContent = sentence; }, 250);
  }

  function sideBySide() {
    if (measured.length < 2) return;
    const rows = measured.map(({of, model, place, name: title}, k) => {
      const prediction = state.predictions[of], one = picked(prediction, place), {value, change, low} = one;
      const trained = model.value[place], size = digitsOf(one, trained);
      const pick = make("button", {type: "button", "aria-pressed": k === state.shown, click: () => show(k)},
        make("bdi", {}, title));
      const cell = (...what) => make("td", {}, ...what);
      return make("tr", {}, make("th", {scope: "row"}, pick), cell(number(trained, written(trained, size))),
        cell(number(value, written(value, size))), cell(number(change, signed(change, size))),
        cell(...(low === null ? ["\u2013"] : ends(one, size))), cell(verdict(prediction)));
    });
    const heads = ["measurement", "as trained", "predicted", "change", level, "verdict"];
    const focused = at("side-by-side").contains(document.activeElement);
    const head = make("tr", {}, ...heads.map(text => make("th", {scope: "col"}, text)));
    at("side-by-side").replaceChildren(make("table", {},
      make("caption", {}, "All measurements: choose one to see more of it."), make("thead", {}, head),
      make("tbody", {}, ...rows)));
    if (focused) at("side-by-side").querySelector("[aria-pressed=true]").focus();
  }

  function show(k) {
    state.shown = k;
    search();
    update();
  }

  // what is drawn -------------------------------------------------------------------------------------------

  function later() {
    if (state.waiting) return;
    state.waiting = true;
    // the answer is painted before the charts are calculated
    requestAnimationFrame(() => setTimeout(() => {
      state.waiting = false;
      [drawStrip, drawCurve, drawCalibration, listInfluential, listPartners, drawTime].forEach(
        draw => draw(shown()));
    }));
  }

  const caption = (id, text) => { at(id).querySelector(".note").textContent = text; };

  function drawStrip({of, model, place}) {
    charts.reach(at("strip"), picked(state.predictions[of], place), model.value[place], state.sentence);
  }

  function drawCurve({model, place}) {
    const [low, high] = content.weights, points = [];
    for (let k = 0; k < POINTS; k++) {
      const weight = low + (high - low) * k / (POINTS - 1), prediction = model.predict(setAt(weight));
      points.push({weight, ...picked(prediction, place), trusted: prediction.verdict === trust.TRUST});
    }
    const here = {weight: state.weight, ...picked(state.predictions[shown().of], place)};
    caption("curve", !state.chosen.size ? "Choose units to see how the prediction moves with their weight."
      : points[0].low === null ? "The prediction for each weight that the set keeps."
        : "Line: prediction, dashed where it is not trusted. Band: interval. Dotted: as trained.");
    charts.curve(at("curve"), points, here, model.value[place],
      `${called()}: predicted value from weight ${low} to ${high}`);
  }

  function drawCalibration({model, place, of}) {
    const {part} = state.predictions[of];
    at("calibration").hidden = !part?.finite;
    if (!part?.finite) return;
    const {predicted, changes, squares, count, words: [sets]} = part, {q} = model, points = [];
    let errors = 0, sizes = 0;
    for (let k = 0; k < count; k++) {
      const [guess, truth] = [predicted[k * q + place], changes[k * q + place]];
      errors += Math.abs(guess - truth);
      sizes += Math.abs(truth);
      const title = `${numbers.general(squares[k], 4)} units: predicted ${signed(guess, Math.abs(guess))}, `
        + `retrained ${signed(truth, Math.abs(truth))}`;
      points.push({predicted: guess, retrained: truth, title});
    }
    caption("calibration", `${count} ${sets}, each retrained exactly. All errors together: `
      + `${numbers.general(sizes ? 100 * errors / sizes : 0, 2)}% of all changes.`);
    const here = state.chosen.size ? state.predictions[of].change[place] : null;
    charts.scatter(at("calibration"), points, here,
      `Predicted against retrained change of ${count} ${sets}`);
  }

  /* A list of units with bars.   items: [[unit, number]], largest: the number of a full bar */
  function bars(list, items, largest) {
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.unit;
    list.replaceChildren(...items.map(([unit, x]) => {
      const bar = make("span", {class: x < 0 ? "bar lower" : "bar"});
      bar.style.inlineSize = `${100 * Math.abs(x) / largest}%`;
      const attributes = {type: "button", "data-unit": unit, "aria-pressed": state.chosen.has(unit)};
      return make("li", {}, make("button", {...attributes, click: () => choose(unit)}, name(unit),
        number(x, signed(x, largest)), bar));
    }));
    if (!items.length) list.append(make("li", {class: "note"}, "none"));
    if (focused) list.querySelector(`[data-unit="${focused}"]`)?.focus();
  }

  /* [[unit, number]] of one measurement, of the numbers that are not 0. */
  function ranked(changes, {model, place}) {
    return model.used.map(unit => [unit, changes[unit * model.q + place]]).filter(([, x]) => x !== 0);
  }

  function listInfluential(one) {
    const all = ranked(alone(one.model), one);
    const largest = all.reduce((most, [, x]) => Math.max(most, Math.abs(x)), 0);
    all.sort((a, b) => b[1] - a[1]);
    bars(at("up"), all.filter(([, x]) => x > 0).slice(0, TOP), largest);
    bars(at("down"), all.filter(([, x]) => x < 0).reverse().slice(0, TOP), largest);
  }

  function listPartners(one) {
    const {model} = one;
    at("with").hidden = !model.interacts || !state.chosen.size;
    at("partners").hidden = !model.interacts;
    at("influential").classList.toggle("wide", !model.interacts);
    caption("influential", "What deleting each alone is predicted to change."
      + (model.interacts ? "" : " This model keeps no interactions between units."));
    caption("partners", state.chosen.size
      ? "By how much more each would change the measurement once the set is deleted."
      : "Choose units to see with whom they interact.");
    if (at("with").hidden) return;
    const all = ranked(model.partners(setAt(state.weight), alone(model)), one);
    all.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    bars(at("with"), all.slice(0, TOP), all.length ? Math.abs(all[0][1]) : 1);
  }

  function drawTime({of, model, place}) {
    const kept = content.overTime[of];
    at("time").hidden = !kept;
    if (!kept) return;
    const values = new Float64Array(kept.steps);
    for (const unit of state.chosen) {
      for (let k = kept.starts[unit]; k < kept.starts[unit + 1]; k++) {
        values[kept.when[k]] -= (1 - state.weight) * kept.slopes[k * model.q + place];
      }
    }
    for (let step = 1; step < values.length; step++) values[step] += values[step - 1];
    caption("time", state.chosen.size
      ? "What the set's examples contribute at each step, summed up from the first."
      : "Choose units to see at which steps they have their influence.");
    charts.steps(at("time"), values,
      `${called()}: first-order change, summed over the steps of the training`);
  }

  // at the start --------------------------------------------------------------------------------------------

  document.title = at("title").textContent = content.title;
  at("about").textContent = `${counted(units.length, "unit")}, ${counted(measured.length, "measurement")}. `
    + "Choose whom to delete, and read what the model would measure had it never seen them.";
  const sources = [...new Set(models.map(model => model.source))].join("; ");
  at("made").textContent = `Estimated by ${sources}. This page is ${content.size}; everything is calculated `
    + "here, and nothing is sent or fetched.";
  for (const control of [at("slider"), at("weight")]) {
    [control.min, control.max] = content.weights;
    control.addEventListener("input", () => weigh(control.value === "" ? NaN : Number(control.value)));
  }
  if (content.weights[1] > 1) {
    at("meaning").textContent = at("meaning").textContent.replace(/\.$/, "; at 2 they count twice.");
  }
  at("weight").addEventListener("change", () => { at("weight").value = numbers.general(state.weight, 6); });
  at("search").addEventListener("input", search);
  at("order").addEventListener("change", search);
  at("all").addEventListener("click", () => {
    state.found.forEach(unit => state.chosen.add(unit));
    update();
  });
  at("none").addEventListener("click", () => {
    state.chosen.clear();
    update();
    at("search").focus();
  });
  addEventListener("resize", later);
  search();
  update();

  /* For tests and for the browser's console: predict([numbers of units], [downweights]) of every model. */
  globalThis.predict = (which, values) => models.map(model => {
    const {value, low, high, verdict: text, reason, part} = model.predict({units: which, values});
    const kind = part && part.kind;
    return {value: [...value], low: low && [...low], high: high && [...high], verdict: text, reason, kind};
  });
})();

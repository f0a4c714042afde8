"use strict";
// Everything that people wrote is set as text (textContent, title), never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const LANE = 46, BLOCK = 32, ARCS = 58, DOUBT = 46, AXIS = 24, GAP = 12, MAX_ARC = 70;
const MAX_ENTROPY = Math.log(data.classes.length);
const $ = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
const state = { dialogue: null, chosen: -1, scale: 1, layout: null, blocks: [], lines: [] };

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "text", "line", "path", "circle"].includes(name);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "share") node.style.setProperty("--share", value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const best = (utterance) => utterance.p.indexOf(Math.max(...utterance.p));
const color = (emotion) => `e${data.colors[emotion]}`;
const wrong = (utterance) => utterance.label >= 0 && utterance.label !== best(utterance);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const words = (utterance) => utterance.text
  ? element("span", { class: "said" }, utterance.text) : element("span", { class: "nothing" }, "no text");
const chip = (emotion, text) => element("span", { class: `chip ${color(emotion)}` }, text);

function spoken(utterance) {
  const emotion = best(utterance);
  const label = wrong(utterance) ? `, label ${data.classes[utterance.label]}` : "";
  return `${utterance.speaker}: ${data.classes[emotion]} ${percent(utterance.p[emotion])}${label}. ${utterance.text}`;
}

// ---- bars of probabilities and uncertainty ----
function probabilityBars(utterance) {
  const rows = data.classes.map((name, emotion) => emotion).sort((a, b) => utterance.p[b] - utterance.p[a]);
  const meter = element("div", { class: "meter probabilities" });
  rows.forEach((emotion, rank) => meter.append(
    element("span", rank ? {} : { class: "top" }, data.classes[emotion]),
    element("span", { class: `track emotion ${color(emotion)}` }, element("i", { share: utterance.p[emotion] })),
    element("span", rank ? {} : { class: "top" }, percent(utterance.p[emotion]))));
  return meter;
}

function uncertaintyBars(utterance) {
  const [total, aleatoric, epistemic] = utterance.uncertainty;
  const part = (kind, value) => element("i", { class: kind, share: value / MAX_ENTROPY });
  const row = (name, value, ...parts) => [element("span", {}, name), element("span", { class: "track" }, ...parts),
    element("span", {}, value.toFixed(2))];
  return element("div", { class: "meter uncertainty" },
    ...row("total", total, part("aleatoric", aleatoric), part("epistemic", epistemic)),
    ...row("aleatoric", aleatoric, part("aleatoric", aleatoric)),
    ...row("epistemic", epistemic, part("epistemic", epistemic)));
}

// ---- timeline ----
function measure(dialogue) {
  const rows = dialogue.utterances;
  const timed = rows.every((u) => u.start !== null && u.end !== null);
  const speakers = [...new Set(rows.map((u) => u.speaker))];
  const from = rows.map((u, i) => timed ? u.start : i);
  const to = rows.map((u, i) => timed ? u.end : i + 0.92);
  const first = timed ? from.reduce((a, b) => Math.min(a, b)) : 0;
  const last = to.reduce((a, b) => Math.max(a, b), first + 1e-3);
  const spans = to.map((end, i) => end - from[i]).sort((a, b) => a - b);
  const median = spans[Math.floor(spans.length / 2)] || 1;
  return { timed, speakers, from, to, first, last, median, bottom: ARCS + speakers.length * LANE };
}

function visibleWidth() { return Math.max($("scroller").clientWidth - 2 * GAP, 100); }
function fitScale() { return visibleWidth() / (state.layout.last - state.layout.first); }
function place(i) {
  const { first, from, to, speakers } = state.layout;
  const x = GAP + (from[i] - first) * state.scale;
  const lane = speakers.indexOf(state.dialogue.utterances[i].speaker);
  return { x, width: Math.max((to[i] - from[i]) * state.scale, 3), y: ARCS + lane * LANE + (LANE - BLOCK) / 2 };
}

function drawTimeline() {
  const { first, last, speakers, bottom } = state.layout;
  const width = GAP * 2 + (last - first) * state.scale, height = bottom + DOUBT + AXIS;
  const svg = element("svg", { width, height, role: "listbox", "aria-label": "Utterances in time" });
  speakers.forEach((_, lane) => svg.append(
    element("line", { class: "lane", x1: 0, x2: width, y1: ARCS + (lane + .5) * LANE, y2: ARCS + (lane + .5) * LANE })));
  drawAxis(svg, bottom + DOUBT, width);
  state.blocks = state.dialogue.utterances.map((utterance, i) => {
    const block = drawBlock(utterance, i);
    svg.append(block);
    return block;
  });
  svg.append(element("g", { id: "arcs" }));
  $("scroller").replaceChildren(svg);
  $("names").replaceChildren(...speakers.map((name, lane) => laneName(name, ARCS + (lane + .5) * LANE)),
    laneName("uncertainty", bottom + DOUBT / 2));
  $("names").style.height = `${height}px`;
  mark();
}

function laneName(name, y) {
  const label = element("div", { title: name }, name);
  label.style.top = `${y}px`;
  return label;
}

function drawBlock(utterance, i) {
  const { x, width, y } = place(i), emotion = best(utterance), name = data.classes[emotion];
  const block = element("g", { class: `block ${color(emotion)}`, "data-i": i, role: "option", tabindex: -1,
    "aria-selected": false, "aria-label": spoken(utterance) });
  block.append(element("rect", { class: "fill", x, y, width, height: BLOCK, rx: Math.min(5, width / 3) }));
  if (wrong(utterance)) block.append(element("rect",
    { class: `truth ${color(utterance.label)}`, x: x + 1, y: y - 6, width: Math.max(width - 2, 2), height: 6, rx: 2 }));
  const text = width > 6.4 * name.length + 10 ? name : width > 28 ? name.slice(0, 3) : "";
  if (text) block.append(element("text", { x: x + width / 2, y: y + BLOCK / 2 + 4, "text-anchor": "middle" }, text));
  const [, aleatoric, epistemic] = utterance.uncertainty.map((part) => part / MAX_ENTROPY * (DOUBT - 8));
  const base = state.layout.bottom + DOUBT, bar = { x, width: Math.max(width - 1, 2) };
  block.append(element("rect", { class: "aleatoric", ...bar, y: base - aleatoric, height: aleatoric }),
    element("rect", { class: "epistemic", ...bar, y: base - aleatoric - epistemic, height: epistemic }));
  return block;
}

function drawAxis(svg, y, width) {
  const { first, last, timed } = state.layout;
  const steps = timed ? [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600] : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
  const step = steps.find((candidate) => candidate * state.scale >= 56) ?? steps.at(-1);
  svg.append(element("line", { class: "tick", x1: 0, x2: width, y1: y, y2: y }));
  for (let at = Math.ceil(first / step) * step; at <= last; at += step) {
    const x = GAP + (at - first) * state.scale;
    svg.append(element("line", { class: "tick", x1: x, x2: x, y1: y, y2: y + 5 }),
      element("text", { x: x + (timed ? 0 : 2), y: y + 17, "text-anchor": timed ? "middle" : "start" },
        timed ? clock(at) : `#${at + 1}`));
  }
}

function drawArcs() {
  const relations = state.chosen < 0 ? [] : state.dialogue.utterances[state.chosen].relations;
  const strongest = Math.max(...relations.map((relation) => relation[2]), 1e-9);
  const lines = [], origins = [];
  relations.forEach(([source, , weight], rank) => {
    const a = place(source), b = place(state.chosen);
    const x1 = a.x + a.width / 2, x2 = b.x + b.width / 2;
    const top = Math.min(a.y, b.y) - Math.min(MAX_ARC, 18 + Math.abs(x1 - x2) * .14);
    const d = `M${x1} ${a.y} C${x1} ${top} ${x2} ${top} ${x2} ${b.y}`, width = 1 + 3.5 * weight / strongest;
    lines.push(element("path", { class: "arc halo", d, "stroke-width": width + 2.5 }),
      element("path", { class: "arc", d, "stroke-width": width, "data-rank": rank }));
    origins.push(element("circle", { class: "origin", cx: x1, cy: a.y, r: 4.5, "data-rank": rank }));
  });
  $("arcs").replaceChildren(...lines, ...origins);
}

function pointOut(rank) {
  for (const part of $("arcs").children) part.classList.toggle("faint", rank >= 0 && part.dataset.rank !== String(rank));
}

// ---- transcript, details ----
function drawTranscript() {
  state.lines = state.dialogue.utterances.map((utterance, i) => {
    const emotion = best(utterance);
    return element("li", { class: `line ${color(emotion)}`, "data-i": i, role: "option", tabindex: -1,
      "aria-selected": false },
    element("span", { class: "head" }, element("b", {}, utterance.speaker),
      element("span", { class: "quiet" }, `${data.classes[emotion]} ${percent(utterance.p[emotion])}`
        + (wrong(utterance) ? ` · label ${data.classes[utterance.label]}` : ""))),
    words(utterance));
  });
  $("lines").replaceChildren(...state.lines);
  $("lines").scrollTop = 0;
}

function drawDetails() {
  if (state.chosen < 0) {
    const hint = "Choose an utterance to see its probabilities and the utterances that it draws on.";
    return $("details").replaceChildren(element("p", { class: "quiet" }, hint));
  }
  const utterance = state.dialogue.utterances[state.chosen], emotion = best(utterance);
  const when = utterance.start === null ? "" : ` · ${clock(utterance.start)}`;
  const known = utterance.label < 0 ? null : element("p", {}, "Label: ", chip(utterance.label, data.classes[utterance.label]),
    wrong(utterance) ? "" : " as predicted");
  $("details").replaceChildren(
    element("h2", {}, chip(emotion, `${utterance.speaker}: ${data.classes[emotion]}`)),
    element("p", { class: "quiet" }, `${utterance.name} · ${state.chosen + 1} of ${state.dialogue.utterances.length}${when}`),
    element("blockquote", {}, words(utterance)),
    element("div", { class: "columns" },
      element("div", {}, element("h3", {}, "Probabilities"), probabilityBars(utterance), known),
      element("div", {}, element("h3", {}, "Uncertainty (nats)"), uncertaintyBars(utterance))),
    ...relationList(utterance));
}

function relationList(utterance) {
  if (!data.relations.length) return [];
  const strongest = Math.max(...utterance.relations.map((relation) => relation[2]), 1e-9);
  const items = utterance.relations.map(([source, relation, weight], rank) => {
    const other = state.dialogue.utterances[source], where = source - state.chosen;
    const away = `${Math.abs(where)} ${where < 0 ? "before" : "after"}`;
    return element("li", {}, element("button", { type: "button", class: color(best(other)), onclick: () => choose(source, true),
      onpointerenter: () => pointOut(rank), onpointerleave: () => pointOut(-1), onfocus: () => pointOut(rank),
      onblur: () => pointOut(-1) },
    element("span", { class: "text" }, element("b", {}, `${other.speaker}: `), other.text || "no text"),
    element("small", {}, `${data.relations[relation]} · ${away} · ${weight.toPrecision(2)}`),
    element("span", { class: "weight", share: weight / strongest })));
  });
  const list = items.length ? element("ul", { class: "relations" }, ...items) : element("p", { class: "quiet" }, "none");
  return [element("h3", {}, "Strongest relations"), list];
}

// ---- choosing, hovering, keys ----
function mark() {
  for (const nodes of [state.blocks, state.lines]) {
    nodes.forEach((node, i) => {
      const chosen = i === state.chosen;
      if (chosen !== node.classList.contains("chosen")) {
        node.classList.toggle("chosen", chosen);
        node.setAttribute("aria-selected", chosen);
      }
      const stop = i === Math.max(state.chosen, 0) ? "0" : "-1";  // one stop of the Tab key for all utterances
      if (node.getAttribute("tabindex") !== stop) node.setAttribute("tabindex", stop);
    });
  }
  drawArcs();
}

function show(i) {
  const { x, width } = place(i), view = $("scroller");
  if (x < view.scrollLeft || x + width > view.scrollLeft + view.clientWidth) {
    view.scrollLeft = x + width / 2 - view.clientWidth / 2;
  }
  const line = state.lines[i], list = $("lines");
  const top = line.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + line.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTop = top - list.clientHeight / 3;
  }
}

function choose(i, focus = false) {
  state.chosen = i;
  mark();
  drawDetails();
  show(i);
  if (focus) state.blocks[i].focus({ preventScroll: true });
}

function tell(node) {
  const utterance = state.dialogue.utterances[node.dataset.i], tooltip = $("tooltip");
  const said = element("p", {}, element("b", {}, `${utterance.speaker} `), utterance.text);
  tooltip.replaceChildren(said, probabilityBars(utterance), element("h3", {}, "Uncertainty"), uncertaintyBars(utterance));
  tooltip.hidden = false;
  const box = node.querySelector(".fill").getBoundingClientRect(), size = tooltip.getBoundingClientRect();
  const left = Math.min(Math.max(box.left + box.width / 2 - size.width / 2, 8), innerWidth - size.width - 8);
  const below = box.bottom + 10 + size.height < innerHeight;
  tooltip.style.left = `${left}px`;
  tooltip.style.top = `${below ? box.bottom + 10 : Math.max(box.top - size.height - 14, 8)}px`;
}

function hush() { $("tooltip").hidden = true; }

function listen(container, nodes) {
  const utterance = (event) => event.target.closest("[data-i]");
  container.addEventListener("click", (event) => {
    const node = utterance(event);
    if (node) choose(Number(node.dataset.i));
  });
  container.addEventListener("keydown", (event) => {
    const node = utterance(event), last = state.blocks.length - 1;
    if (!node) return;
    const i = Number(node.dataset.i);
    const to = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") hush();
    if (event.key === "Enter" || event.key === " ") choose(i);
    else if (to !== undefined) {
      const next = Math.min(Math.max(to, 0), last);
      nodes()[next].focus({ preventScroll: true });
      show(next);
    } else return;
    event.preventDefault();
  });
}

function listenToHover() {
  const block = (event) => event.target.closest?.(".block");
  const scroller = $("scroller");
  for (const name of ["pointerover", "focusin"]) {
    scroller.addEventListener(name, (event) => block(event) ? tell(block(event)) : hush());
  }
  for (const name of ["pointerleave", "focusout"]) scroller.addEventListener(name, hush);
  const follow = () => {  // moving by the keyboard scrolls, and the tooltip stays with the utterance
    const focused = scroller.querySelector(".block:focus-visible");
    if (focused) tell(focused); else hush();
  };
  scroller.addEventListener("scroll", follow);
  addEventListener("scroll", follow, { passive: true });
}

// ---- dialogues, legend, report ----
function enter(number) {
  state.dialogue = data.dialogues[number];
  state.chosen = -1;
  state.layout = measure(state.dialogue);
  state.scale = Math.max(fitScale(), 40 / state.layout.median);  // half of the utterances have room for their emotion
  $("dialogue").value = number;
  $("previous").disabled = number === 0;
  $("next").disabled = number === data.dialogues.length - 1;
  $("truth-key").hidden = !state.dialogue.utterances.some(wrong);
  drawTranscript();
  drawTimeline();
  drawDetails();
  drawLegend();
  $("scroller").scrollLeft = 0;
}

function zoom(factor) {
  const view = $("scroller"), middle = (view.scrollLeft + view.clientWidth / 2) / state.scale;
  state.scale = factor === 0 ? fitScale() : Math.max(state.scale * factor, fitScale());
  drawTimeline();
  view.scrollLeft = middle * state.scale - view.clientWidth / 2;
}

function drawLegend() {
  const counts = data.classes.map(() => 0);
  for (const utterance of state.dialogue.utterances) counts[best(utterance)] += 1;
  $("legend").replaceChildren(...data.classes.map((name, emotion) => element("li", {},
    chip(emotion, name), element("span", { class: "quiet" }, ` ${counts[emotion]}`))));
}

function drawReport() {
  const report = data.report;
  if (!report) return;
  const score = (name, value) => element("span", {}, element("b", {}, percent(value)), ` ${name}`);
  const header = element("tr", {}, element("td", { class: "corner" }), ...data.classes.map((name) => element("th", { scope: "col" }, name)));
  const rows = report.confusion.map((counts, label) => {
    const total = counts.reduce((a, b) => a + b, 0);
    return element("tr", {}, element("th", { scope: "row" }, `${data.classes[label]} (${total})`), ...counts.map((count) => {
      const share = total ? count / total : 0;
      return element("td", { class: share > .6 ? "strong" : count ? "" : "none", share, title: percent(share) }, String(count));
    }));
  });
  $("report").replaceChildren(
    element("h2", {}, "Labels (rows) and predictions (columns), all dialogues"),
    element("p", { class: "scores" }, score("weighted F1", report.weighted_f1), score("accuracy", report.accuracy),
      score("macro F1", report.macro_f1), score("calibration error", report.calibration_error)),
    element("div", { class: "wide" }, element("table", {}, element("thead", {}, header), element("tbody", {}, ...rows))));
  $("report").hidden = false;
}

function start() {
  const total = data.dialogues.reduce((sum, dialogue) => sum + dialogue.utterances.length, 0);
  $("summary").textContent = `${total} utterances, ${data.dialogues.length} dialogues · ${data.method}`;
  $("dialogue").append(...data.dialogues.map(({ name, utterances }, i) =>
    element("option", { value: i }, `${name} (${utterances.length} utterances)`)));
  $("dialogue").addEventListener("change", () => enter(Number($("dialogue").value)));
  $("previous").addEventListener("click", () => enter(Number($("dialogue").value) - 1));
  $("next").addEventListener("click", () => enter(Number($("dialogue").value) + 1));
  $("wider").addEventListener("click", () => zoom(1.5));
  $("narrower").addEventListener("click", () => zoom(1 / 1.5));
  $("fit").addEventListener("click", () => zoom(0));
  listen($("scroller"), () => state.blocks);
  listen($("lines"), () => state.lines);
  listenToHover();
  drawReport();
  enter(0);
}

start();

/* One run: its loss, eigenvalues, modes, measures, probes and point cloud. */

import { CloserLook } from "./closer-look.js";
import { CloudPanel } from "./cloud-panel.js";
import { Figure, Zoom } from "./figures.js";
import { Measures } from "./measures.js";
import { ModesPanel } from "./modes-panel.js";
import { shade } from "./palette.js";
import { ago, make, named, whole, write } from "./words.js";

export class RunView {
  constructor(section, store, route) {
    Object.assign(this, { section, store, route });
    [this.name] = route.runs;
    section.replaceChildren(document.getElementById("run-view").content.cloneNode(true));
    const find = (figure) => section.querySelector(`[data-figure=${figure}]`);
    this.zoom = new Zoom();
    const shared = { zoom: this.zoom, onPick: (value) => this.cloud.goTo(value) };
    this.loss = new Figure(find("loss"), (...how) => this.drawLoss(...how), shared);
    this.eigenvalues = new Figure(find("eigenvalues"), (...how) => this.drawEigenvalues(...how), shared);
    this.measures = new Measures(find("measures"), route, this.zoom, () => this.run);
    this.probes = new Figure(find("probes"), (...how) => this.drawProbes(...how), { zoom: this.zoom });
    this.modes = new ModesPanel(find("half-times"), () => this.run, () => this.end());
    this.cloud = new CloudPanel(section.querySelector(".cloud-figure"), (moment) => {
      for (const figure of [this.loss, this.eigenvalues, this.measures.figure]) figure.show(moment);
    });
    this.figures = [this.loss, this.eigenvalues, this.measures.figure, this.probes, this.modes.figure];
    this.followScale();
    this.closer = new CloserLook(this.zoom, () => [this.run], () => {
      for (const figure of [this.loss, this.eigenvalues, this.measures.figure]) figure.request();
    });
    const parts = this.name.split("/");
    write(section.querySelector("h2"), parts.pop());
    write(section.querySelector(".path"), parts.length ? parts.join(" / ") + " /" : "");
    store.follow([this.name], true);
    this.take(new Set(["everything"]));
    this.writeCard();
  }

  get run() {
    return this.store.runs.get(this.name);
  }

  remove() {
    for (const figure of this.figures) figure.remove();
    this.cloud.remove();
    this.section.replaceChildren();
  }

  /* The last step and time of the record. */
  end() {
    const last = (axis) => Math.max(0, ...["metrics", "eigenvalues"].map((source) => this.run[source][axis].at(-1) ?? 0));
    return { step: last("step"), time: last("time") };
  }

  news(changed, fresh) {
    if (fresh.has(this.name)) this.take(fresh.get(this.name));
    if (changed.has(this.name)) this.writeCard();
    this.closer.check();
  }

  take(news) {
    const any = (...parts) => parts.some((part) => news.has(part) || news.has("everything"));
    if (any("metrics", "analysis", "facts")) this.loss.request();
    if (any("eigenvalues", "analysis", "facts")) this.eigenvalues.request();
    if (any("metrics")) this.measures.take();
    if (any("probes", "metrics")) this.takeProbes();
    if (any("analysis", "facts", "metrics")) this.modes.take();
    if (any("analysis")) this.writeAnalysis();
    if (any("facts")) this.writeFacts();
    if (any("problem")) this.writeCard();
    if (any("cloud", "analysis")) this.cloud.take(this.run.cloud, coloured(this.run));
  }

  redraw() {
    this.zoom.set(null);
    for (const figure of this.figures) figure.request();
    this.modes.take();
    this.cloud.recolour();
  }

  /* The eigenvalues' scale is kept in the address. */
  followScale() {
    this.eigenvalues.setScale(this.route.get("scale", "linear"));
    this.eigenvalues.section.querySelector(".scale").addEventListener("change", (event) => {
      this.route.set({ scale: event.target.value === "log" ? "log" : "" });
    });
  }

  shape() {
    return shapeOf(this.run, this.end());
  }

  drawLoss(axis, colours, scale) {
    const shape = this.shape(), log = scale === "log";
    const layout = baseLayout(this.loss.element, axis, colours, { end: shape.end[axis], log, values: [shape.loss.value] });
    return { traces: lossTraces(shape, axis, colours), layout: { ...layout, ...markedModes(shape, axis, colours, layout) } };
  }

  drawEigenvalues(axis, colours, scale) {
    const shape = this.shape(), log = scale === "log", { dimension } = this.store.cards.get(this.name) || {};
    const { values } = shape.eigenvalues;
    write(this.eigenvalues.section.querySelector("figcaption"), dimension > values.length ? `The largest ${values.length} of ${dimension} are drawn.` : "");
    const layout = baseLayout(this.eigenvalues.element, axis, colours, { end: shape.end[axis], log, values: log ? values : [], zero: true });
    const traces = joined(eigenvalueTraces(shape, axis, colours, scale), values.length, shape.coloured);
    return { traces, layout: { ...layout, ...markedModes(shape, axis, colours, layout) } };
  }

  takeProbes() {
    const { probes } = this.run, key = this.probes.section.querySelector(".key");
    this.probes.section.hidden = !probes.names.length;
    key.replaceChildren(...probes.names.map((name, place) => {
      const item = make("span", "named", `${named(name)} ${(100 * (probes.values[place].at(-1) ?? NaN)).toFixed(1)} %`);
      item.style.setProperty("--shade", shade(place).color);
      return item;
    }));
    this.probes.request();
  }

  drawProbes(axis, colours) {
    const { probes } = this.run;
    const traces = probes.values.map((values, place) => ({
      x: probes[axis], y: values, mode: "lines+markers", line: { ...shade(place), width: 2 }, marker: { size: 5 },
      hovertemplate: `<b>${named(probes.names[place])}</b><br>` + hover(axis) + "%{y:.1%}<extra></extra>",
    }));
    const layout = baseLayout(this.probes.element, axis, colours, { end: this.end()[axis] });
    layout.yaxis.tickformat = ".0%";
    return { traces, layout };
  }

  writeCard() {
    const card = this.store.cards.get(this.name), { section } = this;
    const problem = section.querySelector(".problem");
    const text = card ? [card.problem || this.run.problem, ...card.notes].filter(Boolean).join(" · ") : this.store.loaded && !this.store.unread ? "There is no such run, or not any more. The page waits for it." : "";
    problem.hidden = !text;
    write(problem, text);
    section.querySelector(".run").dataset.state = card?.state || "";
    if (!card) return;
    const facts = {
      state: card.state, step: whole(card.step) + (card.planned ? ` of ${whole(card.planned)}` : ""), time: shortNumber(card.time),
      loss: shortNumber(card.loss), records: whole(card.records),
      learned: card.learned === null ? "–" : `${card.learned}${card.dimension ? ` of ${card.dimension}` : ""}`,
    };
    for (const [name, value] of Object.entries(facts)) write(section.querySelector(`[data-fact=${name}]`), value);
    this.age();
  }

  age() {
    const card = this.store.cards.get(this.name);
    write(this.section.querySelector("[data-fact=ago]"), card?.modified ? ago(this.store.ago(card.modified)) : "–");
  }

  writeAnalysis() {
    const { verdict, forecast, rule, standing, advice } = this.run.analysis || {}, { section } = this;
    const place = section.querySelector(".verdict-sentence"), evidence = section.querySelector(".evidence");
    const [state, ...rest] = (verdict?.sentence || "Nothing can be said yet.").split(/:\s/);
    place.replaceChildren(make("strong", "", rest.length ? state + "." : ""), " " + (rest.length ? capital(rest.join(": ")) : state));
    place.classList.toggle("alarm", Boolean(verdict?.alarm));
    write(section.querySelector(".forecast-sentence"), forecast?.sentence || "Nothing can be said yet.");
    section.querySelector(".saying.standing").hidden = !standing;
    write(section.querySelector(".standing-sentence"), standing || "");
    section.querySelector(".saying.advice").hidden = !advice;
    write(section.querySelector(".advice-sentence"), advice || "");
    section.querySelector(".saying.rule").hidden = !rule;
    section.querySelector(".rule-sentence").replaceChildren(make("strong", "", rule ? capital(rule.name) + "." : ""), rule ? ` ${rule.sentence}.` : "");
    const numbers = Object.entries(verdict?.evidence || {});
    evidence.hidden = !numbers.length;
    evidence.querySelector("dl").replaceChildren(...numbers.map(([name, value]) => entry(named(name), shortNumber(value))));
  }

  writeFacts() {
    const { description, configuration, counts, meanings } = this.run.facts || {}, { section } = this;
    section.querySelector(".meanings").hidden = !meanings;
    write(section.querySelector(".names-sentence"), meanings?.names.length ? meanings.names.join(" · ") : "No mode has earned a name.");
    write(section.querySelector(".known-sentence"), meanings ? meanings.known.join(" · ") : "");
    write(section.querySelector(".description"), description ? description + "." : "");
    section.querySelector(".counts").replaceChildren(...(counts || []).map(([name, value]) => entry(name, value)));
    write(section.querySelector("pre"), configuration || "The run folder holds no configuration.");
  }
}

/* A run as the report's drawing takes it. */
export function shapeOf(run, end) {
  const metrics = run.metrics.drawn(), prediction = run.facts?.prediction;
  const learned = (run.analysis?.modes || []).filter((mode) => mode.learned);
  const marks = prediction
    ? prediction.modes
    : learned.map(({ mode, half_time: { step, time } }) => ({ mode, step: step[0], time: time[0] }));
  return {
    loss: { step: metrics.step, time: metrics.time, value: metrics.values[metrics.names.indexOf("loss")] || [] },
    eigenvalues: run.eigenvalues.drawn(),
    predicted: prediction?.curves ? until(prediction.curves, end.time) : null,
    marks: marks.filter(({ time }) => time <= end.time),
    coloured: coloured(run),
    end,
  };
}

/* The curves of `modes` eigenvalues, the smallest first; those without a colour of their own become one with
   gaps: a figure of few traces is drawn again sooner. */
function joined(traces, modes, coloured) {
  const count = modes - coloured;
  if (count < 2) return traces;
  const faint = traces.slice(0, count), gap = (list) => [...list, null];
  const one = {
    ...faint[0], x: faint.flatMap(({ x }) => gap(x)), y: faint.flatMap(({ y }) => gap(y)),
    customdata: faint.flatMap(({ y }, place) => Array(y.length + 1).fill(modes - place)),
  };
  one.hovertemplate = one.hovertemplate.replace(/mode \d+/, "mode %{customdata}");
  return [one, ...traces.slice(count)];
}

/* How many modes get a colour of their own: those learned, or a few where none was. */
export function coloured(run) {
  const modes = (run.facts?.prediction?.modes || []).concat((run.analysis?.modes || []).filter((mode) => mode.learned));
  return modes.length ? Math.max(3, ...modes.map(({ mode }) => mode + 1)) : 10;
}

/* The closed form as far as the record goes. */
function until({ step, time, loss, values }, end) {
  const count = time.findIndex((moment) => moment > end), cut = (list) => (count < 0 ? list : list.slice(0, count));
  return { step: cut(step), time: cut(time), loss: cut(loss), values: values.map(cut) };
}

function entry(name, value) {
  const item = make("div");
  item.append(make("dt", "", name), make("dd", "", value));
  return item;
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

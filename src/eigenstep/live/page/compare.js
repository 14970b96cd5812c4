/* Several runs over each other: the loss, one eigenvalue, one measure, and when each mode was learned. */

import { CloserLook } from "./closer-look.js";
import { Figure, Zoom, axisNow } from "./figures.js";
import { escaped, measured, measureTrace } from "./measures.js";
import { shade } from "./palette.js";
import { make, moment, named, write } from "./words.js";

const USUAL = "measures/rank_me";

export class CompareView {
  constructor(section, store, route) {
    Object.assign(this, { section, store, route });
    this.names = route.runs;
    section.replaceChildren(document.getElementById("compare-view").content.cloneNode(true));
    const find = (figure) => section.querySelector(`[data-figure=${figure}]`);
    this.zoom = new Zoom();
    const figure = (name, draw) => new Figure(find(name), draw, { zoom: this.zoom });
    this.loss = figure("loss", (...how) => this.drawColumn(this.loss, () => "loss", ...how));
    this.eigenvalue = figure("eigenvalues", (...how) => this.drawEigenvalue(...how));
    this.measure = figure("measures", (...how) => this.drawColumn(this.measure, () => this.chosen(), ...how));
    this.figures = [this.loss, this.eigenvalue, this.measure];
    this.halfTimes = find("half-times");
    this.listen();
    this.closer = new CloserLook(this.zoom, () => this.runs, () => {
      for (const figure of this.figures) figure.request();
    });
    store.follow(this.names, false);
    this.writeNames();
    this.take();
  }

  get runs() {
    return this.names.map((name) => this.store.runs.get(name));
  }

  get mode() {
    return Math.max(1, Math.min(32, Number(this.route.get("mode", "1")) || 1));
  }

  remove() {
    for (const figure of this.figures) figure.remove();
    this.section.replaceChildren();
  }

  news(changed, fresh) {
    if (this.names.some((name) => fresh.has(name))) this.take();
    if (this.names.some((name) => changed.has(name))) this.writeNames();
    this.closer.check();
  }

  take() {
    for (const figure of this.figures) figure.request();
    this.writeMeasures();
    this.writeHalfTimes();
  }

  redraw() {
    this.zoom.set(null);
    this.writeNames();
    this.take();
  }

  age() {}

  listen() {
    const input = this.section.querySelector(".stepper input"), select = this.section.querySelector("[data-figure=measures] select");
    const turn = (mode) => {
      const wanted = Math.max(1, Math.min(32, Math.round(mode) || 1));
      this.route.set({ mode: wanted === 1 ? "" : String(wanted) });
      input.value = wanted;
      this.eigenvalue.yRange = null;
      this.eigenvalue.request();
    };
    input.value = this.mode;
    input.addEventListener("change", () => turn(Number(input.value)));
    this.section.querySelector(".less").addEventListener("click", () => turn(this.mode - 1));
    this.section.querySelector(".more").addEventListener("click", () => turn(this.mode + 1));
    select.addEventListener("change", () => {
      this.route.set({ measure: [select.value] });
      this.measure.yRange = null;
      this.measure.request();
    });
    this.eigenvalue.setScale(this.route.get("scale", "linear"));
    this.eigenvalue.section.querySelector(".scale").addEventListener("change", (event) => {
      this.route.set({ scale: event.target.value === "log" ? "log" : "" });
    });
  }

  drawColumn(figure, column, axis, colours, scale) {
    const traces = this.runs.map((run, place) => measureTrace(run.metrics.drawn(), column(), axis, run.name, shade(place)));
    return { traces, layout: this.layout(figure, traces, axis, colours, scale) };
  }

  drawEigenvalue(axis, colours, scale) {
    const traces = this.runs.map((run, place) => {
      const rows = run.eigenvalues.drawn();
      const values = (rows.values[this.mode - 1] || []).map((value) => (scale !== "log" || value > 0 ? value : null));
      return {
        x: rows[axis], y: values, mode: drawingMode(values), line: { ...shade(place), width: 2 }, marker: { size: 6 },
        hovertemplate: `<b>${escaped(run.name)}</b><br>` + hover(axis) + "λ = %{y:.3~g}<extra></extra>",
      };
    });
    return { traces, layout: this.layout(this.eigenvalue, traces, axis, colours, scale, true) };
  }

  layout(figure, traces, axis, colours, scale, zero = false) {
    const end = Math.max(...this.runs.map((run) => run.metrics[axis].at(-1) ?? 0));
    return baseLayout(figure.element, axis, colours, { end, log: scale === "log", values: traces.map(({ y }) => y), zero });
  }

  chosen() {
    const names = this.measures(), [asked] = this.route.all("measure");
    return names.includes(asked) ? asked : names.includes(USUAL) ? USUAL : names[0];
  }

  measures() {
    return [...new Set(this.runs.flatMap((run) => measured(run)))];
  }

  writeMeasures() {
    const select = this.section.querySelector("[data-figure=measures] select"), names = this.measures();
    this.measure.section.hidden = !names.length;
    if (names.join() !== [...select.options].map(({ value }) => value).join()) {
      select.replaceChildren(...names.map((name) => new Option(named(name), name)));
    }
    select.value = this.chosen() ?? "";
  }

  writeNames() {
    const list = this.section.querySelector(".compared");
    list.replaceChildren(...this.names.map((name, place) => {
      const item = make("li"), link = make("a", "", name), away = make("button", "plain", "×"), card = this.store.cards.get(name);
      const { color, dash } = shade(place), swatch = make("i", dash === "solid" ? "" : "dashed");
      swatch.style.borderColor = color;
      link.href = this.route.to([name]);
      away.type = "button";
      away.setAttribute("aria-label", `Leave out ${name}`);
      away.addEventListener("click", () => this.route.go(this.names.filter((each) => each !== name)));
      item.append(swatch, link, make("small", "", card ? [card.state, card.verdict?.state].filter(Boolean).join(", ") : "not there"), away);
      return item;
    }));
  }

  writeHalfTimes() {
    const axis = axisNow(), table = this.halfTimes;
    const learned = this.runs.map((run) => new Map((run.analysis?.modes || []).filter((mode) => mode.learned).map((mode) => [mode.mode, mode.half_time[axis][0]])));
    const modes = [...new Set(learned.flatMap((each) => [...each.keys()]))].sort((one, two) => one - two);
    table.hidden = !modes.length;
    table.querySelector("thead tr").replaceChildren(make("th", "", "Mode"), ...modes.map((mode) => make("th", "", String(mode + 1))));
    table.querySelector("tbody").replaceChildren(...this.names.map((name, place) => {
      const row = make("tr"), head = make("th"), swatch = make("i", shade(place).dash === "solid" ? "" : "dashed");
      head.scope = "row";
      swatch.style.borderColor = shade(place).color;
      head.append(swatch, name);
      row.append(head, ...modes.map((mode) => {
        const cell = make("td", "", learned[place].has(mode) ? moment(learned[place].get(mode), axis) : "–");
        const factor = place && axis === "step" ? learned[0].get(mode) / learned[place].get(mode) : NaN;
        if (Number.isFinite(factor)) cell.append(make("small", "", timesSooner(factor)));
        return cell;
      }));
      return row;
    }));
    const told = axis === "step" && learned.slice(1).some((each) => [...each.keys()].some((mode) => learned[0].has(mode)));
    write(this.halfTimes.querySelector("figcaption"), told ? `Small: how many times sooner than ${this.names[0]}, in steps.` : "");
  }
}

function timesSooner(factor) {
  return `${factor < 99.5 ? factor.toFixed(1) : factor.toFixed(0)}×`;
}

/* The measures of a run: all as small curves, some of them drawn large. */

import { Figure } from "./figures.js";
import { shade } from "./palette.js";
import { drawSparkline, heightsOf } from "./sparkline.js";
import { make, named, write } from "./words.js";

const FIRST = ["measures/rank_me", "measures/effective_rank"];

export class Measures {
  constructor(section, route, zoom, run) {
    Object.assign(this, { section, route, run });
    this.choices = section.querySelector(".choices");
    this.figure = new Figure(section, (axis, colours, scale) => this.draw(axis, colours, scale), { zoom });
    this.cards = new Map();
  }

  /* Names of the columns that are drawn: those in the address, or the ranks, or the first one. */
  chosen() {
    const names = measured(this.run()), asked = this.route.all("measure").filter((name) => names.includes(name));
    const usual = FIRST.filter((name) => names.includes(name));
    return asked.length ? asked : usual.length ? usual : names.slice(0, 1);
  }

  take() {
    const { metrics } = this.run(), names = measured(this.run());
    this.section.hidden = !names.length;
    for (const [name, card] of this.cards) if (!names.includes(name)) { card.remove(); this.cards.delete(name); }
    for (const name of names) {
      const card = this.cards.get(name) || this.makeCard(name), values = metrics.values[metrics.names.indexOf(name)];
      write(card.querySelector(".value"), shortNumber(finite(values.at(-1))));
      drawSparkline(card.querySelector("svg"), heightsOf(values));
    }
    this.writeChosen();
    this.figure.request();
  }

  makeCard(name) {
    const card = make("button", "choice");
    card.type = "button";
    card.innerHTML = '<span class="label"></span><span class="value"></span><svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"></svg>';
    write(card.querySelector(".label"), named(name));
    card.title = named(name);
    card.addEventListener("click", () => this.toggle(name));
    this.cards.set(name, card);
    this.choices.append(card);
    return card;
  }

  toggle(name) {
    const chosen = this.chosen(), others = chosen.filter((each) => each !== name);
    if (!others.length) return;
    this.route.set({ measure: others.length < chosen.length ? others : [...chosen, name] });
    this.figure.yRange = null;
    this.writeChosen();
    this.figure.request();
  }

  writeChosen() {
    const chosen = this.chosen();
    for (const [name, card] of this.cards) {
      const place = chosen.indexOf(name);
      card.setAttribute("aria-pressed", String(place >= 0));
      card.style.setProperty("--shade", place >= 0 ? shade(place).color : "");
    }
  }

  draw(axis, colours, scale) {
    const metrics = this.run().metrics.drawn(), chosen = this.chosen();
    const traces = chosen.map((name, place) => measureTrace(metrics, name, axis, named(name), shade(place)));
    const ends = this.run().metrics[axis];
    return { traces, layout: baseLayout(this.figure.element, axis, colours, { end: ends.at(-1), log: scale === "log", values: traces.map(({ y }) => y) }) };
  }
}

export function measureTrace(metrics, name, axis, title, line) {
  const x = [], y = [], values = metrics.values[metrics.names.indexOf(name)] || [];
  values.forEach((value, place) => { if (Number.isFinite(value)) { x.push(metrics[axis][place]); y.push(value); } });
  return {
    x, y, mode: x.length < 3 ? "lines+markers" : "lines", line: { ...line, width: 2 }, marker: { size: 6 }, hoverlabel: { namelength: -1 },
    hovertemplate: "<b>%{fullData.name}</b><br>" + hover(axis) + "%{y:.4~g}<extra></extra>", name: escaped(title),
  };
}

/* Everything in the metrics but the loss: measures, the loss's terms, and beside them the learning rate. */
export function measured({ metrics }) {
  const names = metrics.names.filter((name, place) => name !== "loss" && name !== "count" && (name !== "nonfinite" || metrics.values[place].some((value) => value > 0)));
  if (names.join() === "learning_rate") return [];
  const rank = (name) => ["measures/", "terms/"].findIndex((start) => name.startsWith(start)) >>> 0;
  return names.sort((one, two) => rank(one) - rank(two));
}

/* Plotly takes some tags in its texts, and a run's files may be anyone's. */
export function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function finite(value) {
  return Number.isFinite(value) ? value : null;
}

/* When each mode is learned: half-times with their intervals, the closed form's, and the next one's. */

import { Figure, axisNow } from "./figures.js";
import { interval, make, moment } from "./words.js";
import { coloured } from "./run.js";

const MOST_ROWS = 64;
const LOWEST = 230, ROOM = 9, HIGHEST = 440;
/* A forecast farther away than so many lengths of the record would press all else to the edge. */
const FARTHEST = 1.6;

export class ModesPanel {
  constructor(section, run, end) {
    Object.assign(this, { section, run, end });
    this.figure = new Figure(section, (axis, colours) => this.draw(axis, colours));
  }

  take() {
    const { modes = [], forecast } = this.run().analysis || {}, predicted = this.run().facts?.prediction?.modes || [];
    this.section.hidden = !modes.length && !predicted.length && !forecast?.half_time;
    this.writeKey(predicted.length, this.next(forecast, "step"));
    this.writeTable(modes, predicted);
    this.figure.request();
  }

  /* The forecast half-time, where it is near enough to be drawn. */
  next(forecast, axis) {
    const next = forecast?.half_time?.[axis];
    return next && next[0] <= FARTHEST * this.end()[axis] ? next : null;
  }

  writeKey(predicted, next) {
    const names = ["measured", ...(predicted ? ["closed form"] : []), ...(next ? ["forecast"] : [])];
    const key = this.section.querySelector(".key");
    if (key.childElementCount !== names.length) key.replaceChildren(...names.map((name) => make("span", name.replace(" ", "-"), name)));
  }

  draw(axis, colours) {
    const { modes = [], forecast } = this.run().analysis || {}, predicted = this.run().facts?.prediction?.modes || [];
    const count = coloured(this.run()), end = this.end()[axis];
    const traces = [
      ...(predicted.length ? [ticks(predicted, axis, colours)] : []),
      ...modes.map((mode) => dot(mode, mode.half_time[axis], axis, colours.mode(mode.mode, count), mode.learned)),
    ];
    const next = this.next(forecast, axis);
    if (next) traces.push(dot({ mode: forecast.mode }, next, axis, colours.muted, false, "<br>expected"));
    const reach = Math.max(end, ...predicted.map((mode) => mode[axis]), next ? Math.min(next[2] ?? next[0], FARTHEST * end) : 0);
    const layout = baseLayout(this.figure.element, axis, colours, { end: reach });
    const top = Math.max(1, ...modes.map(({ mode }) => mode + 1), ...predicted.map(({ mode }) => mode + 1), next ? forecast.mode + 1 : 0);
    Object.assign(layout.yaxis, { range: [0.4, top + 0.6], title: { text: "mode", standoff: 4 } }, top <= 10 ? { tick0: 1, dtick: 1 } : {});
    this.heighten(top);
    layout.shapes = reach > end ? [now(end, colours)] : [];
    return { traces, layout };
  }

  /* Room for every mode, so that their dots do not lie upon each other. */
  heighten(modes) {
    this.figure.element.style.height = `${Math.min(LOWEST + ROOM * Math.max(0, modes - 10), HIGHEST)}px`;
  }

  writeTable(modes, predicted) {
    const axis = axisNow(), known = new Map(predicted.map((mode) => [mode.mode, mode]));
    const places = [...new Set([...modes, ...predicted].map(({ mode }) => mode))].sort((a, b) => a - b).slice(0, MOST_ROWS);
    const closedForm = (...heads) => (predicted.length ? heads : []);
    const heads = [["Mode"], ...closedForm(["Predicted"]), ["Half-time"], ...closedForm(["Error"]), ["10–90 %", "width"], ["Plateau", "plateau"], ["γ"]];
    this.section.querySelector("thead tr").replaceChildren(...heads.map(([head, kind]) => make("th", kind, head)));
    this.section.querySelector("tbody").replaceChildren(...places.map((place) => {
      const mode = modes.find((each) => each.mode === place), closed = known.get(place), row = make("tr");
      row.append(numbered(place, coloured(this.run())));
      if (predicted.length) row.append(make("td", "", closed ? moment(closed[axis], axis) : "–"));
      row.append(mode ? estimated(mode.half_time[axis], axis, mode.learned) : make("td", "", "not yet"));
      if (predicted.length) row.append(make("td", "", error(mode, closed)));
      row.append(
        make("td", "width", mode ? moment(mode.width[axis][0], axis) : "–"),
        make("td", "plateau", mode ? shortNumber(mode.plateau[0]) : "–"),
        estimated(mode?.gamma, "time", true),
      );
      return row;
    }));
  }
}

function numbered(place, count) {
  const cell = make("th"), swatch = make("span", "swatch");
  cell.scope = "row";
  swatch.style.background = theme().mode(place, count);
  cell.append(swatch, String(place + 1));
  return cell;
}

function estimated(estimate, axis, sure) {
  const cell = make("td", sure ? "" : "faint", estimate ? moment(estimate[0], axis) : "–");
  if (estimate && interval(estimate, axis)) cell.append(make("small", "", interval(estimate, axis)));
  return cell;
}

function error(mode, closed) {
  if (!mode || !closed || !closed.time) return "–";
  const share = (100 * (mode.half_time.time[0] - closed.time)) / closed.time;
  return `${share < 0 ? "−" : "+"}${Math.abs(share).toFixed(2)} %`;
}

function dot({ mode }, [value, low, high], axis, color, filled, note = "") {
  const within = low !== null && high !== null;
  return {
    x: [value], y: [mode + 1], mode: "markers", cliponaxis: false, marker: { size: 9, color, symbol: filled ? "circle" : "circle-open", line: { width: 2, color } },
    error_x: within ? { type: "data", symmetric: false, array: [high - value], arrayminus: [value - low], color, thickness: 1.5, width: 4 } : undefined,
    hovertemplate: `<b>mode ${mode + 1}</b><br>` + hover(axis) + (within ? `${moment(low, axis)} to ${moment(high, axis)}` : "") + note + "<extra></extra>",
  };
}

function ticks(predicted, axis, colours) {
  return {
    x: predicted.map((mode) => mode[axis]), y: predicted.map(({ mode }) => mode + 1), mode: "markers",
    marker: { symbol: "line-ns-open", size: 17, line: { width: 1.5, color: colours.ink } },
    hovertemplate: "<b>mode %{y}</b><br>" + hover(axis) + "closed form<extra></extra>",
  };
}

function now(end, colours) {
  return { type: "line", xref: "x", yref: "paper", x0: end, x1: end, y0: 0, y1: 1, layer: "below", line: { color: colours.faint, width: 1 } };
}

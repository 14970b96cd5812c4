/* A Plotly figure that is drawn again while data arrive, and keeps its zoom. */

const CONFIG = { displayModeBar: false, responsive: false, doubleClick: false };
const SETTLED = 250, AGAIN = 3000;

let plotly = null;

/* plotly.js is large; what needs no figure is shown before it is there. */
export function loadPlotly() {
  return (plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "page/plotly.js";
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => {
      plotly = null;  // the next figure asks again
      script.remove();
      reject(new Error("plotly.js could not be loaded"));
    });
    document.head.append(script);
  }));
}

export function axisNow() {
  return document.documentElement.dataset.axis;
}

/* The part of the x-axis that all figures of a view show; null for the whole. */
export class Zoom extends EventTarget {
  range = null;

  set(range) {
    this.range = range;
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dispatchEvent(new Event("settled")), SETTLED);
  }
}

/* Parameters
     section: holds .plot, and perhaps .unzoom and .scale
     draw(axis, colours, scale): gives traces, and a layout from `baseLayout` or nothing to leave the figure empty
     zoom: shared with other figures; without one the figure cannot be zoomed
     onPick(x): a curve was clicked */
export class Figure {
  constructor(section, draw, { zoom = null, onPick = null } = {}) {
    this.section = section;
    this.element = section.querySelector(".plot");
    this.make = draw;
    this.zoom = zoom;
    this.onPick = onPick;
    this.scale = "linear";
    this.yRange = null;
    this.revision = 0;
    this.visible = false;
    this.stale = true;
    this.cursor = document.createElement("div");
    this.cursor.className = "cursor";
    this.cursor.hidden = true;
    this.moment = null;
    for (const input of section.querySelectorAll(".scale input")) {
      input.addEventListener("change", () => this.setScale(input.value));
    }
    section.querySelector(".unzoom")?.addEventListener("click", () => this.unzoom());
    zoom?.addEventListener("change", () => this.request());
    this.seen = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      if (this.visible && this.stale) this.request();
    }, { rootMargin: "200px" });
    this.seen.observe(this.element);
    this.sized = new ResizeObserver(() => this.request());
    this.sized.observe(this.element);
  }

  remove() {
    this.removed = true;
    this.seen.disconnect();
    this.sized.disconnect();
    if (this.drawn) Plotly.purge(this.element);
  }

  setScale(scale) {
    this.scale = scale;
    this.yRange = null;
    for (const input of this.section.querySelectorAll(".scale input")) input.checked = input.value === scale;
    this.request();
  }

  unzoom() {
    this.yRange = null;
    if (this.zoom) this.zoom.set(null);
    else this.request();
  }

  /* Draw at the browser's next frame, once, and not before the figure is looked at. */
  request() {
    this.stale = true;
    if (!this.visible || this.waiting || this.removed) return;
    this.waiting = true;
    loadPlotly().then(() => requestAnimationFrame(() => {
      this.waiting = false;
      if (!this.removed && this.element.clientWidth) this.draw();
    })).catch(() => {
      this.waiting = false;
      if (!this.removed) setTimeout(() => this.request(), AGAIN);
    });
  }

  draw() {
    this.stale = false;
    const axis = axisNow(), made = this.make(axis, theme(), this.scale);
    if (!made) return;
    const { traces, layout } = made;
    const range = this.zoom?.range;
    if (range) layout.xaxis.range = [...range];
    if (this.yRange) Object.assign(layout.yaxis, { range: [...this.yRange], autorange: false });
    else if (range) Object.assign(layout.yaxis, fit(traces, range, layout.yaxis));
    else if (layout.yaxis.type !== "log" && !layout.yaxis.range) Object.assign(layout.yaxis, calm(traces));
    if (!this.zoom) Object.assign(layout, { dragmode: false });
    this.revision += 1;
    Plotly.react(this.element, traces, { ...layout, datarevision: this.revision }, CONFIG);
    this.section.classList.toggle("zoomed", Boolean(range || this.yRange));
    if (!this.drawn) this.listen();
    this.placeCursor();
  }

  listen() {
    this.drawn = true;
    this.element.append(this.cursor);
    this.element.on("plotly_click", (event) => this.onPick?.(event.points[0].x));
    this.element.on("plotly_doubleclick", () => this.unzoom());
    this.element.on("plotly_relayout", (change) => this.relaid(change));
  }

  relaid(change) {
    const ends = (axis) => [change[`${axis}.range[0]`], change[`${axis}.range[1]`]];
    const [x, y] = [ends("xaxis"), ends("yaxis")];
    if (y[0] !== undefined) this.yRange = y;
    if (x[0] !== undefined) this.zoom?.set(x);
    else if (y[0] !== undefined) this.section.classList.add("zoomed");
    this.placeCursor();
  }

  /* A thin line at the step and time that the point cloud shows; null for none. */
  show(moment) {
    this.moment = moment;
    this.placeCursor();
  }

  placeCursor() {
    if (!this.drawn) return;
    this.cursor.hidden = !this.moment;
    if (!this.moment) return;
    const { xaxis, yaxis } = this.element._fullLayout;
    const x = xaxis.l2p(this.moment[axisNow()]);
    this.cursor.hidden = !(x >= -1 && x <= xaxis._length + 1);
    this.cursor.style.left = xaxis._offset + x - 0.75 + "px";
    this.cursor.style.top = yaxis._offset + "px";
    this.cursor.style.height = yaxis._length + "px";
  }
}

/* The heights of what lies within a part of the x-axis, with some room. */
function fit(traces, range, { type }) {
  const [low, high] = heights(traces, range, type === "log" ? Math.log10 : (value) => value);
  if (!(low <= high)) return {};
  const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 0.05;
  return { range: [low - room, high + room], autorange: false };
}

/* A curve that is level but for its last digits is drawn level, and its axis is not labelled with them. */
function calm(traces) {
  const [low, high] = heights(traces, [-Infinity, Infinity], (value) => value), least = 1e-3 * Math.abs(high);
  return high - low < least ? { range: [low - 10 * least, high + 10 * least], autorange: false } : {};
}

function heights(traces, [start, end], scaled) {
  let low = Infinity, high = -Infinity;
  for (const { x, y } of traces) {
    for (let place = 0; place < x.length; place++) {
      if (x[place] < start || x[place] > end || y[place] === null) continue;
      const height = scaled(y[place]);
      if (!Number.isFinite(height)) continue;
      if (height < low) low = height;
      if (height > high) high = height;
    }
  }
  return [low, high];
}

/* Loss and eigenvalues of one run. Both plots share the x-range, so that a step is at the same place in both. */
class RunPlots {
  constructor(run, section, onPick) {
    this.run = run;
    this.scale = "linear";
    this.moment = null;
    this.plots = [...section.querySelectorAll(".plot")].map((element) => this.prepare(element, onPick));
    for (const input of section.querySelectorAll(".scale input")) {
      input.addEventListener("change", () => { this.scale = input.value; this.draw(); });
    }
    new ResizeObserver(() => this.draw()).observe(section.querySelector(".plots"));
  }

  prepare(element, onPick) {
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    cursor.hidden = true;
    element.append(cursor);
    return { element, cursor, kind: element.dataset.plot, onPick, ready: false };
  }

  draw() {
    const colours = theme(), axis = document.documentElement.dataset.axis;
    const config = { displayModeBar: false, responsive: false, doubleClick: "reset" };
    for (const plot of this.plots) {
      const traces = plot.kind === "loss" ? lossTraces(this.run, axis, colours) : eigenvalueTraces(this.run, axis, colours, this.scale);
      const layout = plotLayout(this.run, plot, axis, colours, this.scale);
      Plotly.react(plot.element, traces, layout, config);
      if (!plot.ready) {
        plot.ready = true;
        plot.element.on("plotly_click", (event) => plot.onPick(event.points[0].x));
        plot.element.on("plotly_relayout", () => this.placeCursors());
      }
    }
    this.placeCursors();
  }

  /* The step and time that the point cloud shows. */
  show(moment) {
    this.moment = moment;
    this.placeCursors();
  }

  placeCursors() {
    if (!this.moment) return;
    const value = this.moment[document.documentElement.dataset.axis];
    for (const { element, cursor, ready } of this.plots) {
      if (!ready) continue;
      const { xaxis, yaxis } = element._fullLayout;
      const x = xaxis.l2p(value);
      cursor.hidden = x < -1 || x > xaxis._length + 1;
      cursor.style.left = xaxis._offset + x - 0.75 + "px";
      cursor.style.top = yaxis._offset + "px";
      cursor.style.height = yaxis._length + "px";
    }
  }
}

const PREDICTED = { width: 1.2, dash: "5px,4px" };
const FARTHEST_LABEL = 24;
const MARGIN = { l: 64, r: 14, t: 22, b: 42 };

function lossTraces(run, axis, colours) {
  const { loss, predicted } = run;
  const line = { color: colours.accent, width: 2 };
  const traces = [{
    x: loss[axis], y: loss.value, name: "loss", line, mode: drawingMode(loss.value), marker: { size: 6, color: colours.accent },
    hovertemplate: hover(axis) + "loss %{y:.4~g}<extra></extra>",
  }];
  if (predicted) {
    traces[0].line.width = 3.5;
    traces.push({ x: predicted[axis], y: predicted.loss, mode: "lines", line: { ...PREDICTED, color: colours.ink }, hoverinfo: "skip" });
  }
  return traces;
}

function eigenvalueTraces(run, axis, colours, scale) {
  const { eigenvalues, coloured } = run;
  const usable = (values) => (scale === "log" ? values.map((value) => (value > 0 ? value : null)) : values);
  const measured = eigenvalues.values.map((values, index) => ({
    x: eigenvalues[axis], y: usable(values), mode: drawingMode(values), marker: { size: 6, color: colours.mode(index, coloured) },
    line: { color: colours.mode(index, coloured), width: index >= coloured ? 1 : run.predicted ? 3.5 : 2 },
    hovertemplate: `<b>mode ${index + 1}</b><br>` + hover(axis) + "λ = %{y:.3~g}<extra></extra>",
  })).reverse();
  const predicted = (run.predicted ? run.predicted.values : []).map((values) => ({
    x: run.predicted[axis], y: usable(values), mode: "lines", line: { ...PREDICTED, color: colours.ink }, hoverinfo: "skip",
  }));
  return [...measured, ...predicted];
}

function plotLayout(run, plot, axis, colours, scale) {
  const log = plot.kind === "eigenvalues" && scale === "log";
  const layout = baseLayout(plot.element, axis, colours, {
    end: run.end[axis], log, values: log ? run.eigenvalues.values : [], zero: plot.kind !== "loss",
  });
  return { ...layout, ...markedModes(run, axis, colours, layout), uirevision: `${axis} ${scale}` };
}

/* Axes and type of every plot. `values`: lists of what is drawn, for the ticks of a logarithmic scale. */
function baseLayout(element, axis, colours, { end, log = false, values = [], zero = false }) {
  const pad = (end || 1) * 0.012;
  const width = element.clientWidth;
  const touch = matchMedia("(pointer: coarse)").matches;
  const line = {
    gridcolor: colours.grid, zeroline: false, linecolor: colours.rule, tickcolor: colours.rule, ticklen: 5,
    fixedrange: touch, automargin: false,
  };
  return {
    width, height: element.clientHeight, margin: MARGIN, showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: colours.font, size: 12.5, color: colours.muted },
    hovermode: "closest", hoverdistance: 30, dragmode: touch ? false : "zoom",
    hoverlabel: { bgcolor: colours.paper, bordercolor: colours.rule, align: "left", font: { family: colours.font, size: 12.5, color: colours.ink } },
    xaxis: {
      ...line, range: [-pad, (end || 1) + pad], showgrid: false, showline: true, ticks: "outside", nticks: width < 500 ? 6 : 10, title: {
        text: axis === "step" ? "step" : "t = learning rate × step", standoff: 6,
      },
    },
    yaxis: {
      ...line, type: log ? "log" : "linear", nticks: 6, exponentformat: "power",
      tickformat: log ? "" : undefined, dtick: log ? logStep(values) : undefined,
      rangemode: zero ? "tozero" : "normal",
    },
  };
}

/* Numbered verticals at the half-times. */
function markedModes(run, axis, colours, { xaxis, width }) {
  return {
    shapes: run.marks.map((mark) => ({
      type: "line", xref: "x", yref: "paper", x0: mark[axis], x1: mark[axis], y0: 0, y1: 1, layer: "below",
      line: { color: colours.mode(mark.mode, run.coloured), width: 1, dash: run.predicted ? "4px,4px" : "1px,3px" },
    })),
    annotations: markLabels(run, axis, colours, xaxis.range, width),
  };
}

/* The modes' numbers above the plot, pushed apart where half-times lie close together, left out in a throng. */
function markLabels(run, axis, colours, range, width) {
  const pixels = (width - MARGIN.l - MARGIN.r) / (range[1] - range[0]);
  let free = -Infinity;
  return [...run.marks].sort((a, b) => a[axis] - b[axis]).flatMap((mark) => {
    const wanted = mark[axis] * pixels, at = Math.max(wanted, free);
    if (at - wanted > FARTHEST_LABEL) return [];
    free = at + (mark.mode < 9 ? 10 : 16);
    return {
      x: mark[axis], xshift: at - wanted, xref: "x", y: 1, yref: "paper", yanchor: "bottom", showarrow: false,
      text: String(mark.mode + 1), font: { size: 12, color: colours.mode(mark.mode, run.coloured) },
    };
  });
}

/* Whole decades between ticks, at most about six of them. */
function logStep(values) {
  const logs = values.flat().filter((value) => value > 0).map(Math.log10);
  if (!logs.length) return 1;
  const decades = logs.reduce((most, value) => Math.max(most, value), -Infinity) - logs.reduce((least, value) => Math.min(least, value), Infinity);
  return Math.max(1, Math.ceil(decades / 6));
}

function drawingMode(values) {
  return values.filter((value) => value !== null).length < 3 ? "lines+markers" : "lines";
}

function hover(axis) {
  return axis === "step" ? "step %{x:,.0f}<br>" : "t = %{x:.4~g}<br>";
}

import { CompareView } from "./compare.js";
import { loadPlotly } from "./figures.js";
import { Route } from "./route.js";
import { RunView } from "./run.js";
import { Store } from "./store.js";
import { TableView } from "./table.js";
import { write } from "./words.js";

const store = new Store(), route = new Route();
const list = document.querySelector(".list-view"), place = document.querySelector(".place-view");
const table = new TableView(list, store, route);
let view = null, left = 0;

function arrive() {
  view?.remove();
  view = null;
  const { runs } = route;
  takeAxis();
  if (list.hidden === false) left = scrollY;
  list.hidden = runs.length > 0;
  place.hidden = !runs.length;
  if (!runs.length) {
    store.follow([], false);
    table.show();
    scrollTo({ top: left, behavior: "instant" });
  } else {
    view = runs.length === 1 ? new RunView(place, store, route) : new CompareView(place, store, route);
    scrollTo({ top: 0, behavior: "instant" });
  }
  writeTitle();
}

function writeTitle() {
  const { runs } = route, folder = store.folder || "Runs";
  const here = runs.length > 1 ? `${runs.length} runs` : runs[0] || "";
  write(document.querySelector(".here"), here);
  write(document.getElementById("folder"), folder);
  document.querySelector(".home").href = route.to([]);
  document.title = `${here || folder} · Eigenstep`;
}

function takeAxis() {
  const axis = route.get("axis") === "time" ? "time" : "step";
  document.documentElement.dataset.axis = axis;
  document.querySelector(`#axis input[value=${axis}]`).checked = true;
}

function redraw() {
  if (view) view.redraw();
  else table.show();
}

function writePulse() {
  const pulse = document.querySelector(".pulse"), going = [...store.cards.values()].filter(({ state }) => state === "running").length;
  const silent = store.failures > 1;
  pulse.dataset.state = silent ? "silent" : going ? "live" : "still";
  write(pulse.querySelector("span"), silent ? "the server does not answer" : going ? `${going} running` : "up to date");
}

store.addEventListener("news", ({ detail: { changed, fresh } }) => {
  if (!view) table.write([...changed]);
  else { table.write([...changed]); view.news(changed, fresh); }
  writePulse();
  writeTitle();
  if (!store.unread) loadPlotly().catch(() => {});  // the first figure asks again
});
store.addEventListener("silence", writePulse);
route.addEventListener("change", arrive);
document.getElementById("axis").addEventListener("change", ({ target }) => {
  document.documentElement.dataset.axis = target.value;
  route.set({ axis: target.value === "time" ? "time" : "" });
  writeTitle();
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { forgetTheme(); table.show(); redraw(); });
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=search], input[type=number], select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && view) route.go([]);
  if (event.key === "/" && !view) { list.querySelector("input[type=search]").focus(); event.preventDefault(); }
});
setInterval(() => { if (!document.hidden) (view || table).age(); }, 1000);
arrive();

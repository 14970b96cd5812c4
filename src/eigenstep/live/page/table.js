/* The table of runs: sorted, filtered, and written again in place while they go on. */

import { drawSparkline } from "./sparkline.js";
import { ago, interval, make, moment, whole, write } from "./words.js";
import { axisNow } from "./figures.js";

const STATES = ["running", "waiting", "stalled", "diverged", "interrupted", "finished", "predicted", "unreadable", "unread"];
const rank = (card) => STATES.indexOf(card.state);
const COLUMNS = [
  { key: "name", title: "Run", of: (card) => card.name },
  { key: "state", title: "State", of: (card) => rank(card), then: (card) => -card.started },
  { key: "step", title: "Step", of: (card) => card.step, down: true, volatile: true },
  { key: "loss", title: "Loss", of: (card) => card.loss, volatile: true },
  { key: "modes", title: "Modes", of: (card) => card.learned, down: true },
  { key: "verdict", title: "Verdict", of: (card) => card.verdict?.state },
  { key: "next", title: "Next mode", of: (card) => upcoming(card)?.step[0], volatile: true },
  { key: "recent", title: "newest", of: (card) => -card.started, hidden: true },
];
const USUAL = "state";
const NEXT = { "none within the planned run": "none in the run", "not yet to be told": "not yet known" };

export class TableView {
  constructor(section, store, route) {
    Object.assign(this, { section, store, route });
    this.rows = new Map();
    this.picked = new Set();
    this.body = section.querySelector("tbody");
    this.search = section.querySelector("input[type=search]");
    this.template = document.getElementById("row");
    this.makeHead();
    this.makeChips();
    this.search.addEventListener("input", () => { this.route.set({ q: this.search.value }); this.arrange(); });
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("change", (event) => this.pick(event.target));
    section.addEventListener("keydown", (event) => this.pressed(event));
    section.querySelector(".compare").addEventListener("click", () => route.go([...this.picked]));
    section.querySelector(".clear").addEventListener("click", () => this.clear());
  }

  /* Take up the options of the address. */
  show() {
    this.search.value = this.route.get("q");
    this.write([...this.store.cards.keys()]);
  }

  write(names) {
    for (const name of names) {
      const card = this.store.cards.get(name);
      if (!card) this.drop(name);
      else this.writeRow(card);
    }
    this.writeCounts();
    this.arrange();
    this.age();
  }

  drop(name) {
    this.rows.get(name)?.remove();
    this.rows.delete(name);
    if (this.picked.delete(name)) this.writePicked();
  }

  writeRow(card) {
    const row = this.rows.get(card.name) || this.makeRow(card.name);
    const axis = axisNow(), find = (selector) => row.querySelector(selector);
    row.dataset.state = card.state;
    row.classList.toggle("alarm", Boolean(card.verdict?.alarm));
    write(find(".name .about"), card.about);
    write(find(".state .word span"), card.state === "unread" ? "not read yet" : card.state);
    write(find(".step .value"), axis === "step" ? whole(card.step) : shortNumber(card.time));
    write(find(".step .of"), card.planned && axis === "step" ? `of ${whole(card.planned)}` : "");
    write(find(".loss .value"), card.loss === null ? "–" : shortNumber(card.loss));
    find(".loss").title = card.standing || "";
    write(find(".modes-count .value"), card.learned === null ? "–" : String(card.learned));
    write(find(".modes-count .of"), card.dimension ? `of ${card.dimension}` : "");
    write(find(".verdict .word"), card.problem ? "" : card.verdict?.state ?? "–");
    const said = card.problem || (card.verdict ? withoutState(card.verdict) : "");
    write(find(".verdict .sentence"), [said, ...card.notes].filter(Boolean).join(" · "));
    find(".verdict").title = [card.problem || card.verdict?.sentence, ...card.notes].filter(Boolean).join("\n");
    this.writeNext(card, find, axis);
    this.drawLoss(card, row);
  }

  writeNext(card, find, axis) {
    const { state, mode, sentence } = card.forecast || {}, next = upcoming(card)?.[axis];
    const when = next ? `no. ${mode + 1} at ${moment(next[0], axis)}` : "";
    write(find(".next .value"), state === "expected" && next ? when : NEXT[state] || "–");
    write(find(".next .interval"), state === "expected" && next ? interval(next, axis) : when && `${when}, if it went on`);
    find(".next").classList.toggle("faint", state !== "expected" || card.state !== "running");
    find(".next").title = sentence || "";
  }

  drawLoss(card, row) {
    const coloured = Math.max(3, ...card.ticks.map(([mode]) => mode + 1));
    const ticks = card.ticks.map(([mode, share]) => ({ share, colour: theme().mode(mode, coloured) }));
    drawSparkline(row.querySelector(".loss svg"), card.spark.map((height) => (height === null ? null : height / 100)), ticks);
  }

  makeRow(name) {
    const row = this.template.content.firstElementChild.cloneNode(true), parts = name.split("/");
    row.dataset.name = name;
    row.querySelector(".name a").href = this.route.to([name]);
    write(row.querySelector(".own"), parts.pop());
    write(row.querySelector(".parent"), parts.length ? parts.join("/") + "/" : "");
    write(row.querySelector(".pick .unseen"), `Compare ${name}`);
    this.rows.set(name, row);
    return row;
  }

  /* Seconds go by without news. */
  age() {
    for (const [name, row] of this.rows) write(row.querySelector(".ago"), this.store.cards.get(name).modified ? ago(this.store.ago(this.store.cards.get(name).modified)) : "");
  }

  /* Which rows are there, and in which order. A table that is being used is not reordered by what only grows. */
  arrange(asked = true) {
    const { column, down } = this.order();
    const shown = [...this.store.cards.values()].filter((card) => this.passes(card));
    const cards = sorted(shown, column, down);
    const wanted = cards.map((card) => this.rows.get(card.name)), now = [...this.body.children];
    const same = wanted.length === now.length && wanted.every((row, place) => row === now[place]);
    const used = !asked && column.volatile && this.body.matches(":hover, :focus-within") && wanted.length === now.length;
    if (!same && !used) {
      const focused = document.activeElement;
      this.body.replaceChildren(...wanted);
      if (this.body.contains(focused)) focused.focus({ preventScroll: true });
    }
    this.writeNote(shown.length);
  }

  writeNote(shown) {
    const { cards, unread, complete, loaded } = this.store, all = cards.size;
    this.section.querySelector(".empty").hidden = !loaded || all > 0 || unread > 0;
    this.section.querySelector("table").hidden = all === 0;
    this.section.querySelector(".filters").classList.toggle("idle", all === 0);
    const notes = [];
    if (unread) notes.push(`${all - unread} of ${all} runs are read so far.`);
    if (all && !shown) notes.push("No run fits the filter.");
    if (!complete) notes.push("This folder holds very many folders; runs in the later ones are not shown.");
    write(this.section.querySelector(".list-note"), notes.join(" "));
  }

  passes(card) {
    const states = this.route.all("state"), words = this.route.get("q").toLowerCase().split(/\s+/);
    const text = [card.name, card.about, card.state, card.verdict?.state, card.problem, ...card.notes].join(" ").toLowerCase();
    return (!states.length || states.includes(card.state)) && words.every((word) => text.includes(word));
  }

  order() {
    const sort = this.route.get("sort", USUAL), key = sort.replace(/^-/, "");
    const column = COLUMNS.find((each) => each.key === key) || COLUMNS.find((each) => each.key === USUAL);
    return { column, down: sort.startsWith("-") };
  }

  sortBy(key) {
    const { column, down } = this.order(), chosen = COLUMNS.find((each) => each.key === key);
    const turn = column.key === key ? !down : Boolean(chosen.down);
    this.route.set({ sort: turn ? `-${key}` : key === USUAL ? "" : key });
    this.writeOrder();
    this.arrange();
  }

  makeHead() {
    const head = this.section.querySelector("thead tr");
    head.append(make("td"));
    for (const { key, title, hidden } of COLUMNS) {
      if (hidden) continue;
      const cell = make("th"), button = make("button", "plain", title);
      cell.scope = "col";
      cell.dataset.key = key;
      button.type = "button";
      button.addEventListener("click", () => this.sortBy(key));
      cell.append(button);
      head.append(cell);
    }
    const select = this.section.querySelector(".sort-by select");
    select.append(...COLUMNS.map(({ key, title }) => new Option(title.toLowerCase(), key)));
    select.addEventListener("change", () => {
      const chosen = COLUMNS.find((each) => each.key === select.value);
      this.route.set({ sort: chosen.down ? `-${chosen.key}` : chosen.key === USUAL ? "" : chosen.key });
      this.writeOrder();
      this.arrange();
    });
    this.writeOrder();
  }

  writeOrder() {
    const { column, down } = this.order();
    for (const cell of this.section.querySelectorAll("thead th")) {
      if (cell.dataset.key === column.key) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    this.section.querySelector(".sort-by select").value = column.key;
  }

  makeChips() {
    const chips = this.section.querySelector(".chips");
    for (const state of ["", ...STATES]) {
      const chip = make("button", "chip", "");
      chip.type = "button";
      chip.dataset.state = state;
      chip.addEventListener("click", () => {
        const states = this.route.all("state"), others = states.filter((each) => each !== state);
        this.route.set({ state: !state ? [] : others.length < states.length ? others : [...states, state] });
        this.writeCounts();
        this.arrange();
      });
      chips.append(chip);
    }
  }

  writeCounts() {
    const cards = [...this.store.cards.values()], chosen = this.route.all("state");
    for (const chip of this.section.querySelectorAll(".chip")) {
      const { state } = chip.dataset, count = state ? cards.filter((card) => card.state === state).length : cards.length;
      write(chip, `${state || "all"} ${count}`);
      chip.hidden = Boolean(state) && !count && !chosen.includes(state);
      chip.setAttribute("aria-pressed", String(state ? chosen.includes(state) : !chosen.length));
    }
  }

  clicked(event) {
    if (event.target.closest("a, input, label") || getSelection().toString()) return;
    const row = event.target.closest("tr");
    if (row) this.route.go([row.dataset.name]);
  }

  pick(input) {
    const { name } = input.closest("tr").dataset;
    if (input.checked) this.picked.add(name);
    else this.picked.delete(name);
    this.writePicked();
  }

  clear() {
    this.picked.clear();
    for (const input of this.body.querySelectorAll("input")) input.checked = false;
    this.writePicked();
  }

  writePicked() {
    const bar = this.section.querySelector(".picked"), count = this.picked.size;
    bar.hidden = !count;
    write(bar.querySelector("span"), count === 1 ? "1 run picked; pick another one" : `${count} runs picked`);
    bar.querySelector(".compare").disabled = count < 2;
  }

  /* Arrows go from run to run, space picks, Enter opens as links do. */
  pressed(event) {
    const row = event.target.closest("tbody tr"), { key } = event;
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const other = key === "ArrowDown" || key === "j" ? row.nextElementSibling : key === "ArrowUp" || key === "k" ? row.previousElementSibling : null;
    if (other) { other.querySelector("a").focus(); event.preventDefault(); }
    else if (event.target.matches("a") && (key === " " || key === "x")) { row.querySelector("input").click(); event.preventDefault(); }
  }
}

/* The next mode's half-time by step and by time, where the forecast tells it. */
function upcoming(card) {
  return card.forecast?.half_time ?? null;
}

/* The sentence without its first words, which say the state. */
function withoutState({ sentence }) {
  const [, rest] = sentence.split(/:\s+(.*)/s);
  return rest || sentence;
}

/* Runs that lack what is sorted by come last, either way. */
function sorted(cards, { of, then }, down) {
  const lacks = (value) => value === null || value === undefined;
  const compare = (one, two) => {
    if (lacks(one) || lacks(two)) return lacks(one) - lacks(two);
    const order = typeof one === "string" ? one.localeCompare(two, "en", { numeric: true }) : one - two;
    return down ? -order : order;
  };
  return [...cards].sort((one, two) => compare(of(one), of(two)) || (then ? then(one) - then(two) : 0) || one.name.localeCompare(two.name, "en", { numeric: true }));
}

/* What the page knows of the folder, and asking the server for what it does not know yet. */

import { Columns } from "./packed.js";

const SECOND = 1000;
/* Between two questions: while something happens, and while nothing does. */
const BUSY = 500, QUIET = 1000, PATIENT = 5000;
const SOURCES = ["metrics", "eigenvalues", "probes"];

export class Store extends EventTarget {
  constructor() {
    super();
    this.cards = new Map();
    this.runs = new Map();
    this.session = null;
    this.version = 0;
    this.unread = 0;
    this.complete = true;
    this.loaded = false;
    this.failures = 0;
    this.asking = false;
    this.again = false;
    this.clock = { server: Date.now() / 1000, here: performance.now() };
    document.addEventListener("visibilitychange", () => this.poll());
  }

  /* The runs to follow row by row, and whether with the point cloud. */
  follow(names, withCloud) {
    for (const name of this.runs.keys()) if (!names.includes(name)) this.runs.delete(name);
    for (const name of names) if (!this.runs.has(name)) this.runs.set(name, new Run(name));
    for (const run of this.runs.values()) run.withCloud = withCloud;
    this.poll();
  }

  /* Seconds since a moment that the server told. */
  ago(moment) {
    return Math.max(0, this.clock.server + (performance.now() - this.clock.here) / SECOND - moment);
  }

  async poll() {
    clearTimeout(this.timer);
    if (this.asking) { this.again = true; return; }
    if (document.hidden) return;
    this.asking = true;
    this.again = false;
    try {
      const runs = Object.fromEntries([...this.runs.values()].map((run) => [run.name, run.cursor()]));
      this.take(await ask("changes", { session: this.session, table: this.version, runs }));
      this.failures = 0;
    } catch {
      this.failures += 1;
      this.dispatchEvent(new Event("silence"));
    }
    this.asking = false;
    const wait = this.again ? 0 : this.failures ? Math.min(PATIENT, this.failures * QUIET) : this.news || this.unread ? BUSY : QUIET;
    this.timer = setTimeout(() => this.poll(), wait);
  }

  take({ session, now, table, runs, folder }) {
    const changed = new Set();
    if (session !== this.session) {
      for (const name of this.cards.keys()) changed.add(name);
      this.cards.clear();
    }
    Object.assign(this, { session, folder, version: table.version, unread: table.unread, complete: table.complete, loaded: true });
    this.clock = { server: now, here: performance.now() };
    for (const name of table.gone) if (this.cards.delete(name)) changed.add(name);
    for (const card of table.cards) { this.cards.set(card.name, card); changed.add(card.name); }
    const fresh = new Map();
    for (const [name, reply] of Object.entries(runs)) {
      const news = this.runs.get(name)?.take(reply);
      if (news?.size) fresh.set(name, news);
    }
    this.news = changed.size + fresh.size > 0;
    this.dispatchEvent(new CustomEvent("news", { detail: { changed, fresh } }));
  }
}

/* One run as it is shown on its own or beside others. */
class Run {
  constructor(name) {
    this.name = name;
    this.withCloud = false;
    this.problem = "";
    this.forget();
  }

  forget() {
    this.generation = 0;
    for (const source of SOURCES) this[source] = new Columns();
    this.analysis = this.facts = this.cloud = this.seenCloser = null;
  }

  cursor() {
    const cursor = { generation: this.generation, facts: this.facts?.version, analysis: this.analysis?.basis };
    for (const source of SOURCES) cursor[source] = this[source].count;
    if (this.withCloud) cursor.cloud = this.cloud ? { frames: this.cloud.frames, digest: this.cloud.digest, version: this.cloud.version } : {};
    return cursor;
  }

  /* What of the run is other than before. */
  take(reply) {
    const news = new Set(reply.reset ? ["everything"] : this.problem !== (reply.problem || "") ? ["problem"] : []);
    this.problem = reply.problem || "";
    if (this.problem) return news;
    if (reply.reset) this.forget();
    this.generation = reply.generation;
    for (const source of SOURCES) if (reply[source]) { this[source].take(reply[source]); news.add(source); }
    for (const part of ["analysis", "facts"]) if (reply[part]) { this[part] = reply[part]; news.add(part); }
    if (reply.cloud) { this.takeCloud(reply.cloud); news.add("cloud"); }
    return news;
  }

  takeCloud({ first, points, ...cloud }) {
    const added = decode(points), size = 3 * cloud.samples;
    const all = new Int16Array(first * size + added.length);
    if (first) all.set(this.cloud.coordinates.subarray(0, first * size));
    all.set(added, first * size);
    const thumbnails = first ? this.cloud.thumbnails : cloud.thumbnails;
    this.cloud = { ...cloud, thumbnails, coordinates: all };
  }

  /* Finer rows between two moments, or none; `seenCloser` says between which the server has told them. */
  async look(axis, range) {
    this.wanted = range;
    const asked = ["metrics", "eigenvalues"].map(async (source) => {
      const rows = range && (await ask("rows", { run: this.name, source, axis, from: range[0], to: range[1] })).rows;
      if (this.wanted !== range || (rows && rows.generation !== this.generation)) throw new Error("no longer wanted");
      this[source].takeFiner(rows);
    });
    const done = await Promise.allSettled(asked);
    if (done.every(({ status }) => status === "fulfilled")) this.seenCloser = range;
  }
}

async function ask(what, question) {
  const reply = await fetch(what, { method: "POST", body: JSON.stringify(question), headers: { "content-type": "application/json" } });
  if (!reply.ok) throw new Error(`${what}: ${reply.status}`);
  return reply.json();
}

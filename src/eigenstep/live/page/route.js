/* Where the page is, as its address after "#" tells: anyone who opens the same address sees the same. */

const SEVERAL = ["run", "state", "measure"];

export class Route extends EventTarget {
  constructor() {
    super();
    this.read();
    addEventListener("hashchange", () => { this.read(); this.dispatchEvent(new Event("change")); });
  }

  read() {
    this.options = new URLSearchParams(location.hash.slice(1));
  }

  get runs() {
    return this.options.getAll("run");
  }

  get(name, otherwise = "") {
    return this.options.get(name) ?? otherwise;
  }

  all(name) {
    return this.options.getAll(name);
  }

  /* Change options of the place that is shown: no step in the history. What is as usual is left out. */
  set(changes) {
    for (const [name, value] of Object.entries(changes)) {
      this.options.delete(name);
      for (const each of SEVERAL.includes(name) ? value : [value]) if (each) this.options.append(name, each);
    }
    history.replaceState(null, "", this.address(this.options) || "#");
  }

  /* The address of other runs, or of the table, with the axis kept. */
  to(runs) {
    const options = new URLSearchParams(runs.map((name) => ["run", name]));
    if (this.get("axis")) options.set("axis", this.get("axis"));
    return this.address(options);
  }

  go(runs) {
    location.hash = this.to(runs);
  }

  address(options) {
    return "#" + options.toString().replaceAll("%2F", "/");
  }
}

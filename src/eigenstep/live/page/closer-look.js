/* Finer rows for the part of the x-axis that is zoomed into, asked for until they are there. */

import { axisNow } from "./figures.js";

export class CloserLook {
  constructor(zoom, runs, redraw) {
    // A run may not be read yet, or be gone, when a zoom has settled.
    Object.assign(this, { zoom, runs: () => runs().filter(Boolean), redraw });
    this.asking = 0;
    zoom.addEventListener("settled", () => this.look());
  }

  async look() {
    const { range } = this.zoom;
    this.asking += 1;
    await Promise.all(this.runs().map((run) => run.look(axisNow(), range)));
    this.asking -= 1;
    if (this.zoom.range === range) this.redraw();
  }

  /* At news: what was asked for in vain, or forgotten with a run that began anew, is asked for again. */
  check() {
    const { range } = this.zoom;
    if (range && !this.asking && this.runs().some((run) => run.seenCloser !== range)) this.look();
  }
}

/* The point cloud of a run with its player, which grows while the run goes on.
   onMoment tells the step and time that are shown, or null for the latest. */

import { axisNow } from "./figures.js";

export class CloudPanel {
  constructor(section, onMoment) {
    this.section = section;
    this.onMoment = onMoment;
    this.fields = [...section.querySelectorAll("[data-field]")];
    this.cloud = null;
  }

  remove() {
    this.cloud?.pause();
  }

  /* Whoever looks at the last frame goes on looking at the last one; others stay where they are. */
  take(data, coloured) {
    if (data && this.data && data !== this.data) keepSigns(data.turn, this.data.turn);
    this.data = data;
    this.coloured = coloured;
    this.section.hidden = !data;
    if (!data) { this.cloud?.pause(); return; }
    if (!this.cloud) {
      this.cloud = new Cloud({ ...data, points: "" }, this.section, (frame) => this.showFrame(frame));
      this.cloud.take(data, data.coordinates);
      this.cloud.seek(this.cloud.frames - 1);
    } else if (this.cloud.cloud !== data) {
      const following = !this.cloud.playing && this.cloud.position >= this.cloud.frames - 1;
      this.cloud.take(data, data.coordinates);
      this.cloud.seek(following ? this.cloud.frames - 1 : this.cloud.position);
    }
    markSlider(data, this.section.querySelector(".ticks"));
    this.recolour();
  }

  showFrame(frame) {
    for (const field of this.fields) field.textContent = shortNumber(this.data[field.dataset.field][frame]);
    this.section.querySelector(".stage").textContent = STAGES[Math.min(this.data.extent[frame], STAGES.length - 1)];
    this.onMoment(frame < this.data.frames - 1 ? { step: this.data.step[frame], time: this.data.time[frame] } : null);
  }

  goTo(value) {
    if (!this.cloud) return;
    this.cloud.pause();
    this.cloud.seek(nearest(this.data[axisNow()], value));
  }

  recolour() {
    for (const tick of this.section.querySelectorAll(".ticks i")) tick.style.background = theme().mode(Number(tick.dataset.mode), this.coloured);
    this.cloud?.paint();
  }
}

/* A principal direction has no sign of its own: the picture would be mirrored at random. */
function keepSigns(turn, before) {
  for (let axis = 0; axis < 3; axis++) {
    const along = turn.reduce((sum, row, place) => sum + row[axis] * before[place][axis], 0);
    if (along < 0) for (const row of turn) row[axis] = -row[axis];
  }
}

/* The probe batch's embeddings in three dimensions, on a plain 2-D canvas: no WebGL, any number of frames. */
class Cloud {
  constructor(cloud, section, onFrame) {
    this.onFrame = onFrame;
    this.canvas = section.querySelector("canvas");
    this.slider = section.querySelector(".frame");
    this.button = section.querySelector(".play");
    this.take(cloud, decode(cloud.points));
    this.position = this.frames - 1;
    this.azimuth = 0.6;
    this.elevation = 0.35;
    this.sway = 0;
    this.images = cloud.thumbnails ? "thumbnails" : "dots";
    this.fit = false;
    this.playing = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.readControls(section);
    this.listenToDrags();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    if (cloud.thumbnails) {
      this.sheet = new Image();
      this.sheet.addEventListener("load", () => this.paint());
      this.sheet.src = cloud.thumbnails.url;
    }
  }

  /* Frames to show, and their points, whatever they were before. */
  take(cloud, points) {
    this.cloud = cloud;
    this.points = points;
    this.frames = cloud.scales.length;
    this.radius = usualRadius(cloud.radii);
    this.slider.max = this.frames - 1;
    this.slider.disabled = this.button.disabled = this.frames < 2;
  }

  readControls(section) {
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.slider.addEventListener("input", () => { this.pause(); this.seek(Number(this.slider.value)); });
    const look = section.querySelector(".look");
    look.hidden = !this.cloud.thumbnails;
    look.addEventListener("change", (event) => { this.images = event.target.value; this.paint(); });
    section.querySelector(".fit input").addEventListener("change", (event) => { this.fit = event.target.checked; this.paint(); });
  }

  listenToDrags() {
    let last = null;
    this.canvas.addEventListener("pointerdown", (event) => { last = event; this.canvas.setPointerCapture(event.pointerId); });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.azimuth += (event.clientX - last.clientX) * 0.008;
      this.elevation = Math.max(-1.5, Math.min(1.5, this.elevation + (event.clientY - last.clientY) * 0.008));
      last = event;
      this.paint();
    });
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => { last = null; });
  }

  play() {
    if (this.position >= this.frames - 1) this.position = 0;
    this.playing = true;
    this.showButton();
    let before = performance.now();
    const advance = (now) => {
      if (!this.playing) return;
      const seconds = Math.min(0.1, (now - before) / 1000);
      before = now;
      if (!this.still.matches) this.sway += seconds;
      this.seek(this.position + (seconds * (this.frames - 1)) / SECONDS);
      if (this.position >= this.frames - 1) this.pause();
      else requestAnimationFrame(advance);
    };
    requestAnimationFrame(advance);
  }

  pause() {
    this.playing = false;
    this.showButton();
  }

  showButton() {
    this.button.classList.toggle("playing", this.playing);
    this.button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  /* Positions between two records are drawn in between; what is written beside the picture is the record before. */
  seek(position) {
    this.position = Math.max(0, Math.min(this.frames - 1, position));
    const frame = Math.floor(this.position + 1e-6);
    this.slider.value = frame;
    this.onFrame(frame);
    this.paint();
  }

  resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paint();
  }

  paint() {
    if (!this.width) return;
    const context = this.canvas.getContext("2d"), colours = theme();
    context.clearRect(0, 0, this.width, this.height);
    const project = this.projection();
    this.paintDirections(context, project, colours);
    const { samples } = this.cloud, spots = new Array(samples);
    for (let index = 0; index < samples; index++) spots[index] = { index, ...project(this.point(index)) };
    spots.sort((a, b) => a.depth - b.depth);
    const side = Math.min(this.width, this.height) * Math.max(0.03, Math.min(0.09, 0.75 / Math.sqrt(samples)));
    const drawn = this.images === "thumbnails" && this.sheet && this.sheet.complete ? this.paintThumbnail : this.paintDot;
    for (const spot of spots) {
      context.globalAlpha = 0.94 - 0.4 * Math.max(0, Math.min(1, 0.5 - spot.depth));
      drawn.call(this, context, spot, side * spot.size, colours);
    }
    context.globalAlpha = 1;
  }

  /* From coordinates to the canvas, with a mild perspective. `depth` is 1 at the radius, towards the viewer. */
  projection() {
    const between = (values) => mix(values, this.position);
    const radius = (this.fit && between(this.cloud.radii)) || this.radius;
    const angle = this.azimuth + 0.7 * Math.sin(this.sway * 0.55);
    const [sinA, cosA, sinE, cosE] = [Math.sin(angle), Math.cos(angle), Math.sin(this.elevation), Math.cos(this.elevation)];
    const unit = 0.4 * Math.min(this.width, this.height);
    return ([x, y, z]) => {
      const across = (cosA * x + sinA * z) / radius, away = (cosA * z - sinA * x) / radius;
      const up = (cosE * y) / radius - sinE * away, depth = sinE * (y / radius) + cosE * away;
      const size = 4 / Math.max(1, 4 - depth);
      return { x: this.width / 2 + unit * across * size, y: this.height / 2 - unit * up * size, depth, size, radius };
    };
  }

  paintDirections(context, project, colours) {
    const { radius } = project([0, 0, 0]);
    context.strokeStyle = context.fillStyle = colours.faint;
    context.lineWidth = 1;
    context.font = `12px ${colours.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let direction = 0; direction < 3; direction++) {
      const end = (reach) => project([0, 1, 2].map((other) => (other === direction ? reach * radius : 0)));
      const from = end(-1), to = end(1), label = end(1.1);
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
      context.fillText(["1st", "2nd", "3rd"][direction], label.x, label.y);
    }
  }

  point(index) {
    const before = Math.floor(this.position), after = Math.min(before + 1, this.frames - 1), weight = this.position - before;
    const at = (frame, axis) => (this.points[(frame * this.cloud.samples + index) * 3 + axis] * this.cloud.scales[frame]) / 32767;
    const place = [0, 1, 2].map((axis) => (1 - weight) * at(before, axis) + weight * at(after, axis)), { turn } = this.cloud;
    return turn ? [0, 1, 2].map((axis) => place[0] * turn[0][axis] + place[1] * turn[1][axis] + place[2] * turn[2][axis]) : place;
  }

  paintThumbnail(context, spot, side, colours) {
    const { columns, tile } = this.cloud.thumbnails;
    const left = (spot.index % columns) * tile, top = Math.floor(spot.index / columns) * tile;
    context.fillStyle = colours.paper;
    context.fillRect(spot.x - side / 2 - 1, spot.y - side / 2 - 1, side + 2, side + 2);
    context.drawImage(this.sheet, left + 0.5, top + 0.5, tile - 1, tile - 1, spot.x - side / 2, spot.y - side / 2, side, side);
  }

  paintDot(context, spot, side, colours) {
    context.beginPath();
    context.arc(spot.x, spot.y, side * 0.26, 0, 2 * Math.PI);
    context.fillStyle = this.cloud.thumbnails ? this.cloud.thumbnails.colours[spot.index] : colours.accent;
    context.strokeStyle = colours.muted;
    context.lineWidth = 0.8;
    context.fill();
    context.stroke();
  }
}

const SECONDS = 14;
const STAGES = ["a point", "a line", "a plane", "a volume"];

/* One scale for all frames, by the large ones: an overshoot while a mode rises may reach to the edge. */
function usualRadius(radii) {
  const sorted = [...radii].sort((a, b) => a - b);
  return Math.max(sorted[Math.floor(0.9 * (sorted.length - 1))], radii[radii.length - 1]) || 1;
}

function decode(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Int16Array.from({ length: bytes.length / 2 }, (_, index) => view.getInt16(2 * index, true));
}

function mix(values, position) {
  const before = Math.floor(position), after = Math.min(before + 1, values.length - 1);
  return values[before] + (position - before) * (values[after] - values[before]);
}

/* Ticks above the slider where a mode is learned. */
function markSlider({ learned }, ticks) {
  ticks.replaceChildren();
  for (let frame = 1; frame < learned.length; frame++) {
    for (let mode = learned[frame - 1]; mode < learned[frame]; mode++) {
      const tick = document.createElement("i");
      tick.dataset.mode = mode;
      tick.style.left = (100 * frame) / (learned.length - 1) + "%";
      ticks.append(tick);
    }
  }
}

function nearest(values, wanted) {
  let best = 0;
  values.forEach((value, index) => { if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = index; });
  return best;
}

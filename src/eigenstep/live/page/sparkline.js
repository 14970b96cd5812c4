/* A curve as small as a word. */

const SVG = "http://www.w3.org/2000/svg";
const PAD = 2, TICK = 6;

/* Draws heights from 0 to 1, evenly spread, above ticks if there are any; where one is null or NaN the line has a gap. */
export function drawSparkline(svg, heights, ticks = []) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const tall = height - 2 * PAD - (ticks.length ? TICK + PAD : 0);
  let path = "", pen = "M";
  heights.forEach((share, place) => {
    if (share === null || !Number.isFinite(share)) { pen = "M"; return; }
    const x = (width * place) / Math.max(1, heights.length - 1), y = PAD + tall * (1 - share);
    path += `${pen}${x.toFixed(1)},${y.toFixed(1)}`;
    pen = "L";
  });
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  const marks = ticks.map(({ share, colour }) => {
    const mark = document.createElementNS(SVG, "line");
    for (const [name, value] of Object.entries({ x1: width * share, x2: width * share, y1: height - TICK, y2: height })) mark.setAttribute(name, value);
    mark.setAttribute("stroke", colour);
    return mark;
  });
  svg.replaceChildren(...marks, line);
}

/* Heights of some numbers between their least and their largest, thinned to at most so many. */
export function heightsOf(values, most = 60) {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite), span = Math.max(...finite) - low || 1;
  const count = Math.min(most, values.length);
  return Array.from({ length: count }, (_, place) => {
    const value = values[Math.round((place * (values.length - 1)) / Math.max(1, count - 1))];
    return Number.isFinite(value) ? (value - low) / span : null;
  });
}

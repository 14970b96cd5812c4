/* Colours for runs beside each other and for measures: eight, then the same ones dashed, then dotted. */

const DASHES = ["solid", "6px,3px", "2px,2px"];

export function shade(place) {
  const colours = getComputedStyle(document.documentElement).getPropertyValue("--runs").trim().split(/\s+/);
  return { color: colours[place % colours.length], dash: DASHES[Math.floor(place / colours.length) % DASHES.length] };
}

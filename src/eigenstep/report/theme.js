"use strict";

/* The stylesheet holds every colour; it is read once, and anew when the colour scheme changes. */
let currentTheme = null;

function theme() {
  return (currentTheme ??= readTheme());
}

function forgetTheme() {
  currentTheme = null;
}

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue("--" + name).trim();
  const modes = value("modes").split(/\s+/);
  return {
    paper: value("paper"), ink: value("ink"), muted: value("muted"), rule: value("rule"), grid: value("grid"),
    accent: value("accent"), faint: value("faint"), font: value("sans"),
    mode: (index, coloured) => (index < coloured ? blend(modes, index / Math.max(1, coloured - 1)) : value("faint")),
  };
}

/* The colour at a share, 0 to 1, of the way along a list of colours "#rrggbb". */
function blend(stops, share) {
  const place = share * (stops.length - 1), before = Math.floor(place), after = Math.min(before + 1, stops.length - 1);
  const channel = (colour, offset) => parseInt(colour.slice(offset, offset + 2), 16);
  const mixed = [1, 3, 5].map((offset) => {
    const start = channel(stops[before], offset);
    return Math.round(start + (place - before) * (channel(stops[after], offset) - start));
  });
  return `rgb(${mixed.join(", ")})`;
}

function shortNumber(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    const superscript = [...String(Number(exponent))].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
    return mantissa.replace("-", "−") + "·10" + superscript;
  }
  return Number(value.toPrecision(4)).toLocaleString("en-US", { maximumFractionDigits: 6 }).replace("-", "−");
}

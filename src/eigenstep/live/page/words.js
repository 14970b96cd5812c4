/* Numbers and names as the page writes them. */

const NAMES = {
  rank_me: "RankMe", lidar: "LiDAR", alpha_req: "α-ReQ", normalized_std: "normalised std",
  mean_norm: "mean norm", cosine_concentration: "cosine concentration", modes_past_half: "modes past half",
  modes_above_noise: "modes above noise", learning_rate: "learning rate", knn: "k-NN",
};

/* A measure, a loss's term or a probe in words. */
export function named(column) {
  const name = column.replace(/^(measures|terms)\//, "");
  return NAMES[name] || name.split("_").map((part) => NAMES[part] || part).join(" ");
}

export function whole(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : Math.round(value).toLocaleString("en-US");
}

/* A step as a whole number, a time t with four digits. */
export function moment(value, axis) {
  return axis === "step" ? whole(value) : shortNumber(value);
}

export function interval([, low, high], axis) {
  if (low === null || high === null) return "";
  const [from, to] = [moment(low, axis), moment(high, axis)];
  return from === to ? "" : `${from} – ${to}`;
}

export function ago(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 2 * 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

/* Text is only written where it is another one, so that a selection in it stays. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

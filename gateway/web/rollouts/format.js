//! Writes numbers, durations and moments for people. Pure; knows nothing of rollouts.

/** Stands where there is no figure. */
export const NOTHING = "–";

const NARROW = "\u202f";
const number = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 3 });
const coarse = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A percentage of 0 to 100. */
export const percent = (value) => (isNumber(value) ? `${number.format(value)}${NARROW}%` : NOTHING);

/** A rate of 0 to 1. */
export const rate = (value) => (isNumber(value) ? `${coarse.format(value * 100)}${NARROW}%` : NOTHING);

/** Milliseconds. */
export const milliseconds = (value) => (isNumber(value) ? `${spaced(Math.round(value))}${NARROW}ms` : NOTHING);

/** A count. */
export const count = (value) => (isNumber(value) ? spaced(Math.round(value)) : NOTHING);

/** Groups digits by narrow spaces: 12 480. */
const spaced = (value) => number.format(value).replaceAll(",", NARROW);

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/**
 * A duration in its two largest units: "1 h 20 min".
 * @param {number} seconds
 */
export function duration(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  let rest = Math.max(0, Math.floor(seconds));
  const largest = UNITS.findIndex(([, size]) => rest >= size);
  if (largest < 0) return `0${NARROW}s`;
  const parts = [];
  for (const [unit, size] of UNITS.slice(largest, largest + 2)) {
    const whole = Math.floor(rest / size);
    if (whole > 0) parts.push(`${whole}${NARROW}${unit}`);
    rest -= whole * size;
  }
  return parts.join(" ");
}

/** How long ago `at` was at the time `now`, both in milliseconds. */
export function ago(at, now) {
  const seconds = Math.round((now - at) / 1_000);
  if (seconds < 5) return "just now";
  // The second unit only says something where the first is small.
  const text = duration(seconds);
  return `${seconds < 600 || seconds >= 3_600 * 10 ? text.split(" ")[0] : text} ago`;
}

/** The moment in full, for a tooltip. */
export const fully = (at) => (Number.isNaN(at) ? "" : moment.format(at));

/** The time of day, with the day where it is not today's. */
export function time(at, now) {
  if (Number.isNaN(at)) return NOTHING;
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return sameDay ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
}

/** Milliseconds of an RFC 3339 time; NaN for anything else. */
export const instant = (text) => (typeof text === "string" ? Date.parse(text) : Number.NaN);

//! Sums and rates of figures, and how they are written. Pure; whatever is missing counts as nothing, and what cannot be
//! told is null.

import { NOTHING, count, milliseconds, percent } from "../rollouts/format.js";

const NARROW = "\u202f";
const fine = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });
const money = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });

/** The number that stands there, else nothing at all. */
export const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : 0);

/** Turns that ended, in whichever way. */
export const turnsOf = (figures) => number(figures?.successes) + number(figures?.failures) + number(figures?.cancelled);

/** 0 to 100, of successes and failures; null without any. */
export function successRateOf(figures) {
  const judged = number(figures?.successes) + number(figures?.failures);
  return judged === 0 ? null : (number(figures.successes) / judged) * 100;
}

/** 0 to 100; null when nobody looked into the cache. */
export function hitRateOf(cache) {
  const looks = number(cache?.hits) + number(cache?.misses);
  return looks === 0 ? null : (number(cache.hits) / looks) * 100;
}

export const KINDS = ["openai", "tts", "network", "validation", "other"];

/** Errors of all kinds. */
export const errorsOf = (figures) => KINDS.reduce((sum, kind) => sum + number(figures?.errors?.[kind]), 0);

export const tokensOf = (figures) => number(figures?.promptTokens) + number(figures?.completionTokens);

/** A percentile of a latency; null where nothing was measured. */
export const percentileOf = (latency, name) => (number(latency?.count) > 0 ? number(latency[name]) : null);

/** A percentage of 0 to 100, with as many decimals as tell something: 99.5, 99.97. */
export function share(value) {
  if (value === null || value === undefined) return NOTHING;
  const rounded = Math.round(value * 100) / 100;
  // What is not whole must not look whole.
  if (rounded === 100 && value < 100) return `>${NARROW}99.99${NARROW}%`;
  return percent(rounded);
}

/** Milliseconds, in seconds where they are many. */
export function latency(value) {
  if (value === null || value === undefined) return NOTHING;
  return value < 10_000 ? milliseconds(value) : `${fine.format(value / 1_000)}${NARROW}s`;
}

/** An amount in the configured currency, which only the server knows. */
export function cost(value) {
  if (typeof value !== "number") return NOTHING;
  return value === 0 || value >= 1 ? money.format(value) : fine.format(value);
}

/** A rate in time, such as turns a minute. */
export const frequency = (value) => (value >= 100 ? count(value) : fine.format(value));

/** A number for an axis. */
export const compact = (value) => short.format(value);

/** A figure of no known unit. */
export const plain = (value) => (typeof value === "number" ? (value >= 1_000 ? count(value) : fine.format(value)) : NOTHING);

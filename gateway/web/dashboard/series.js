//! Makes what charts draw from the history: one slot for each step, null where nothing is known. Pure.

import { KINDS, hitRateOf, number, percentileOf, successRateOf } from "./numbers.js";
import { nameOf } from "./words.js";

/**
 * Figures by slot: `times` in seconds, `figures` null where there were no turns.
 * @typedef {{ times: number[], figures: (object | null)[], from: number, to: number, step: number }} Slots
 */

/** More slots than any range has: an answer that asks for more is not drawn. */
const MOST = 5_000;

/**
 * @param {object} history as the server answers
 * @returns {Slots}
 */
export function slotsOf(history) {
  const from = Date.parse(history?.from) / 1_000;
  const to = Date.parse(history?.to) / 1_000;
  const step = number(history?.stepSeconds);
  const none = { times: [], figures: [], from: 0, to: 0, step: 0 };
  if (!(to > from) || step <= 0 || (to - from) / step > MOST) return none;
  const points = (Array.isArray(history.points) ? history.points : [])
    .map((point) => ({ at: Date.parse(point?.at) / 1_000, figures: point?.figures }))
    .filter(({ at, figures }) => at > from - step && at <= to && figures !== null && typeof figures === "object");
  // Points may stand on whole steps or on steps from the beginning: the first one tells.
  const origin = points.length > 0 ? from + ((((points[0].at - from) % step) + step) % step) : from;
  const first = origin > from && points.some(({ at }) => at < from) ? origin - step : origin;
  const bySlot = new Map(points.map(({ at, figures }) => [Math.round((at - first) / step), figures]));
  const slots = Math.max(1, Math.ceil((to - first) / step));
  const indices = Array.from({ length: slots }, (_, slot) => slot);
  return {
    times: indices.map((slot) => first + slot * step),
    figures: indices.map((slot) => bySlot.get(slot) ?? null),
    from: Math.min(from, first),
    to,
    step,
  };
}

/** `null` in a slot without turns, else what `read` finds. */
const row = (slots, read) => slots.figures.map((figures) => (figures === null ? null : read(figures)));

const latencyLines = (name) => (slots) =>
  ["p50", "p95", "p99"].map((percentile, at) => ({
    name: percentile,
    ink: String(at + 1),
    values: row(slots, (figures) => percentileOf(figures[name], percentile)),
  }));

/** In the order of KINDS. */
const ERROR_INKS = ["2", "3", "5", "6", "4"];

/**
 * `ink` chooses the colour and the kind of line.
 * @typedef {{ name: string, ink: string, values: (number | null)[] }} Series
 */

/**
 * `shape`: "lines", or "bars" that stand on each other. `unit`: how values are written.
 * @typedef {{ key: string, title: string, shape: "lines" | "bars", unit: "count" | "latency" | "share" | "cost", note: string,
 *   series: (slots: Slots) => Series[] }} ChartPlan
 */

/** @type {ChartPlan[]} */
export const CHARTS = [
  { key: "first-token", title: "First token", shape: "lines", unit: "latency", note: "", series: latencyLines("firstToken") },
  { key: "first-audio", title: "First audio", shape: "lines", unit: "latency", note: "", series: latencyLines("firstAudio") },
  { key: "complete", title: "Complete answer", shape: "lines", unit: "latency", note: "successes alone", series: latencyLines("complete") },
  {
    key: "requests",
    title: "Requests",
    shape: "bars",
    unit: "count",
    note: "",
    series: (slots) => [
      { name: "Successes", ink: "1", values: row(slots, ({ successes }) => number(successes)) },
      { name: "Cancelled", ink: "6", values: row(slots, ({ cancelled }) => number(cancelled)) },
      { name: "Failures", ink: "4", values: row(slots, ({ failures }) => number(failures)) },
    ],
  },
  {
    key: "errors",
    title: "Errors by kind",
    shape: "bars",
    unit: "count",
    note: "",
    series: (slots) => KINDS.map((kind, at) => ({ name: nameOf(kind), ink: ERROR_INKS[at], values: row(slots, ({ errors }) => number(errors?.[kind])) })),
  },
  {
    key: "success",
    title: "Success rate",
    shape: "lines",
    unit: "share",
    note: "",
    series: (slots) => [{ name: "Success rate", ink: "1", values: row(slots, successRateOf) }],
  },
  {
    key: "caches",
    title: "Cache hit rates",
    shape: "lines",
    unit: "share",
    note: "",
    series: (slots) => [
      { name: "Knowledge", ink: "1", values: row(slots, ({ knowledge }) => hitRateOf(knowledge)) },
      { name: "Speech", ink: "2", values: row(slots, ({ speech }) => hitRateOf(speech)) },
    ],
  },
  {
    key: "tokens",
    title: "Tokens",
    shape: "bars",
    unit: "count",
    note: "",
    series: (slots) => [
      { name: "Prompt", ink: "5", values: row(slots, ({ promptTokens }) => number(promptTokens)) },
      { name: "Completion", ink: "2", values: row(slots, ({ completionTokens }) => number(completionTokens)) },
    ],
  },
  { key: "gap", title: "Between tokens", shape: "lines", unit: "latency", note: "", series: latencyLines("gap") },
  {
    key: "strain",
    title: "Strain",
    shape: "bars",
    unit: "count",
    note: "second tries, and no room",
    series: (slots) => [
      { name: "Model asked again", ink: "5", values: row(slots, ({ retries }) => number(retries)) },
      { name: "Other model answered", ink: "3", values: row(slots, ({ fallbacks }) => number(fallbacks)) },
      { name: "Turned away", ink: "4", values: row(slots, ({ refused }) => number(refused)) },
    ],
  },
  { key: "cost", title: "Cost", shape: "bars", unit: "cost", note: "", series: (slots) => [{ name: "Cost", ink: "3", values: row(slots, ({ cost }) => number(cost)) }] },
];

/** Values that stand on those before them; null stays null. */
export function stacked(rows) {
  const sums = [];
  for (const values of rows) {
    const below = sums.at(-1);
    sums.push(values.map((value, at) => (value === null ? null : value + (below?.[at] ?? 0))));
  }
  return sums;
}

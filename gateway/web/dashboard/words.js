//! What conditions are called and how they look: a word, a shape, a tone. Pure; a condition that this page does not know
//! yet is shown as the server calls it.

import { NOTHING } from "../rollouts/format.js";

/** @typedef {import("../rollouts/words.js").Look} Look */

const HEALTH = new Map([
  ["healthy", { words: "Healthy", icon: "good", tone: "good" }],
  ["degraded", { words: "Degraded", icon: "warn", tone: "warn" }],
  ["unhealthy", { words: "Unhealthy", icon: "bad", tone: "bad" }],
]);

const CHECKS = new Map([
  ["pass", { words: "Passes", icon: "good", tone: "good" }],
  ["warn", { words: "Warns", icon: "warn", tone: "warn" }],
  ["fail", { words: "Fails", icon: "bad", tone: "bad" }],
]);

const ALERTS = new Map([
  ["firing critical", { words: "Critical", icon: "bad", tone: "bad" }],
  ["firing warning", { words: "Warning", icon: "warn", tone: "warn" }],
  ["pending", { words: "Pending", icon: "waiting", tone: "wait" }],
  ["resolved", { words: "Resolved", icon: "good", tone: "good" }],
]);

const DEPENDENCIES = new Map([
  ["up", { words: "up", icon: "good", tone: "good" }],
  ["down", { words: "down", icon: "bad", tone: "bad" }],
  ["unused", { words: "unused", icon: "none", tone: "calm" }],
]);

const BREAKERS = new Map([
  ["closed", { words: "closed", icon: "good", tone: "good" }],
  ["half_open", { words: "half open", icon: "unsure", tone: "warn" }],
  ["open", { words: "open", icon: "bad", tone: "bad" }],
]);

const EVENTS = new Map([
  ["success", { words: "Success", icon: "good", tone: "good" }],
  ["cancelled", { words: "Cancelled", icon: "aborted", tone: "calm" }],
  ["error", { words: "Error", icon: "bad", tone: "bad" }],
]);

const NAMES = new Map([
  ["errorRate", "Error rate"],
  ["latency", "First token"],
  ["redis", "Redis"],
  ["mongodb", "MongoDB"],
  ["openai", "OpenAI"],
  ["tts", "Speech"],
  ["flags", "Flags"],
  ["activeStreams", "Active streams"],
  ["knowledge", "Knowledge"],
  ["speech", "Speech"],
  ["network", "Network"],
  ["validation", "Validation"],
  ["other", "Other"],
]);

/** @returns {Look} */
export const lookOfHealth = (status) => HEALTH.get(status) ?? unknown(status);

/** @returns {Look} */
export const lookOfCheck = (status) => CHECKS.get(status) ?? unknown(status);

/** @returns {Look} of an alert, by its state and, while it fires, its severity */
export const lookOfAlert = ({ state, severity }) => ALERTS.get(state) ?? ALERTS.get(`${state} ${severity}`) ?? unknown(state);

/** @returns {Look} */
export const lookOfDependency = (state) => DEPENDENCIES.get(state) ?? unknown(state);

/** @returns {Look} */
export const lookOfBreaker = (state) => BREAKERS.get(state) ?? unknown(state);

/** @returns {Look} */
export const lookOfEvent = (type) => EVENTS.get(type) ?? unknown(type);

/** Where a check stands among others: always at the same place, whatever the server's order is. */
export function rankOf(key) {
  const rank = [...NAMES.keys()].indexOf(key);
  return rank < 0 ? NAMES.size : rank;
}

/** What a check, a cache or a kind of error is called. */
export const nameOf = (key) => NAMES.get(key) ?? String(key);

/** A stable code or name as words: first_token_slow becomes "first token slow". */
export const spelled = (code) => String(code ?? NOTHING).replaceAll("_", " ");

/** Windows in words, after "in". */
export const WINDOWS = new Map([
  ["1m", "the last minute"],
  ["5m", "the last 5 minutes"],
  ["60m", "the last hour"],
  ["lifetime", "all time"],
]);

/** Ranges in words, after "in". */
export const RANGES = new Map([
  ["1h", "the last hour"],
  ["24h", "the last 24 hours"],
  ["7d", "the last 7 days"],
  ["30d", "the last 30 days"],
]);

function unknown(name) {
  return { words: String(name ?? NOTHING), icon: "none", tone: "calm" };
}

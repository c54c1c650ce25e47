//! What states and verdicts are called and how they look: a word, a shape, a tone. Pure; a state that this page does
//! not know yet is shown as the server calls it.

import { NOTHING, count, milliseconds, rate } from "./format.js";

/**
 * `tone` chooses colours: "good", "wait", "warn", "bad", "calm".
 * @typedef {{ words: string, icon: string, tone: string }} Look
 */

const STATES = new Map([
  ["running", { words: "Running", icon: "running", tone: "good" }],
  ["paused", { words: "Paused", icon: "paused", tone: "wait" }],
  ["awaiting_approval", { words: "Awaiting approval", icon: "person", tone: "wait" }],
  ["completed", { words: "Completed", icon: "good", tone: "good" }],
  ["rolled_back", { words: "Rolled back", icon: "back", tone: "bad" }],
  ["aborted", { words: "Aborted", icon: "aborted", tone: "calm" }],
]);

const VERDICTS = new Map([
  ["advance", { words: "Advance", icon: "good", tone: "good" }],
  ["hold", { words: "Hold", icon: "waiting", tone: "wait" }],
  ["roll_back", { words: "Roll back", icon: "bad", tone: "bad" }],
  ["inconclusive", { words: "Inconclusive", icon: "unsure", tone: "calm" }],
]);

const ENDED = new Set(["completed", "rolled_back", "aborted"]);

/** @returns {Look} */
export const lookOfState = (state) => STATES.get(state) ?? unknown(state);

/** @returns {Look} */
export const lookOfVerdict = (verdict) => VERDICTS.get(verdict) ?? unknown(verdict);

/** Whether nothing follows after this state. */
export const hasEnded = (rollout) => ENDED.has(rollout.state);

/** Which actions a rollout's state allows. */
export const allows = {
  pause: ({ state }) => state === "running" || state === "awaiting_approval",
  resume: ({ state }) => state === "paused",
  approve: ({ state }) => state === "awaiting_approval",
  abort: (rollout) => !hasEnded(rollout),
};

/** The steps of the plan; none when the server names none. */
export const stepsOf = (rollout) => (Array.isArray(rollout.plan?.steps) ? rollout.plan.steps : []);

/** A decision's reasons in words. */
export function reasonsOf(decision) {
  const reasons = Array.isArray(decision?.reasons) ? decision.reasons : [];
  return reasons.map(reasonWords).filter((reason) => reason !== "");
}

/** A reason with its figure and limit, where its message does not give them and its code tells what they are. */
function reasonWords(reason) {
  const { code = "", message = "", figure, threshold } = reason ?? {};
  const words = capital(String(message || code).trim());
  const write = /token|latency/.test(code) ? milliseconds : /samples|critical/.test(code) ? count : /rate|overload/.test(code) ? rate : null;
  if (words === "" || write === null || typeof figure !== "number" || /\d/.test(words)) return words;
  return typeof threshold === "number" ? `${words}: ${write(figure)}, limit ${write(threshold)}` : `${words}: ${write(figure)}`;
}

/** The text as a sentence: a capital first, a full stop last; empty for anything that is no text. */
export function sentence(text) {
  if (typeof text !== "string" || text.trim() === "") return "";
  const whole = capital(text.trim());
  return /[.!?…]$/u.test(whole) ? whole : `${whole}.`;
}

const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A name of the server's, however it came: plain, or with a reason beside it. */
export function authorOf(author) {
  const name = typeof author === "string" ? author : author?.name;
  return typeof name === "string" && name.trim() !== "" ? name.trim() : NOTHING;
}

function unknown(name) {
  return { words: String(name ?? NOTHING), icon: "none", tone: "calm" };
}

//! What is known of the rollouts, from wherever it came: lists, streams and answers overtake each other, and the newest
//! wins. Tells what changed in words. Knows nothing of the page.

import { instant, percent } from "./format.js";
import { hasEnded, lookOfState, sentence, stepsOf } from "./words.js";

/** Which of several rollouts is shown to someone who asked for none: the one that needs a person first. */
const URGENCY = [
  (rollout) => !hasEnded(rollout) && rollout.lastDecision?.verdict === "roll_back",
  (rollout) => !hasEnded(rollout) && rollout.stalled === true,
  ({ state }) => state === "awaiting_approval",
  ({ state }) => state === "running",
  (rollout) => !hasEnded(rollout),
  () => true,
];

/** All rollouts the page has heard of. */
export class KnownRollouts {
  #rollouts = new Map();

  /** @returns {object[]} newest first */
  get all() {
    return [...this.#rollouts.values()].sort((a, b) => (instant(b.startedAt) || 0) - (instant(a.startedAt) || 0));
  }

  get(id) {
    return this.#rollouts.get(id);
  }

  /**
   * @param {object} rollout
   * @returns {string} what has changed, for people; empty when nothing did that concerns them
   */
  take(rollout) {
    const { id } = rollout;
    if (typeof id !== "string" || id === "") return "";
    const before = this.#rollouts.get(id);
    if (before !== undefined && isOlder(rollout, before)) return "";
    // One that has ended may come without its last decision: the one that ended it stays in sight.
    this.#rollouts.set(id, { ...rollout, lastDecision: rollout.lastDecision ?? before?.lastDecision ?? null });
    return before === undefined ? "" : changed(before, rollout);
  }

  /**
   * @param {string} id
   * @param {readonly object[]} decisions newest first, as the server keeps them
   */
  decided(id, [newest]) {
    const rollout = this.#rollouts.get(id);
    if (newest !== undefined && rollout !== undefined) rollout.lastDecision ??= newest;
  }

  /** The server's list is all there is, but for the one that is shown. */
  keepOnly(ids, shown) {
    for (const id of this.#rollouts.keys()) if (!ids.has(id) && id !== shown) this.#rollouts.delete(id);
  }

  /** @returns {string | null} the id of the rollout that needs a person most */
  get mostUrgent() {
    const { all } = this;
    for (const applies of URGENCY) {
      const found = all.find(applies);
      if (found) return found.id;
    }
    return null;
  }
}

function isOlder(rollout, than) {
  const [revision, known] = [Number(rollout.revision), Number(than.revision)];
  if (revision !== known) return revision < known;
  return instant(rollout.lastDecision?.at) < instant(than.lastDecision?.at);
}

function changed(before, after) {
  const name = `${after.flag} ${after.candidate}`;
  if (before.state !== after.state) {
    const at = `now at ${percent(after.percentage)}`;
    return `${name}: ${lookOfState(after.state).words}, ${at}. ${sentence(after.note)}`.trim();
  }
  if (before.step !== after.step) {
    return `${name}: step ${(after.step ?? 0) + 1} of ${stepsOf(after).length}, now at ${percent(after.percentage)}.`;
  }
  return "";
}

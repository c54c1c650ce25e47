//! Says in one sentence whether a rollout is well, and if not, why. Pure.

import { figuresOf } from "./figures.js";
import { percent } from "./format.js";
import { lookOfVerdict, reasonsOf, sentence, stepsOf } from "./words.js";

/**
 * @returns {import("./words.js").Look}
 */
export function healthOf(rollout) {
  const decision = rollout.lastDecision ?? null;
  const why = reasonsOf(decision).map(sentence).join(" ");
  const look = (words, icon, tone) => ({ words: words.trim(), icon, tone });
  switch (rollout.state) {
    case "completed":
      return look("Every step is done.", "good", "good");
    case "rolled_back":
      return look(`${rolledBack(rollout)} ${why || sentence(rollout.note)}`, "bad", "bad");
    case "aborted":
      return look("Ended by a person.", "aborted", "calm");
    default:
  }
  if (decision?.verdict === "roll_back") return look(`Must be rolled back. ${why}`, "bad", "bad");
  if (rollout.stalled) return look(`Cannot be judged. ${why}`, "unsure", "warn");
  const over = figuresOf(decision, rollout.plan?.criteria).some(({ mark }) => mark.tone === "bad" || mark.tone === "warn");
  if (rollout.state === "awaiting_approval") {
    const next = stepsOf(rollout)[(rollout.step ?? 0) + 1];
    const wanted = `Waits for your approval to ${next ? `go to ${percent(next.percentage)}` : "finish"}`;
    return over ? look(`${wanted}, and is not well. ${why}`, "warn", "warn") : look(`${wanted}.`, "person", "wait");
  }
  if (rollout.state === "paused") {
    return over
      ? look(`Paused, and not well. ${why}`, "warn", "warn")
      : look("Paused by a person. Rolling back is still judged.", "paused", "wait");
  }
  switch (decision?.verdict) {
    case undefined:
      return look("No decision yet.", "none", "calm");
    case "advance":
      return look(`Well. ${why}`, "good", "good");
    case "hold":
      return over ? look(`Holds, and is not well. ${why}`, "warn", "warn") : look(`Well so far; holds. ${why}`, "waiting", "wait");
    case "inconclusive":
      return over ? look(`Not well so far. ${why}`, "warn", "warn") : look(`Cannot be judged yet. ${why}`, "unsure", "wait");
    default:
      return look(`${sentence(lookOfVerdict(decision.verdict).words)} ${why}`, "none", "calm");
  }
}

const rolledBack = ({ percentage, plan }) =>
  plan?.dryRun ? "The dry run ended: this would have been rolled back." : `Rolled back to ${percent(percentage)}.`;

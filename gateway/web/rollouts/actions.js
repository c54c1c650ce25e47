//! What a person can do, in words: the question that each action asks before it is done. Pure.

import { percent } from "./format.js";
import { stepsOf } from "./words.js";

/**
 * @typedef {{ title: string, consequences: string[], confirm: string, danger: boolean }} Question
 */

/**
 * @param {"pause" | "resume" | "approve" | "abort"} action
 * @param {object} rollout
 * @returns {Question}
 */
export function questionOf(action, rollout) {
  const { flag, candidate, percentage, plan } = rollout;
  const next = stepsOf(rollout)[(rollout.step ?? 0) + 1];
  switch (action) {
    case "pause":
      return {
        title: `Pause ${flag}?`,
        consequences: [`It stays at ${percent(percentage)}. Rolling back is still judged.`],
        confirm: "Pause",
        danger: false,
      };
    case "resume":
      return {
        title: `Resume ${flag}?`,
        consequences: [`It goes on from ${percent(percentage)} by its plan.`],
        confirm: "Resume",
        danger: false,
      };
    case "approve":
      return {
        title: `Approve this step of ${flag}?`,
        consequences: [next ? `It goes from ${percent(percentage)} to ${percent(next.percentage)}.` : `It is at ${percent(percentage)} and will be complete.`],
        confirm: next ? `Approve ${percent(next.percentage)}` : "Approve",
        danger: false,
      };
    default: {
      const target = percent(plan?.rollbackPercentage ?? 0);
      return plan?.dryRun
        ? {
            title: `Abort the dry run of ${candidate}?`,
            consequences: [`It ends. ${flag} stays as it is. This cannot be taken back.`],
            confirm: "Abort the dry run",
            danger: true,
          }
        : {
            title: `Abort the rollout of ${candidate}?`,
            consequences: [`This sets ${flag} to ${target}, now at ${percent(percentage)}, and ends the rollout. It cannot be resumed.`],
            confirm: `Abort, set to ${target}`,
            danger: true,
          };
    }
  }
}

/**
 * @param {object} flag
 * @returns {Question}
 */
export function questionOfSwitch({ key, enabled, percentage, offVariant }) {
  const variant = typeof offVariant === "string" && offVariant !== "" ? ` the variant “${offVariant}”` : " the off variant";
  return enabled
    ? {
        title: `Switch ${key} off?`,
        consequences: [`Everybody gets${variant} at once, whatever its percentage and rules say.`],
        confirm: "Switch off for everybody",
        danger: true,
      }
    : {
        title: `Switch ${key} on?`,
        consequences: [`Its rules count again, and its ${percent(percentage)}.`],
        confirm: "Switch on",
        danger: false,
      };
}

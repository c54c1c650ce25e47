//! Reads and writes a plan's steps as people type them: `1@2h, 5@30m`. Pure.

import { duration, percent } from "./format.js";

/** The steps that a rollout has when nobody wishes otherwise. */
export const DEFAULT_STEPS = "1@2h, 5@4h, 10@6h, 25@4h, 50@4h, 75@4h, 90@4h, 100@24h";

const SECONDS = new Map([
  ["s", 1],
  ["m", 60],
  ["min", 60],
  ["h", 3_600],
  ["d", 86_400],
]);

/**
 * @param {string} text
 * @returns {{ steps: { percentage: number, bakeSeconds: number }[], problem: string }} `problem` is empty when all is well
 */
export function parseSteps(text) {
  const parts = text.split(/[,;\n]/).map((part) => part.trim()).filter((part) => part !== "");
  const steps = [];
  const wrong = (problem) => ({ steps: [], problem });
  if (parts.length === 0) return wrong("Name at least one step, such as 1@2h.");
  for (const part of parts) {
    const match = /^(\d+(?:\.\d+)?)\s*%?\s*@\s*(.+)$/.exec(part);
    if (match === null) return wrong(`“${part}” is no step: write percentage@time, such as 5@30m.`);
    const percentage = Number(match[1]);
    const bakeSeconds = parseDuration(match[2]);
    if (bakeSeconds === null) return wrong(`“${match[2]}” is no time: write it as 90s, 30m, 2h or 1d.`);
    if (percentage <= 0 || percentage > 100) return wrong(`${match[1]} is no percentage above 0 and up to 100.`);
    const before = steps.at(-1);
    if (before && percentage <= before.percentage) return wrong(`${match[1]} must be more than ${before.percentage}: steps go up.`);
    steps.push({ percentage, bakeSeconds });
  }
  return { steps, problem: "" };
}

/** Says what steps amount to: "8 steps to 100 %, at least 3 d 2 h". */
export function sumOf(steps) {
  const seconds = steps.reduce((sum, step) => sum + step.bakeSeconds, 0);
  const many = steps.length === 1 ? "1 step" : `${steps.length} steps`;
  return `${many} to ${percent(steps.at(-1).percentage)}, at least ${duration(seconds)} in all.`;
}

/** Seconds of "2h", "1h30m", "45 s"; null for anything else. */
function parseDuration(text) {
  const compact = text.replace(/\s+/g, "").toLowerCase();
  if (!/^(\d+(?:\.\d+)?(?:min|[smhd]))+$/.test(compact)) return null;
  let seconds = 0;
  for (const [, amount, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(min|[smhd])/g)) {
    seconds += Number(amount) * SECONDS.get(unit);
  }
  return Math.round(seconds);
}

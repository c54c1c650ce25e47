//! Holds a decision's figures against the plan's criteria: one row each, with a mark in words. Pure.
//!
//! The marks say what the figures say. What follows from them the server decides, and its decision stands beside them.

import { NOTHING, count, milliseconds, rate } from "./format.js";

/**
 * @typedef {{ text: string, more: string[], over: boolean }} Cell `more` is small print, in lines; `over`: beyond the
 *   limit for rolling back
 * @typedef {{ words: string, icon: string, tone: string }} Mark
 * @typedef {{ name: string, more: string, candidate: Cell, control: Cell | null, advance: string, rollback: string, mark: Mark }} Row
 *   `control` is null where the figure is one of the whole service
 */

const MARKS = {
  good: { words: "Good", icon: "good", tone: "good" },
  none: { words: "No data", icon: "none", tone: "calm" },
  unsure: { words: "Not certain yet", icon: "unsure", tone: "wait" },
  few: { words: "Too few yet", icon: "unsure", tone: "wait" },
  high: { words: "Too high", icon: "warn", tone: "warn" },
  low: { words: "Too low", icon: "warn", tone: "warn" },
  over: { words: "Past the limit", icon: "bad", tone: "bad" },
};

/** Figures of which more is worse: held against limits from above. */
const UNDER = { advance: "below ", rollback: "above ", miss: MARKS.high, worse: (value, limit) => value > limit };
/** Figures of which less is worse. */
const ABOVE = { advance: "above ", rollback: "below ", miss: MARKS.low, worse: (value, limit) => value < limit };

/**
 * @param {object | null | undefined} decision
 * @param {object | null | undefined} criteria
 * @returns {Row[]} none without a decision
 */
export function figuresOf(decision, criteria) {
  if (!decision) return [];
  const arms = [decision.candidate ?? {}, decision.control ?? {}];
  const limits = criteria ?? {};
  return [
    limited("Error rate", UNDER, rate, arms.map(errors), limits.advanceErrorRate, limits.rollbackErrorRate),
    limited("Success rate", ABOVE, rate, arms.map(successes), limits.advanceSuccessRate, limits.rollbackSuccessRate),
    limited("First token", UNDER, milliseconds, arms.map(firstToken), limits.advanceFirstTokenMs, limits.rollbackFirstTokenMs, "average"),
    samples(arms, limits.minSamples),
    critical(arms),
    overload(decision.overload, limits.rollbackOverload),
  ];
}

/** How many turns of an arm were judged; cancelled ones are neither success nor failure. */
const samplesOf = (arm) => number(arm.successes) + number(arm.failures);

function errors(arm) {
  return { value: known(arm.errorRate), good: known(arm.errorRateLower), bad: known(arm.errorRateUpper) };
}

function successes(arm) {
  const samples = samplesOf(arm);
  const complement = (value) => (known(value) === null ? null : 1 - value);
  return {
    value: samples > 0 ? number(arm.successes) / samples : complement(arm.errorRate),
    good: complement(arm.errorRateLower),
    bad: complement(arm.errorRateUpper),
  };
}

function firstToken(arm) {
  const slowest = known(arm.firstTokenP95Ms);
  return {
    value: known(arm.firstTokenMs),
    good: known(arm.firstTokenLowerMs),
    bad: known(arm.firstTokenUpperMs),
    more: slowest === null ? [] : [`95 of 100 in ${milliseconds(slowest)}`],
  };
}

/** `good` and `bad` of a figure are the bounds of where it truly lies: at its best and at its worst. */
function limited(name, side, write, [candidate, control], advance, rollback, more = "") {
  const isOver = ({ value }) => value !== null && known(rollback) !== null && side.worse(value, rollback);
  const cell = (figure) => ({ text: figure.value === null ? NOTHING : write(figure.value), more: spread(figure, write), over: isOver(figure) });
  return {
    name,
    more,
    candidate: cell(candidate),
    control: cell(control),
    advance: known(advance) === null ? NOTHING : side.advance + write(advance),
    rollback: known(rollback) === null ? NOTHING : side.rollback + write(rollback),
    mark: judge(candidate, side, known(advance), known(rollback)),
  };
}

function judge({ value, good, bad }, side, advance, rollback) {
  if (value === null) return MARKS.none;
  const meets = (figure) => advance === null || side.worse(advance, figure);
  if (rollback !== null && side.worse(value, rollback)) {
    return good === null || side.worse(good, rollback) ? MARKS.over : side.miss;
  }
  if (!meets(value)) return side.miss;
  return bad === null || meets(bad) ? MARKS.good : MARKS.unsure;
}

function spread({ good, bad, more = [] }, write) {
  if (good === null || bad === null) return more;
  const [low, high] = [Math.min(good, bad), Math.max(good, bad)].map((figure) => write(figure));
  const unit = /\D*$/.exec(high)[0];
  return [`${low.endsWith(unit) ? low.slice(0, low.length - unit.length) : low} to ${high}`, ...more];
}

function samples(arms, minimum) {
  const least = known(minimum);
  const cell = (arm) => {
    const cancelled = number(arm.cancelled);
    return { text: count(samplesOf(arm)), more: cancelled > 0 ? [`${count(cancelled)} cancelled by users`] : [], over: false };
  };
  const have = samplesOf(arms[0]);
  return {
    name: "Samples",
    more: "answers judged",
    candidate: cell(arms[0]),
    control: cell(arms[1]),
    advance: least === null ? NOTHING : `at least ${count(least)}`,
    rollback: NOTHING,
    mark: have === 0 ? MARKS.none : least !== null && have < least ? MARKS.few : MARKS.good,
  };
}

function critical(arms) {
  const cell = (arm) => ({ text: count(number(arm.critical)), more: [], over: number(arm.critical) > 0 });
  const some = number(arms[0].critical) > 0;
  return {
    name: "Critical errors",
    more: "",
    candidate: cell(arms[0]),
    control: cell(arms[1]),
    advance: "none",
    rollback: "any",
    mark: some ? MARKS.over : samplesOf(arms[0]) === 0 ? MARKS.none : MARKS.good,
  };
}

function overload(share, rollback) {
  const value = known(share);
  const limit = known(rollback);
  const over = value !== null && limit !== null && value > limit;
  return {
    name: "Overload",
    more: "requests turned away",
    candidate: { text: value === null ? NOTHING : rate(value), more: [], over },
    control: null,
    advance: NOTHING,
    rollback: limit === null ? NOTHING : `above ${rate(limit)}`,
    mark: value === null ? MARKS.none : over ? MARKS.over : MARKS.good,
  };
}

const known = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
const number = (value) => known(value) ?? 0;

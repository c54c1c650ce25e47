//! The steps of a rollout's plan: done, current, to come; and how long the current one has baked. Knows nothing of
//! figures.

import { element, icon } from "../app/elements.js";
import { now } from "./clock.js";
import { duration, instant, percent } from "./format.js";
import { setText } from "./keyed.js";
import { hasEnded, stepsOf } from "./words.js";

/** Shows a plan and where in it the rollout is. */
export class Stepper {
  #list = element("ol", { class: "steps" });
  #words = element("p", { class: "bake-words" });
  #filled = element("i");
  #bar = element("div", { class: "bake-bar", "aria-hidden": "true" }, this.#filled);
  #drawn = "";
  #rollout = null;
  root = element("section", { class: "plan", "aria-label": "Steps" }, this.#list, this.#words, this.#bar);

  update(rollout) {
    this.#rollout = rollout;
    const steps = stepsOf(rollout);
    const drawn = JSON.stringify([steps, rollout.step, rollout.state]);
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#list.replaceChildren(...steps.map((step, at) => stepElement(step, placeOf(at, rollout))));
    }
    this.tick();
  }

  /** Time has passed. */
  tick() {
    const rollout = this.#rollout;
    if (rollout === null) return;
    const steps = stepsOf(rollout);
    const step = steps[rollout.step ?? 0];
    const began = instant(rollout.stepStartedAt);
    const where = `Step ${(rollout.step ?? 0) + 1} of ${steps.length}`;
    if (step === undefined) {
      setText(this.#words, steps.length === 0 ? "This rollout has no steps." : where);
      this.#bar.hidden = true;
      return;
    }
    const ended = hasEnded(rollout);
    this.#bar.hidden = ended || rollout.state === "paused" || Number.isNaN(began);
    if (ended) {
      setText(this.#words, rollout.state === "completed" ? `All ${steps.length} steps done` : `Ended at step ${(rollout.step ?? 0) + 1} of ${steps.length}, ${percent(step.percentage)}`);
      return;
    }
    if (Number.isNaN(began)) {
      setText(this.#words, where);
      return;
    }
    const baked = Math.max(0, (now() - began) / 1_000);
    const least = step.bakeSeconds ?? 0;
    setText(this.#words, `${where}: ${bakeWords(baked, least, rollout)}`);
    this.#filled.style.width = `${least > 0 ? Math.min(100, (baked / least) * 100) : 100}%`;
  }
}

/** Time in which a rollout was paused does not count, and is known to the server alone: it can only take longer. */
function bakeWords(baked, least, { state, lastDecision }) {
  if (state === "paused") return `paused; of its ${duration(least)}, only time not paused counts`;
  const left = least - baked;
  if (left > 0) return `baked ${duration(baked)} of at least ${duration(least)}, ${duration(Math.ceil(left))} or more to go`;
  const bakes = Array.isArray(lastDecision?.reasons) && lastDecision.reasons.some((reason) => reason?.code === "baking");
  return bakes ? `still bakes its ${duration(least)}, without the time it was paused` : `baked its ${duration(least)}`;
}

/** @returns {"done" | "current" | "stopped" | "coming"} */
function placeOf(at, rollout) {
  const step = rollout.step ?? 0;
  if (at < step || rollout.state === "completed") return "done";
  if (at > step) return "coming";
  return hasEnded(rollout) ? "stopped" : "current";
}

const WORDS = { done: "done", current: "current step", stopped: "ended here", coming: "to come" };

function stepElement(step, place) {
  const shape = place === "done" ? [icon("done")] : place === "stopped" ? [icon("bad")] : [];
  return element(
    "li",
    { class: "step", "data-place": place, ...(place === "current" ? { "aria-current": "step" } : {}) },
    element("span", { class: "step-mark", "aria-hidden": "true" }, ...shape),
    element("span", { class: "step-percentage" }, percent(step.percentage)),
    element("span", { class: "step-bake" }, duration(step.bakeSeconds)),
    element("span", { class: "hidden-label" }, `, ${WORDS[place]}`),
  );
}

//! The form that starts a rollout. Knows nothing of the rollouts there are.

import { element } from "../app/elements.js";
import { Refusal } from "./api.js";
import { FormDialog, Mistake } from "./form_dialog.js";
import { DEFAULT_STEPS, parseSteps, sumOf } from "./plan.js";

/** What the server says of a candidate that was rolled back before. */
const REJECTED = "candidate_rejected";

/** The dialog that starts a rollout. */
export class StartDialog {
  #places;
  #form;

  /**
   * @param {{ dialog: HTMLDialogElement, flag: HTMLSelectElement, candidate: HTMLInputElement, steps: HTMLTextAreaElement,
   *   sum: HTMLElement, reason: HTMLInputElement, manual: HTMLInputElement, dry: HTMLInputElement, again: HTMLInputElement,
   *   againRow: HTMLElement, problem: HTMLElement, go: HTMLButtonElement }} places
   * @param {() => void} closed
   */
  constructor(places, closed) {
    this.#places = places;
    this.#form = new FormDialog(places, closed);
    places.steps.addEventListener("input", () => this.#sumUp());
    // Another candidate was not rejected: what was agreed to for the one before does not hold for it.
    for (const field of [places.candidate, places.flag]) field.addEventListener("input", () => this.#offerAgain(false));
  }

  /**
   * @param {readonly object[]} flags those that can be rolled out
   * @param {(rollout: object) => Promise<void>} send takes the body of the request
   */
  open(flags, send) {
    const { flag, candidate, steps, reason, manual, dry } = this.#places;
    const none = element("option", { value: "" }, "Choose a flag");
    flag.replaceChildren(none, ...flags.map(({ key }) => element("option", { value: String(key) }, String(key))));
    steps.value = DEFAULT_STEPS;
    for (const field of [candidate, reason]) field.value = "";
    for (const box of [manual, dry]) box.checked = false;
    this.#offerAgain(false);
    this.#sumUp();
    this.#form.open(async () => {
      const body = this.#read();
      try {
        await send(body);
      } catch (error) {
        if (error instanceof Refusal && error.code === REJECTED) this.#offerAgain(true);
        throw error;
      }
    });
  }

  close() {
    this.#form.close();
  }

  /** Goes out of the way, and keeps what was entered until it is resumed. */
  interrupt() {
    this.#form.interrupt();
  }

  resume() {
    this.#form.resume();
  }

  #read() {
    const { flag, candidate, steps, reason, manual, dry, again } = this.#places;
    if (flag.value === "") throw new Mistake("Choose the flag that is to be rolled out.", flag);
    if (candidate.value.trim() === "") throw new Mistake("Name the candidate, such as a version.", candidate);
    const parsed = parseSteps(steps.value);
    if (parsed.problem !== "") throw new Mistake(parsed.problem, steps);
    if (reason.value.trim() === "") throw new Mistake("Say why: the reason is kept in the history.", reason);
    return {
      flag: flag.value,
      candidate: candidate.value.trim(),
      plan: { steps: parsed.steps, manualApproval: manual.checked, dryRun: dry.checked },
      reason: reason.value.trim(),
      overrideRejection: again.checked,
    };
  }

  #offerAgain(offered) {
    this.#places.againRow.hidden = !offered;
    if (!offered) this.#places.again.checked = false;
  }

  #sumUp() {
    const { steps, problem } = parseSteps(this.#places.steps.value);
    this.#places.sum.textContent = problem || sumOf(steps);
    this.#places.sum.dataset.wrong = String(problem !== "");
  }
}

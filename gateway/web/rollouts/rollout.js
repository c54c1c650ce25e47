//! One rollout in full: what, how far, whether it is well, what can be done with it, and the evidence. Is told what to
//! show and says which button was pressed; never talks to the server.

import { button, element, icon } from "../app/elements.js";
import { badge, renew } from "./badge.js";
import { FiguresTable } from "./figures_table.js";
import { duration, instant, percent } from "./format.js";
import { healthOf } from "./health.js";
import { History } from "./history.js";
import { setText } from "./keyed.js";
import { since } from "./moments.js";
import { Stepper } from "./stepper.js";
import { allows, authorOf, hasEnded, lookOfState, sentence } from "./words.js";

const NO_LOOK = { words: "", icon: "none", tone: "calm" };

/** Shows the rollout with one id for as long as it is chosen. */
export class RolloutView {
  #title = element("h2", { id: "rollout-title", tabindex: "-1" });
  #candidate = element("p", { class: "candidate" });
  #state = badge(NO_LOOK);
  #modes = element("ul", { class: "modes", "aria-label": "How it runs" });
  #percentage = element("p", { class: "percentage" });
  #filled = element("i");
  #health = badge(NO_LOOK, "health");
  #started = element("p", { class: "soft" });
  #note = element("p", { class: "soft" });
  #stale = element("p", { class: "stale", hidden: true });
  #alerts = element("div", { class: "alerts" });
  #stalled = null;
  #off = null;
  #buttons;
  #stepper = new Stepper();
  #figures = new FiguresTable();
  #history = new History();
  #startedDrawn = "";
  #rollout = null;
  root;

  /**
   * @param {(action: "pause" | "resume" | "approve" | "abort", rollout: object) => void} onAction
   */
  constructor(onAction) {
    const make = (action, className, shape, label) => button(className, shape, label, () => onAction(action, this.#rollout));
    this.#buttons = {
      pause: make("pause", "secondary", "paused", "Pause"),
      resume: make("resume", "secondary", "running", "Resume"),
      approve: make("approve", "primary", "next", "Approve step"),
      abort: make("abort", "danger", "bad", "Abort"),
    };
    const { pause, resume, approve, abort } = this.#buttons;
    this.root = element(
      "article",
      { class: "detail", "aria-labelledby": "rollout-title" },
      this.#alerts,
      element(
        "section",
        { class: "card hero", "aria-labelledby": "rollout-title" },
        element("div", { class: "hero-top" }, this.#state, this.#modes),
        element(
          "div",
          { class: "hero-middle" },
          element("div", { class: "hero-names" }, this.#title, this.#candidate),
          element(
            "div",
            { class: "hero-percentage" },
            this.#percentage,
            element("div", { class: "percentage-bar", "aria-hidden": "true" }, this.#filled),
          ),
        ),
        element("div", { class: "health-place" }, this.#health),
        this.#stale,
        element("div", { class: "actions", role: "group", "aria-label": "Actions" }, approve, pause, resume, abort),
        this.#stepper.root,
        element("div", { class: "hero-foot" }, this.#started, this.#note),
      ),
      this.#figures.root,
      this.#history.root,
    );
  }

  get history() {
    return this.#history;
  }

  /** Puts the keyboard at the top of what is shown. */
  focus() {
    this.#title.focus({ preventScroll: true });
  }

  /**
   * @param {object} rollout
   * @param {object | undefined} flag as it is now; undefined while it is not known
   */
  update(rollout, flag) {
    this.#rollout = rollout;
    setText(this.#title, String(rollout.flag));
    setText(this.#candidate, String(rollout.candidate));
    this.#state = renew(this.#state, lookOfState(rollout.state));
    const health = healthOf(rollout);
    this.#health = renew(this.#health, health);
    this.root.dataset.tone = health.tone;
    setText(this.#percentage, percent(rollout.percentage));
    this.#filled.style.width = `${Math.min(100, Math.max(0, Number(rollout.percentage) || 0))}%`;
    this.#showModes(rollout.plan ?? {});
    this.#showStart(rollout);
    setText(this.#note, sentence(rollout.note));
    this.#note.hidden = this.#note.textContent === "";
    this.#showAlerts(rollout, flag);
    this.#showActions(rollout);
    this.#stepper.update(rollout);
    this.#figures.update(rollout);
    this.#history.update(rollout);
  }

  /**
   * What is shown may be old.
   * @param {string} why empty when it is not
   */
  set stale(why) {
    setText(this.#stale, why);
    this.#stale.hidden = why === "";
  }

  /** Time has passed. */
  tick() {
    this.#stepper.tick();
  }

  #showModes({ dryRun, manualApproval }) {
    const modes = [dryRun ? "Dry run: the flag stays as it is" : "", manualApproval ? "Manual approval" : ""].filter((mode) => mode !== "");
    if (modes.join() === [...this.#modes.children].map(({ textContent }) => textContent).join()) return;
    this.#modes.replaceChildren(...modes.map((mode) => element("li", {}, mode)));
    this.#modes.hidden = modes.length === 0;
  }

  #showStart({ startedAt, endedAt, startedBy }) {
    const drawn = JSON.stringify([startedAt, endedAt, startedBy]);
    if (drawn === this.#startedDrawn) return;
    this.#startedDrawn = drawn;
    const reason = typeof startedBy?.reason === "string" ? startedBy.reason.trim() : "";
    const length = (instant(endedAt) - instant(startedAt)) / 1_000;
    const ended = Number.isNaN(length) ? [] : [", ended ", since(endedAt), ` after ${duration(length)}`];
    this.#started.replaceChildren("Started ", since(startedAt), ` by ${authorOf(startedBy)}`, ...ended, reason === "" ? "." : `: “${reason}”`);
  }

  #showAlerts(rollout, flag) {
    const stalled = rollout.stalled === true && !hasEnded(rollout);
    this.#stalled = this.#alert(this.#stalled, stalled, "Stalled", "No data for longer than the plan allows. Nothing advances until turns are reported again: check that metrics arrive, or abort.");
    const off = flag?.enabled === false && !hasEnded(rollout);
    this.#off = this.#alert(this.#off, off, "Switched off", `The flag is switched off for everybody, whatever its percentage.`);
  }

  /** An alert that comes and goes; it is spoken when it comes. */
  #alert(shown, wanted, title, text) {
    if (wanted === (shown !== null)) return shown;
    if (!wanted) {
      shown.remove();
      return null;
    }
    const made = element("div", { class: "alert", role: "alert" }, icon("warn"), element("p", {}, element("strong", {}, `${title}. `), text));
    this.#alerts.append(made);
    return made;
  }

  #showActions(rollout) {
    for (const [action, made] of Object.entries(this.#buttons)) {
      const disabled = !allows[action](rollout);
      // A button that goes dark under the keyboard would drop it at the top of the page.
      if (disabled && document.activeElement === made) this.focus();
      made.disabled = disabled;
    }
    this.#buttons.approve.hidden = rollout.plan?.manualApproval !== true && !allows.approve(rollout);
  }
}

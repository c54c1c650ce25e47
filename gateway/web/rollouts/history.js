//! The decisions of a rollout, newest first: the last one with its reasons, and those before it, where a run of the
//! same decision is one line. Knows nothing of the server.

import { button, element } from "../app/elements.js";
import { badge, renew } from "./badge.js";
import { instant, percent } from "./format.js";
import { KeyedList, setText } from "./keyed.js";
import { since, timeOfDay } from "./moments.js";
import { lookOfVerdict, reasonsOf, stepsOf } from "./words.js";

/** Decisions kept on the page; the server keeps them all. */
const KEPT = 500;
/** Lines shown until someone wants more. */
const FIRST = 8;

/** Shows what was decided, and why. */
export class History {
  #decisions = [];
  #plan = [];
  #drawnLast = "";
  #last = element("div", { class: "last" });
  #runs = element("ol", { class: "runs", tabindex: "-1", "aria-label": "Decisions, newest first" });
  #list = new KeyedList(this.#runs, ({ key }) => key, () => new Run());
  #problem = element("p", { class: "refusal", hidden: true });
  #showsAll = false;
  #more = button("small more", "new", "", () => {
    this.#showsAll = true;
    this.#show();
    this.#runs.focus();
  });
  root = element(
    "section",
    { class: "card", "aria-labelledby": "decisions-title" },
    element("h3", { id: "decisions-title" }, "Decisions"),
    this.#last,
    this.#problem,
    this.#runs,
    this.#more,
  );

  /** The decisions up to now, as the server keeps them. */
  load(decisions) {
    this.#problem.hidden = true;
    this.#take(decisions);
  }

  /** They could not be had. */
  fail(message) {
    setText(this.#problem, `Earlier decisions could not be read: ${message}`);
    this.#problem.hidden = false;
  }

  update(rollout) {
    this.#plan = stepsOf(rollout);
    const last = rollout.lastDecision ?? null;
    this.#take(last === null ? [] : [last]);
    this.#showLast(last);
  }

  #take(decisions) {
    const known = new Map([...decisions, ...this.#decisions].map((decision) => [`${decision.at} ${decision.step}`, decision]));
    this.#decisions = [...known.values()].sort((a, b) => instant(b.at) - instant(a.at)).slice(0, KEPT);
    this.#show();
  }

  #show() {
    const runs = runsOf(this.#decisions);
    const shown = this.#showsAll ? runs : runs.slice(0, FIRST);
    this.#list.update(shown.map((run) => ({ ...run, percentage: this.#plan[run.newest.step]?.percentage })));
    const rest = runs.length - shown.length;
    this.#more.hidden = rest === 0;
    setText(this.#more.querySelector("span"), `Show ${rest} more`);
  }

  #showLast(decision) {
    const drawn = JSON.stringify(decision);
    if (drawn === this.#drawnLast) return;
    this.#drawnLast = drawn;
    if (decision === null) {
      this.#last.replaceChildren(element("p", { class: "empty" }, "Nothing was decided yet."));
      return;
    }
    const reasons = reasonsOf(decision);
    this.#last.replaceChildren(
      element("p", { class: "last-line" }, badge(lookOfVerdict(decision.verdict)), element("span", { class: "soft" }, "decided ", since(decision.at))),
      reasons.length === 0
        ? element("p", { class: "soft" }, "No reasons were given.")
        : element("ul", { class: "reasons", "aria-label": "Reasons of the last decision" }, ...reasons.map((reason) => element("li", {}, reason))),
    );
  }
}

/** Decisions of one verdict for the same reasons at the same step, one after the other. */
export function runsOf(decisions) {
  const runs = [];
  for (const decision of decisions) {
    const codes = (Array.isArray(decision.reasons) ? decision.reasons : []).map((reason) => reason?.code);
    const kind = JSON.stringify([decision.step, decision.verdict, codes]);
    const run = runs.at(-1);
    if (run?.kind === kind) {
      run.times += 1;
      run.oldest = decision;
    } else runs.push({ kind, times: 1, newest: decision, oldest: decision, key: "" });
  }
  // A run grows at its newer end: its oldest decision is what names it.
  return runs.map((run) => ({ ...run, key: `${run.kind} ${run.oldest.at}` }));
}

class Run {
  #when = element("span", { class: "run-when" });
  #where = element("span", { class: "run-where" });
  #times = element("span", { class: "run-times" });
  #why = element("p", { class: "run-why" });
  #verdict = badge({ words: "", icon: "none", tone: "calm" });
  #drawn = "";
  root;

  constructor() {
    this.root = element(
      "li",
      { class: "run" },
      element("div", { class: "run-line" }, this.#when, this.#where, this.#verdict, this.#times),
      this.#why,
    );
  }

  update({ newest, oldest, times, percentage }) {
    const drawn = JSON.stringify([newest, oldest, times, percentage]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const span = times === 1 ? [timeOfDay(newest.at)] : [timeOfDay(oldest.at), " to ", timeOfDay(newest.at)];
    this.#when.replaceChildren(...span);
    setText(this.#where, percentage === undefined ? `step ${(newest.step ?? 0) + 1}` : `at ${percent(percentage)}`);
    this.#verdict = renew(this.#verdict, lookOfVerdict(newest.verdict));
    setText(this.#times, times === 1 ? "" : `${times} times`);
    setText(this.#why, reasonsOf(newest).join("; ") || "No reasons were given.");
  }
}

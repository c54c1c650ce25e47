//! The list of rollouts: what is under way first, what has ended folded away. Knows nothing of the server.

import { element } from "../app/elements.js";
import { badge, renew } from "./badge.js";
import { percent } from "./format.js";
import { KeyedList, setText } from "./keyed.js";
import { since } from "./moments.js";
import { hasEnded, lookOfState } from "./words.js";

/** Shows rollouts; each is a link to itself. */
export class RolloutList {
  #places;
  #active;
  #ended;
  #chosen = null;

  /** @param {{ active: HTMLElement, ended: HTMLElement, earlier: HTMLElement, count: HTMLElement, none: HTMLElement }} places */
  constructor(places) {
    this.#places = places;
    const make = () => new Row(() => this.#chosen);
    this.#active = new KeyedList(places.active, ({ id }) => String(id), make);
    this.#ended = new KeyedList(places.ended, ({ id }) => String(id), make);
    // Where there is room, what was is seen without asking.
    places.earlier.open = matchMedia("(width >= 62rem)").matches;
  }

  /**
   * @param {readonly object[]} rollouts newest first
   * @param {string | null} chosen the id of the one that is shown
   */
  update(rollouts, chosen) {
    this.#chosen = chosen;
    const active = rollouts.filter((rollout) => !hasEnded(rollout));
    const ended = rollouts.filter(hasEnded);
    this.#active.update(active);
    this.#ended.update(ended);
    this.#places.none.hidden = active.length > 0;
    this.#places.earlier.hidden = ended.length === 0;
    setText(this.#places.count, String(ended.length));
  }
}

class Row {
  root = element("li");
  #link = element("a", { class: "row" });
  #flag = element("span", { class: "row-flag" });
  #percentage = element("span", { class: "row-percentage" });
  #candidate = element("span", { class: "row-candidate" });
  #when = element("span", { class: "row-when" });
  #state = null;
  #moment = null;
  #chosen;

  constructor(chosen) {
    this.#chosen = chosen;
    this.#state = badge({ words: "", icon: "none", tone: "calm" });
    this.#link.append(
      element("span", { class: "row-line" }, this.#flag, this.#percentage),
      element("span", { class: "row-line" }, this.#candidate),
      element("span", { class: "row-line" }, element("span", { class: "row-state" }, this.#state), this.#when),
    );
    this.root.append(this.#link);
  }

  update(rollout) {
    const chosen = rollout.id === this.#chosen();
    this.#link.setAttribute("href", `#${encodeURIComponent(rollout.id)}`);
    if (chosen) this.#link.setAttribute("aria-current", "true");
    else this.#link.removeAttribute("aria-current");
    setText(this.#flag, String(rollout.flag));
    setText(this.#percentage, percent(rollout.percentage));
    setText(this.#candidate, String(rollout.candidate));
    const stalled = rollout.stalled && !hasEnded(rollout);
    this.#state = renew(this.#state, stalled ? { words: "Stalled", icon: "warn", tone: "warn" } : lookOfState(rollout.state));
    const moment = rollout.endedAt ?? rollout.startedAt;
    if (moment === this.#moment) return;
    this.#moment = moment;
    this.#when.replaceChildren(since(moment));
  }
}

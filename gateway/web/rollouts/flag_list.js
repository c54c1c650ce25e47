//! The flags: on or off, for how many, changed last by whom, and the kill switch of each. Asks nobody anything; the
//! switch only says that it was pressed.

import { button, element } from "../app/elements.js";
import { badge, renew } from "./badge.js";
import { percent } from "./format.js";
import { KeyedList, setText } from "./keyed.js";
import { since } from "./moments.js";
import { authorOf } from "./words.js";

const ON = { words: "On", icon: "good", tone: "good" };
const OFF = { words: "Off for all", icon: "aborted", tone: "calm" };

/** Shows flags. */
export class FlagList {
  #list;
  #none;

  /**
   * @param {{ rows: HTMLElement, none: HTMLElement }} places
   * @param {(flag: object) => void} onSwitch someone wants the flag the other way round
   */
  constructor({ rows, none }, onSwitch) {
    this.#none = none;
    this.#list = new KeyedList(rows, ({ key }) => String(key), () => new Row(onSwitch));
  }

  /** @param {readonly object[]} flags */
  update(flags) {
    this.#list.update(flags);
    this.#none.hidden = flags.length > 0;
  }
}

class Row {
  #key = element("h3", { class: "flag-key" });
  #percentage = element("span", { class: "flag-percentage" });
  #description = element("p", { class: "flag-description" });
  #changed = element("p", { class: "flag-changed" });
  #state = badge(ON);
  #switch;
  #flag = null;
  root;

  constructor(onSwitch) {
    this.#switch = button("small", "power", "", () => onSwitch(this.#flag));
    this.root = element(
      "li",
      { class: "flag" },
      element("div", { class: "flag-line" }, this.#key, this.#percentage),
      this.#description,
      element("div", { class: "flag-line" }, element("span", { class: "flag-state" }, this.#state), this.#switch),
      this.#changed,
    );
  }

  update(flag) {
    const changed = this.#flag?.updatedAt !== flag.updatedAt || this.#flag?.updatedBy !== flag.updatedBy;
    const first = this.#flag === null;
    this.#flag = flag;
    setText(this.#key, String(flag.key));
    // How many are let in says nothing while nobody is, or while a test deals everyone out.
    setText(this.#percentage, flag.abTest?.enabled ? "A/B test" : percent(flag.percentage));
    this.root.dataset.enabled = String(flag.enabled === true);
    setText(this.#description, typeof flag.description === "string" ? flag.description : "");
    this.#state = renew(this.#state, flag.enabled ? ON : OFF);
    const label = flag.enabled ? "Switch off" : "Switch on";
    setText(this.#switch.querySelector("span"), label);
    this.#switch.setAttribute("aria-label", `${label}: ${flag.key}`);
    this.#switch.classList.toggle("danger-text", flag.enabled === true);
    if (!changed && !first) return;
    const when = since(flag.updatedAt);
    if (when.textContent === "") this.#changed.replaceChildren("Never changed");
    else this.#changed.replaceChildren("Changed ", when, ` by ${authorOf(flag.updatedBy)}`);
  }
}

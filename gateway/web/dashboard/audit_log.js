//! Reads one role's audit log, page by page, once someone looks at it. Knows neither addresses nor how entries look.

import { Refusal, list } from "../rollouts/asking.js";
import { showLines } from "../rollouts/refusal_text.js";

/** Entries asked for at once. */
const PAGE = 50;

/**
 * @typedef {{ fold: HTMLDetailsElement, none: HTMLElement, problem: HTMLElement, more: HTMLButtonElement,
 *   again: HTMLButtonElement, view: import("./audit_view.js").AuditView,
 *   announcer: import("../app/announcer.js").Announcer }} Places
 */

/** The log of the role that is chosen. */
export class AuditLog {
  #places;
  #ask;
  #source;
  #oldest = 0;
  #shown = 0;
  #question = 0;
  #loaded = false;

  /**
   * @param {Places} places
   * @param {string} source
   * @param {(source: string, before: number, limit: number) => Promise<object | null>} ask `before` is 0 for the newest;
   *   throws a Refusal; null when nobody can be asked
   */
  constructor(places, source, ask) {
    this.#places = places;
    this.#source = source;
    this.#ask = ask;
    places.fold.addEventListener("toggle", () => this.look());
    places.again.addEventListener("click", () => void this.#load(0));
    places.more.addEventListener("click", () => void this.#load(this.#oldest));
  }

  set source(source) {
    if (source === this.#source) return;
    this.#source = source;
    this.#loaded = false;
    this.look();
  }

  /** Reads what someone looks at and has not been read yet. */
  look() {
    if (this.#places.fold.open && !this.#loaded) void this.#load(0);
  }

  async #load(before) {
    const { view, problem, none, more, announcer } = this.#places;
    this.#question += 1;
    const question = this.#question;
    let answer;
    try {
      answer = await this.#ask(this.#source, before, PAGE);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (question !== this.#question) return;
      // Another role's entries must not stand under this one's name.
      if (!this.#loaded) this.#clear();
      showLines(problem, refusal.lines);
      return;
    }
    if (answer === null || question !== this.#question) return;
    showLines(problem, []);
    if (before === 0) this.#clear();
    const entries = list(answer, "entries");
    const hadFocus = document.activeElement === more;
    const first = this.#shown;
    view.add(entries);
    this.#loaded = true;
    this.#shown += entries.length;
    this.#oldest = Number(entries.at(-1)?.number) || 0;
    more.hidden = entries.length < PAGE || this.#oldest <= 1;
    none.hidden = this.#shown > 0;
    if (before === 0) return;
    announcer.say(entries.length === 1 ? "1 more entry." : `${entries.length} more entries.`);
    if (hadFocus) view.focus(Math.min(first, this.#shown - 1));
  }

  #clear() {
    const { view, none, more } = this.#places;
    view.clear();
    this.#shown = 0;
    none.hidden = true;
    more.hidden = true;
  }
}

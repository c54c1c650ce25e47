//! Whether the whole system does its work, and why not: the first thing that is seen. Knows nothing of the server.

import { element, icon } from "../app/elements.js";
import { now } from "../rollouts/clock.js";
import { duration, fully, instant } from "../rollouts/format.js";
import { KeyedList, setText } from "../rollouts/keyed.js";
import { timeOfDay } from "../rollouts/moments.js";
import { lookOfCheck, lookOfHealth, nameOf, rankOf } from "./words.js";

/** Shows health in `place`. */
export class HealthView {
  #place;
  #shape = element("span", { class: "health-shape" });
  #words = element("span", { id: "health-words" });
  #since = element("p", { class: "soft health-since" });
  #issues = element("ul", { class: "issues", "aria-label": "What is wrong" });
  #checks = element("ul", { class: "checks", "aria-label": "Checks" });
  #facts = element("ul", { class: "facts", "aria-label": "Parts" });
  #changes = element("ol", { class: "changes" });
  #earlier = element("details", { class: "earlier-changes", hidden: true }, element("summary", {}, "Changes"), this.#changes);
  #checkList = new KeyedList(this.#checks, ({ name }) => name, () => new Check());
  #factList = new KeyedList(this.#facts, ({ key }) => key, () => new Fact());
  #drawn = "";
  #health = null;
  #known = false;

  /** @param {HTMLElement} place a section that is labelled by what this puts into it */
  constructor(place) {
    this.#place = place;
    place.replaceChildren(
      element("div", { class: "health-top" }, element("h2", { class: "health-status", id: "health-title" }, this.#shape, element("span", { class: "hidden-label" }, "Health: "), this.#words), this.#since),
      this.#issues,
      this.#checks,
      this.#facts,
      this.#earlier,
    );
    this.#issues.hidden = true;
    this.#look(false);
  }

  /** @param {object} health as the server answers */
  update(health) {
    this.#health = health;
    this.#look(true);
    const drawn = JSON.stringify([health.status, health.checks, health.issues, health.changes]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const issues = Array.isArray(health.issues) ? health.issues.map(String).filter((issue) => issue.trim() !== "") : [];
    this.#issues.hidden = issues.length === 0;
    this.#issues.replaceChildren(...issues.map((issue) => element("li", {}, issue)));
    const checks = Object.entries(Object(health.checks)).filter(([, check]) => check !== null && typeof check === "object");
    checks.sort(([one], [other]) => rankOf(one) - rankOf(other));
    this.#checkList.update(checks.map(([name, check]) => ({ ...check, name })));
    const changes = changesOf(health);
    this.#earlier.hidden = changes.length === 0;
    this.#changes.replaceChildren(...changes.map(changeElement));
  }

  /** What else one wants to know first: `{ key, words, look, href }`. */
  set facts(facts) {
    this.#factList.update(facts);
  }

  /** Nobody tells any more: what was known is not what is. */
  lost() {
    this.#look(false);
  }

  /** Time has passed. */
  tick() {
    if (this.#known) this.#showSince();
  }

  #look(known) {
    this.#known = known;
    const { words, icon: shape, tone } = known ? lookOfHealth(this.#health.status) : { words: this.#health === null ? "Not known yet" : "Not known", icon: "unsure", tone: "calm" };
    if (this.#words.textContent !== words || this.#place.dataset.tone !== tone) {
      this.#place.dataset.tone = tone;
      setText(this.#words, words);
      this.#shape.replaceChildren(icon(shape));
    }
    this.#showSince();
  }

  #showSince() {
    if (!this.#known) {
      setText(this.#since, this.#health === null ? "" : `Last known: ${lookOfHealth(this.#health.status).words.toLowerCase()}`);
      return;
    }
    const [latest] = changesOf(this.#health);
    const began = instant(latest?.at);
    setText(this.#since, Number.isNaN(began) ? "" : `for ${duration((now() - began) / 1_000)}`);
    this.#since.title = fully(began);
  }
}

const changesOf = ({ changes }) => (Array.isArray(changes) ? changes.filter((change) => change !== null && typeof change === "object") : []);

const changeElement = ({ at, from, to }) =>
  element("li", {}, timeOfDay(at), element("span", {}, `${lookOfHealth(from).words} → ${lookOfHealth(to).words}`));

class Check {
  root = element("li", { class: "check-card" });
  #shape = element("span", { class: "check-shape" });
  #value = element("b", { class: "check-value" });
  #name = element("span", { class: "check-name" });
  #limit = element("small", { class: "check-limit" });
  #said = element("span", { class: "hidden-label" });

  constructor() {
    this.root.append(this.#shape, element("span", { class: "check-words" }, this.#name, this.#said), this.#value, this.#limit);
  }

  update({ name, status, value, threshold }) {
    const { words, icon: shape, tone } = lookOfCheck(status);
    if (this.root.dataset.tone !== tone) this.#shape.replaceChildren(icon(shape));
    this.root.dataset.tone = tone;
    setText(this.#name, nameOf(name));
    setText(this.#said, `: ${words.toLowerCase()}, `);
    setText(this.#value, value === undefined || value === null ? "" : String(value));
    setText(this.#limit, threshold === undefined || threshold === null || threshold === "" ? "" : `limit ${threshold}`);
  }
}

class Fact {
  root = element("li");
  #link = element("a", { class: "fact" });
  #words = element("span");
  #shape = element("span", { class: "check-shape" });

  constructor() {
    this.#link.append(this.#shape, this.#words);
    // The address keeps what is chosen, and not where one looks.
    this.#link.addEventListener("click", (event) => {
      event.preventDefault();
      const target = document.querySelector(this.#link.getAttribute("href"));
      target?.scrollIntoView();
      target?.focus({ preventScroll: true });
    });
    this.root.append(this.#link);
  }

  update({ words, look, href }) {
    if (this.#link.dataset.icon !== look.icon) this.#shape.replaceChildren(icon(look.icon));
    this.#link.dataset.icon = look.icon;
    this.#link.dataset.tone = look.tone;
    this.#link.setAttribute("href", href);
    setText(this.#words, words);
  }
}

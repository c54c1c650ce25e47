//! The log of one conversation: questions and their answers in order, or the welcome while there are none.
//! Holds the views; what is asked and when is decided elsewhere.

import { AnswerView } from "./answer.js";
import { button, element } from "./elements.js";

/** The conversation on the page. */
export class Conversation {
  #log;
  #welcome;
  #announcer;
  #reactions;
  #latest = null;

  /**
   * @param {{ log: HTMLElement, welcome: HTMLElement }} places
   * @param {import("./announcer.js").Announcer} announcer
   * @param {import("./answer.js").Reactions} reactions
   */
  constructor(places, announcer, reactions) {
    this.#log = places.log;
    this.#welcome = places.welcome;
    this.#announcer = announcer;
    this.#reactions = reactions;
  }

  /** Whether nothing was asked yet. */
  get isEmpty() {
    return this.#log.childElementCount === 0;
  }

  /** Shows the bot's greeting and its example questions. */
  greet(bot) {
    this.#welcome.querySelector("#greeting").textContent = bot.greeting;
    this.#welcome.querySelector("#greeting-text").textContent = bot.text;
    const examples = bot.examples.map((question) =>
      element("li", {}, button("example", "arrow", question, (event) => this.#reactions.ask(question, event))),
    );
    this.#welcome.querySelector("#examples").replaceChildren(...examples);
    this.#showWelcome();
  }

  /**
   * Adds a question.
   * @param {string} question
   * @returns {AnswerView} where its answer goes
   */
  add(question) {
    this.#latest?.view.retire();
    const view = new AnswerView(this.#announcer, this.#reactions);
    const asked = element(
      "div",
      { class: "question" },
      element("h2", { class: "hidden-label" }, "Question"),
      element("p", {}, question),
    );
    const root = element("article", { class: "exchange" }, asked, view.root);
    this.#log.append(root);
    this.#latest = { root, view };
    this.#showWelcome();
    return view;
  }

  /** Removes the newest question with its answer: it is being asked again. */
  removeLatest() {
    this.#latest?.view.retire();
    this.#latest?.root.remove();
    this.#latest = null;
  }

  /** Empties the log. */
  clear() {
    this.#latest?.view.retire();
    this.#log.replaceChildren();
    this.#latest = null;
    this.#showWelcome();
  }

  #showWelcome() {
    this.#welcome.hidden = !this.isEmpty;
  }
}

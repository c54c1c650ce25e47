//! The way in: a field for the token, tried against the server before it is kept. Knows nothing of what lies behind.

import { Refusal } from "./api.js";
import { showLines } from "./refusal_text.js";

/** The form in front of the page. */
export class SignIn {
  #places;

  /**
   * @param {{ section: HTMLElement, form: HTMLFormElement, field: HTMLInputElement, problem: HTMLElement,
   *   go: HTMLButtonElement }} places
   * @param {(token: string) => Promise<void>} enter throws a Refusal when the token does not open the door
   */
  constructor(places, enter) {
    this.#places = places;
    const { form, field, problem, go } = places;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      const token = field.value.trim();
      if (!/^[\x21-\x7e]+$/.test(token)) {
        this.#say([token === "" ? "Paste the token first." : "This is no token: it has characters that no token has."]);
        return;
      }
      showLines(problem, []);
      go.disabled = true;
      try {
        await enter(token);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#say(error.lines);
      } finally {
        go.disabled = false;
      }
    });
  }

  /** @param {readonly string[]} why the server's words; none when nobody was turned away */
  show(why = []) {
    const { section, field } = this.#places;
    section.hidden = false;
    field.value = "";
    this.#say(why);
  }

  hide() {
    const { section, field, problem } = this.#places;
    section.hidden = true;
    field.value = "";
    showLines(problem, []);
  }

  #say(lines) {
    const { field, problem } = this.#places;
    showLines(problem, lines);
    field.setAttribute("aria-invalid", String(lines.length > 0));
    field.focus();
  }
}

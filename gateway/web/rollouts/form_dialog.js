//! A dialog around a form that sends something and stays open until it was accepted. Knows nothing of what is sent.

import { Refusal } from "./api.js";
import { showLines } from "./refusal_text.js";

/** What a form's own check found: said like a refusal, with the field that is to blame under the cursor. */
export class Mistake extends Error {
  /**
   * @param {string} message
   * @param {HTMLElement} field
   */
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

/** One `<dialog>` with its form. */
export class FormDialog {
  #dialog;
  #problem;
  #go;
  #send = null;
  #marked = null;
  #interrupted = false;

  /**
   * @param {{ dialog: HTMLDialogElement, problem: HTMLElement, go: HTMLButtonElement }} places
   * @param {() => void} closed it is gone, whichever way
   */
  constructor({ dialog, problem, go }, closed) {
    this.#dialog = dialog;
    this.#problem = problem;
    this.#go = go;
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", closed);
    dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  /**
   * @param {() => Promise<void>} send throws a Mistake or a Refusal when the dialog is to stay
   */
  open(send) {
    this.#send = send;
    this.#interrupted = false;
    this.#busy = false;
    this.#mark(null);
    showLines(this.#problem, []);
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  close() {
    this.#interrupted = false;
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Goes out of the way, and keeps what was entered until it is resumed. */
  interrupt() {
    if (!this.#dialog.open) return;
    this.close();
    this.#interrupted = true;
  }

  /** Comes back as it was when it was interrupted. */
  resume() {
    if (!this.#interrupted || this.#dialog.open) return;
    this.#interrupted = false;
    this.#busy = false;
    this.#dialog.showModal();
  }

  async #submit() {
    if (this.#go.disabled) return;
    const send = this.#send;
    this.#busy = true;
    this.#mark(null);
    showLines(this.#problem, []);
    try {
      await send();
      if (send === this.#send) this.#dialog.close();
    } catch (error) {
      if (!(error instanceof Mistake || error instanceof Refusal)) throw error;
      if (send === this.#send) this.#complain(error);
    } finally {
      if (send === this.#send) this.#busy = false;
    }
  }

  #complain(error) {
    this.#busy = false;
    // Closed while it was under way: that nothing came of it must still be seen.
    if (!this.#dialog.open) this.#dialog.showModal();
    showLines(this.#problem, error instanceof Mistake ? [error.message] : error.lines);
    if (error instanceof Mistake) this.#mark(error.field);
    else this.#go.focus();
  }

  set #busy(busy) {
    this.#go.disabled = busy;
    this.#dialog.toggleAttribute("data-busy", busy);
  }

  #mark(field) {
    this.#marked?.removeAttribute("aria-invalid");
    this.#marked = field;
    if (field === null) return;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

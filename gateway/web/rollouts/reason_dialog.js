//! Asks whether something is really to be done, says what will happen, and wants to know why. Knows nothing of what it is.

import { element } from "../app/elements.js";
import { FormDialog, Mistake } from "./form_dialog.js";

/** The dialog in front of everything that changes something. */
export class ReasonDialog {
  #title;
  #consequences;
  #reason;
  #go;
  #form;

  /**
   * @param {{ dialog: HTMLDialogElement, title: HTMLElement, consequences: HTMLElement, reason: HTMLTextAreaElement,
   *   problem: HTMLElement, go: HTMLButtonElement }} places
   * @param {() => void} closed
   */
  constructor({ dialog, title, consequences, reason, problem, go }, closed) {
    this.#title = title;
    this.#consequences = consequences;
    this.#reason = reason;
    this.#go = go;
    this.#form = new FormDialog({ dialog, problem, go }, closed);
    reason.addEventListener("keydown", (event) => {
      // One line is enough for most reasons; Shift and Enter starts another.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      dialog.querySelector("form").requestSubmit();
    });
  }

  /**
   * @param {{ title: string, consequences: string[], confirm: string, danger: boolean,
   *   send: (reason: string) => Promise<void> }} question
   */
  ask({ title, consequences, confirm, danger, send }) {
    this.#title.textContent = title;
    this.#consequences.replaceChildren(...consequences.map((line) => element("p", {}, line)));
    this.#go.textContent = confirm;
    this.#go.className = danger ? "danger" : "primary";
    this.#reason.value = "";
    this.#form.open(async () => {
      const reason = this.#reason.value.trim();
      if (reason === "") throw new Mistake("Say why: the reason is kept in the history.", this.#reason);
      await send(reason);
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
}

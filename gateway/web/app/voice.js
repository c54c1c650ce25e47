//! The voice of the page: the switch and its memory, the button that silences, and whose answer is being spoken.
//! Off until someone switches it on. Knows nothing of the server.
//!
//! While the voice reads an answer, a screen reader is not given its sentences too: two voices at once are none. What is
//! announced besides waits until the voice is through; the text stands in the log for whoever wants to read on. When the
//! voice cannot be heard, the screen reader gets everything.

import { Output, canPlay } from "./output.js";
import { Speech } from "./speech.js";

/** Where the browser keeps whether the voice is on. */
const MEMORY = "troika.voice";
const UNAVAILABLE = "The voice is not available right now.";
const HELD_BACK = "The browser holds the sound back. Press a key or tap the page to hear the answer.";

/** Reads answers aloud. */
export class Voice {
  #switch;
  #silencer;
  #output = new Output();
  #speech = null;
  #view = null;
  #on;
  #saidHeldBack = false;

  /**
   * @param {{ toggle: HTMLButtonElement, silencer: HTMLButtonElement }} controls `silencer` shows only while there is
   *   something to silence
   * @param {(origin: Event) => void} onSilenced the reader pressed `silencer`, which is gone now
   */
  constructor({ toggle, silencer }, onSilenced) {
    this.#switch = toggle;
    this.#silencer = silencer;
    this.#on = canPlay && remembered();
    toggle.hidden = !canPlay;
    toggle.addEventListener("click", () => this.#toggle());
    silencer.addEventListener("click", (origin) => {
      this.silence();
      onSilenced(origin);
    });
    this.#show();
  }

  /** Whether answers are to be spoken. */
  get isOn() {
    return this.#on;
  }

  /** Whether an answer is being spoken. */
  get isHeard() {
    return this.#speech?.isHeard ?? false;
  }

  /**
   * An answer begins; the one before falls silent. Call it inside the handler of a click or a key.
   * @param {import("./answer.js").AnswerView} view
   */
  begin(view) {
    this.silence();
    if (!this.#on) return;
    const woken = this.#output.wake();
    const { context } = this.#output;
    if (context === null) {
      view.note(UNAVAILABLE);
      return;
    }
    view.hush();
    this.#view = view;
    const speech = new Speech(context, view, () => this.#changed(speech));
    this.#speech = speech;
    void woken.then((allowed) => this.#tellIfHeldBack(speech, allowed));
  }

  /** @param {object} audio the data of an `audio` event */
  take(audio) {
    this.#speech?.take(audio);
  }

  /**
   * The service cannot speak, or not all of it.
   * @param {string} code of the `warning` event
   * @returns {boolean} whether the reader needs to know: not once they silenced the answer
   */
  warn(code) {
    if (this.#speech === null) return false;
    if (code === "voice_unavailable") this.#view.unhush({ unheard: !this.#speech.wasHeard });
    return true;
  }

  /** The answer's stream is over; what came is spoken to its end. */
  finish() {
    this.#speech?.finish();
  }

  /** Silences what is spoken, at once; the rest of that answer stays silent. */
  silence() {
    this.#speech?.silence();
  }

  #toggle() {
    this.#on = !this.#on;
    remember(this.#on);
    if (this.#on) void this.#output.wake().then(() => this.#speech ?? this.#output.rest());
    else this.silence();
    this.#show();
  }

  #changed(speech) {
    if (speech !== this.#speech) return;
    if (speech.isOver) {
      this.#view.unhush({ unheard: !speech.wasHeard });
      this.#speech = null;
      this.#view = null;
      this.#output.rest();
    }
    this.#show();
  }

  #tellIfHeldBack(speech, allowed) {
    if (allowed || speech !== this.#speech) return;
    this.#view.unhush({ unheard: true });
    if (this.#saidHeldBack) return;
    this.#saidHeldBack = true;
    this.#view.note(HELD_BACK);
  }

  #show() {
    this.#switch.setAttribute("aria-pressed", String(this.#on));
    this.#silencer.hidden = !this.isHeard;
  }
}

function remembered() {
  try {
    return localStorage.getItem(MEMORY) === "on";
  } catch {
    return false; // storage is off: the voice starts off
  }
}

function remember(on) {
  try {
    localStorage.setItem(MEMORY, on ? "on" : "off");
  } catch {
    // Storage is off: the switch holds for this visit.
  }
}

//! Says whether what the page shows is what the server knows: live, connecting, reconnecting. Knows nothing of rollouts.

import { setText } from "./keyed.js";

const WORDS = { live: "Live", connecting: "Connecting", cut: "Reconnecting", fresh: "Up to date" };

/** The state of the connection, in the bar. */
export class Link {
  #place;
  #words;
  #announcer;
  #state = "connecting";

  /**
   * @param {{ place: HTMLElement, words: HTMLElement }} places
   * @param {import("../app/announcer.js").Announcer} announcer
   */
  constructor({ place, words }, announcer) {
    this.#place = place;
    this.#words = words;
    this.#announcer = announcer;
    this.#show();
  }

  /** @param {"live" | "connecting" | "cut" | "fresh"} state `fresh`: nothing is under way that could be followed live */
  set state(state) {
    if (state === this.#state) return;
    if (state === "cut") this.#announcer.say("Connection lost, reconnecting.");
    else if (this.#state === "cut" && state !== "connecting") this.#announcer.say("Connected again.");
    // While it is being tried, a cut connection stays cut for the eye: no flicker.
    if (this.#state === "cut" && state === "connecting") return;
    this.#state = state;
    this.#show();
  }

  set hidden(hidden) {
    this.#place.hidden = hidden;
    if (hidden) this.#state = "connecting";
    this.#show();
  }

  #show() {
    this.#place.dataset.link = this.#state;
    setText(this.#words, WORDS[this.#state]);
  }
}

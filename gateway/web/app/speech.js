//! Speaks one answer: takes its `audio` events as they come, plays them in order, and shows in the answer which sentence
//! is heard, by the clock of the sound. Once silenced it stays silent. Knows neither switch nor server.

import { InOrder } from "./order.js";
import { samplesOf } from "./pcm.js";
import { Playback } from "./playback.js";

/** The voice of one answer. */
export class Speech {
  #view;
  #playback;
  #order;
  #changed;
  #frame = 0;
  #shown;
  #state = "waiting";
  #streamOver = false;
  #wasHeard = false;

  /**
   * @param {AudioContext} context
   * @param {import("./answer.js").AnswerView} view the answer that is spoken
   * @param {() => void} changed called when `isHeard` or `isOver` changed
   */
  constructor(context, view, changed) {
    this.#view = view;
    this.#changed = changed;
    this.#playback = new Playback(context, () => this.#endIfOver());
    this.#order = new InOrder(({ samples, sentence }) => {
      this.#playback.add(samples, sentence);
      this.#beginIfSounding();
    });
  }

  /** Whether there is sound, or will be more after a pause. */
  get isHeard() {
    return this.#state === "speaking";
  }

  /** Whether there was ever a sound. */
  get wasHeard() {
    return this.#wasHeard;
  }

  /** Whether nothing will be heard any more. */
  get isOver() {
    return this.#state === "over";
  }

  /** @param {object} audio the data of an `audio` event */
  take(audio) {
    if (this.isOver) return;
    const text = audio.sentence ?? audio.text;
    const sentence = { index: audio.sentenceIndex, text: typeof text === "string" ? text : "" };
    this.#order.add(audio.sequence, { samples: samplesOf(audio), sentence });
  }

  /** The stream is over: what came is spoken to its end. */
  finish() {
    this.#streamOver = true;
    this.#order.flush();
    this.#endIfOver();
  }

  /** Nothing more is heard, now or later. */
  silence() {
    if (this.isOver) return;
    this.#order.clear();
    this.#playback.silence();
    this.#end();
  }

  #beginIfSounding() {
    if (this.#state !== "waiting" || this.#playback.drained) return;
    this.#state = "speaking";
    this.#wasHeard = true;
    this.#follow();
    this.#changed();
  }

  #endIfOver() {
    if (this.#streamOver && this.#playback.drained && !this.isOver) this.#end();
  }

  #end() {
    this.#state = "over";
    cancelAnimationFrame(this.#frame);
    this.#view.showSpoken(null);
    this.#changed();
  }

  #follow() {
    const heard = this.#playback.heard();
    const isNew = heard !== undefined && (heard.text !== this.#shown?.text || heard.index !== this.#shown?.index);
    if (isNew) {
      this.#shown = heard;
      this.#view.showSpoken(heard.text);
    }
    this.#frame = requestAnimationFrame(() => this.#follow());
  }
}

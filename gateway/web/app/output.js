//! The page's way to the loudspeaker: one audio context, made and woken inside a gesture of the reader, because
//! browsers allow sound only then; put to rest when nobody speaks. Knows nothing of answers.

import { SAMPLE_RATE } from "./pcm.js";

/** How long the browser may take to let sound through before it counts as refusing. */
const GRANT_MS = 1_000;
/** How long the loudspeaker stays awake after the last sound. */
const REST_AFTER_MS = 15_000;
const GESTURES = ["pointerup", "keydown"];

/** Whether this browser can play sound at all. */
export const canPlay = "AudioContext" in globalThis;

/** The loudspeaker. */
export class Output {
  #context = null;
  #rest = 0;

  /** The context that sound is scheduled on; null before the first `wake`. */
  get context() {
    return this.#context;
  }

  /**
   * Makes the loudspeaker ready. Call it inside the handler of a click or a key.
   * @returns {Promise<boolean>} whether sound is let through; if not, the next gesture tries again by itself
   */
  async wake() {
    clearTimeout(this.#rest);
    try {
      this.#context ??= makeContext();
      // Asked of a running one, too: it may be going to rest this very moment.
      // Refused, this promise stays open until a gesture: it is not waited for alone.
      await Promise.race([this.#context.resume(), new Promise((done) => setTimeout(done, GRANT_MS))]);
    } catch {
      return false; // no device, or none that may be used
    }
    if (this.#context.state === "running") return true;
    this.#wakeWithNextGesture();
    return false;
  }

  /** Nobody speaks any more: after a while the device is let go. */
  rest() {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => void this.#context?.suspend().catch(() => {}), REST_AFTER_MS);
  }

  #wakeWithNextGesture() {
    const again = () => {
      for (const gesture of GESTURES) removeEventListener(gesture, again, true);
      void this.#context.resume().catch(() => {});
    };
    for (const gesture of GESTURES) addEventListener(gesture, again, true);
  }
}

function makeContext() {
  try {
    // At the rate of the sound nothing is resampled, so pieces join without a trace.
    return new AudioContext({ sampleRate: SAMPLE_RATE });
  } catch {
    return new AudioContext(); // resamples each piece; their starts still meet exactly
  }
}

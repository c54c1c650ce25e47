//! Plays the pieces of one answer back to back on the audio clock, each starting on the very sample where the one
//! before ends. Knows when which piece is heard; not what is said in it, nor where pieces come from.

import { SAMPLE_RATE } from "./pcm.js";

/** Room before the first sound, and after an underrun, in samples: 80 ms. */
const LEAD = 0.08 * SAMPLE_RATE;
/** A piece that joins later than this would start late and overlap, in samples: 10 ms. */
const NARROW = 0.01 * SAMPLE_RATE;

/** One answer's sound. */
export class Playback {
  #context;
  #gain;
  #onDrained;
  /** Where the next piece starts on the context's clock, in samples of SAMPLE_RATE. */
  #end = 0;
  /** What is playing or will, oldest first: the nodes hold the samples, and let them go once played. */
  #pieces = [];

  /**
   * @param {AudioContext} context
   * @param {() => void} onDrained called whenever everything given so far was heard
   */
  constructor(context, onDrained) {
    this.#context = context;
    this.#onDrained = onDrained;
    this.#gain = context.createGain();
    this.#gain.connect(context.destination);
  }

  /** Whether everything given so far was heard. */
  get drained() {
    return this.#pieces.length === 0;
  }

  /**
   * Plays `samples` after everything given before.
   * @param {Float32Array<ArrayBuffer>} samples
   * @param {unknown} mark what `heard` answers while they are heard
   */
  add(samples, mark) {
    if (samples.length === 0) return;
    const buffer = this.#context.createBuffer(1, samples.length, SAMPLE_RATE);
    buffer.copyToChannel(samples, 0);
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#gain);

    const now = Math.ceil(this.#context.currentTime * SAMPLE_RATE);
    const start = this.#end >= now + NARROW ? this.#end : now + LEAD;
    this.#end = start + samples.length;
    const piece = { source, start, mark };
    this.#pieces.push(piece);
    source.addEventListener("ended", () => this.#played(piece));
    source.start(start / SAMPLE_RATE);
  }

  /** The mark of what comes out of the loudspeaker now; undefined before the first piece. */
  heard() {
    const latency = this.#context.outputLatency || 0;
    const now = (this.#context.currentTime - latency) * SAMPLE_RATE;
    return this.#pieces.findLast(({ start }) => start <= now)?.mark;
  }

  /** Nothing of this is heard from now on. */
  silence() {
    this.#gain.gain.value = 0;
    for (const { source } of this.#pieces.splice(0)) {
      source.stop();
      source.disconnect();
    }
    this.#gain.disconnect();
  }

  #played(piece) {
    const at = this.#pieces.indexOf(piece);
    if (at < 0) return; // silenced
    piece.source.disconnect();
    this.#pieces.splice(at, 1);
    if (this.drained) this.#onDrained();
  }
}

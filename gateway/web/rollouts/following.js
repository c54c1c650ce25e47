//! Follows an event stream live, through cuts: reads it and opens it again, later after each failure. Knows nothing of
//! what is told on it. (EventSource can send no token, so the stream is read by hand.)

import { EventParser } from "../app/sse.js";
import { Refusal } from "./asking.js";

/** Waits between attempts, in milliseconds; the last one repeats. Each is shortened by chance, up to a quarter. */
const WAITS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/** The longest that a server may ask to wait. */
const LONGEST_WAIT_MS = 300_000;

/**
 * `event` takes one and answers whether the stream goes on; a Refusal that it throws counts as a cut. `live`: the stream
 * was opened and said something. `cut`: it is not there, `message` says why. `refused`: there is no sense in asking again.
 * @typedef {{ event: (event: import("../app/sse.js").StreamEvent) => boolean, live: () => void,
 *   cut: (refusal: Refusal) => void, refused: (refusal: Refusal) => void }} Reactions
 */

/** A stream that is kept up until it is ended. */
export class Following {
  #open;
  #reactions;
  #silence;
  #eventsAlone;
  #ended = new AbortController();
  #hurry = () => {};

  /**
   * @param {(signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>} open throws a Refusal
   * @param {Reactions} reactions none is called after `end`
   * @param {{ silence: number, eventsAlone?: boolean }} limits after so many milliseconds without a byte nobody is there;
   *   `eventsAlone`: comments are no sign of life, what is wanted are events
   */
  constructor(open, reactions, { silence, eventsAlone = false }) {
    this.#open = open;
    this.#reactions = reactions;
    this.#silence = silence;
    this.#eventsAlone = eventsAlone;
    void this.#run();
  }

  /** Tries again now instead of later: the network is back, or someone looks. */
  hurry() {
    this.#hurry();
  }

  end() {
    this.#ended.abort();
    this.#hurry();
  }

  async #run() {
    for (let failures = 0; ; failures += 1) {
      const refusal = await this.#follow(() => (failures = 0));
      if (refusal === null || this.#ended.signal.aborted) return;
      if (refusal.needsSignIn || refusal.status === 404) {
        this.#reactions.refused(refusal);
        return;
      }
      this.#reactions.cut(refusal);
      const wait = WAITS[Math.min(failures, WAITS.length - 1)];
      await this.#pause(Math.max(wait * (1 - Math.random() / 4), Math.min(refusal.retryAfter * 1_000, LONGEST_WAIT_MS)));
      if (this.#ended.signal.aborted) return;
    }
  }

  /** Reads one stream to its end. Null when nothing more is to come. */
  async #follow(onLife) {
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    this.#ended.signal.addEventListener("abort", leave);
    let silence = setTimeout(leave, this.#silence);
    try {
      const body = await this.#open(leaving.signal);
      const reader = body.getReader();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#ended.signal.aborted) return null;
        if (done) return cutOff();
        const events = parser.push(value);
        if (this.#eventsAlone && events.length === 0) continue;
        clearTimeout(silence);
        silence = setTimeout(leave, this.#silence);
        onLife();
        if (!this.#tell(events)) return null;
      }
    } catch (error) {
      return error instanceof Refusal ? error : cutOff();
    } finally {
      clearTimeout(silence);
      this.#ended.signal.removeEventListener("abort", leave);
      leave(); // a connection left open is closed
    }
  }

  #tell(events) {
    try {
      this.#reactions.live();
      return events.every((event) => this.#reactions.event(event));
    } catch (error) {
      // A mistake of the page is not one of the connection: it is not to pass in silence.
      if (!(error instanceof Refusal)) reportError(error);
      throw error;
    }
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const cutOff = () => new Refusal({ status: 0, message: "The connection broke." });

/** The object that an event's data are; null when nobody can read it: the next one tells all again. */
export function objectOf({ data }) {
  try {
    const read = JSON.parse(data);
    return read !== null && typeof read === "object" ? read : null;
  } catch {
    return null;
  }
}

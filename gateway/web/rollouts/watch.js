//! Follows one rollout live, through cuts: reads its event stream and opens it again, later after each failure. Knows
//! nothing of the page. (EventSource cannot send a token, so the stream is read by hand.)

import { EventParser } from "../app/sse.js";
import { Refusal } from "./api.js";

/** Waits between attempts, in milliseconds; the last one repeats. Each is shortened by chance, up to a quarter. */
const WAITS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/** The server sends a comment every 15 s at the latest; three missed ones mean that nobody is there. */
const SILENCE_LIMIT_MS = 45_000;

/**
 * `live`: the stream was opened and said something. `cut`: it is not there, `message` says why. `refused`: there is no
 * sense in asking again.
 * @typedef {{ rollout: (rollout: object) => boolean, live: () => void, cut: (refusal: Refusal) => void,
 *   refused: (refusal: Refusal) => void }} Reactions `rollout` answers whether the rollout goes on
 */

/** A watch that is kept up until it is ended. */
export class Watch {
  #api;
  #id;
  #reactions;
  #ended = new AbortController();
  #hurry = () => {};

  /**
   * @param {import("./api.js").Api} api
   * @param {string} id
   * @param {Reactions} reactions none is called after `end`
   */
  constructor(api, id, reactions) {
    this.#api = api;
    this.#id = id;
    this.#reactions = reactions;
    void this.#run();
  }

  get id() {
    return this.#id;
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
      if (refusal.isAboutToken || refusal.status === 404) {
        this.#reactions.refused(refusal);
        return;
      }
      this.#reactions.cut(refusal);
      const wait = WAITS[Math.min(failures, WAITS.length - 1)];
      await this.#pause(Math.max(wait * (1 - Math.random() / 4), refusal.retryAfter * 1_000));
      if (this.#ended.signal.aborted) return;
    }
  }

  /** Reads one stream to its end. Null when nothing more is to come. */
  async #follow(onLife) {
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    this.#ended.signal.addEventListener("abort", leave);
    let silence = setTimeout(leave, SILENCE_LIMIT_MS);
    try {
      const body = await this.#api.watch(this.#id, leaving.signal);
      const reader = body.getReader();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#ended.signal.aborted) return null;
        if (done) return cutOff();
        clearTimeout(silence);
        silence = setTimeout(leave, SILENCE_LIMIT_MS);
        onLife();
        this.#reactions.live();
        for (const event of parser.push(value)) {
          const rollout = event.type === "rollout" ? parse(event.data) : null;
          if (rollout !== null && !this.#reactions.rollout(rollout)) return null;
        }
      }
    } catch (error) {
      return error instanceof Refusal ? error : cutOff();
    } finally {
      clearTimeout(silence);
      this.#ended.signal.removeEventListener("abort", leave);
      leave(); // a connection left open is closed
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

function parse(json) {
  try {
    const data = JSON.parse(json);
    return data !== null && typeof data === "object" ? data : null;
  } catch {
    return null; // an event nobody can read is skipped; the next one tells all again
  }
}

//! Follows one rollout live. Knows nothing of the page.

import { Following, objectOf } from "./following.js";

/** The server sends a comment every 15 s at the latest; three missed ones mean that nobody is there. */
const SILENCE_LIMIT_MS = 45_000;

/**
 * As those of a Following; `rollout` answers whether the rollout goes on.
 * @typedef {{ rollout: (rollout: object) => boolean, live: () => void, cut: (refusal: import("./asking.js").Refusal) => void,
 *   refused: (refusal: import("./asking.js").Refusal) => void }} Reactions
 */

/** A watch that is kept up until it is ended. */
export class Watch extends Following {
  #id;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} id
   * @param {Reactions} reactions none is called after `end`
   */
  constructor(api, id, { rollout, ...reactions }) {
    const event = (told) => {
      const heard = told.type === "rollout" ? objectOf(told) : null;
      return heard === null || rollout(heard);
    };
    super((signal) => api.watch(id, signal), { ...reactions, event }, { silence: SILENCE_LIMIT_MS });
    this.#id = id;
  }

  get id() {
    return this.#id;
  }
}

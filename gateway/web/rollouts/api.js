//! The routes of flags and rollouts. The only file that knows their addresses. Knows nothing of the page.

import { Server, list } from "./asking.js";

export { Refusal } from "./asking.js";

/** The server's routes, asked as one person. */
export class Api {
  #server;

  /** @param {string | null} token null: the browser's cookie says who asks */
  constructor(token) {
    this.#server = new Server(token);
  }

  /** Lets go of everything that is under way; whatever was asked is never answered. */
  leave() {
    this.#server.leave();
  }

  /** @returns {Promise<object[]>} */
  async rollouts() {
    return list(await this.#server.ask("api/rollouts"), "rollouts");
  }

  /** @returns {Promise<object[]>} */
  async flags() {
    return list(await this.#server.ask("api/flags"), "flags");
  }

  /** @returns {Promise<object[]>} newest first */
  async decisions(id) {
    return list(await this.#server.ask(`api/rollouts/${encodeURIComponent(id)}/decisions`), "decisions");
  }

  /** @param {"pause" | "resume" | "abort" | "approve"} action */
  act(id, action, reason) {
    return this.#server.ask(`api/rollouts/${encodeURIComponent(id)}/${action}`, { body: { reason } });
  }

  start(rollout) {
    return this.#server.ask("api/rollouts", { body: rollout });
  }

  switchFlag(key, enabled, reason) {
    return this.#server.ask(`api/flags/${encodeURIComponent(key)}/switch`, { body: { enabled, reason } });
  }

  /**
   * Opens the stream of a rollout.
   * @param {AbortSignal} signal leaves it
   * @returns {Promise<ReadableStream<Uint8Array>>}
   */
  watch(id, signal) {
    return this.#server.stream(`api/rollouts/${encodeURIComponent(id)}/watch`, signal);
  }
}

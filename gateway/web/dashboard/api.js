//! The routes that the dashboard reads. The only file that knows their addresses. Knows nothing of the page.

import { Server, list } from "../rollouts/asking.js";

/** A test may wait for mail servers. */
const TEST_PATIENCE_MS = 40_000;

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

  /**
   * Opens the stream of figures.
   * @param {string} window
   * @param {AbortSignal} signal leaves it
   */
  live(window, signal) {
    return this.#server.stream(`api/metrics/live?window=${encodeURIComponent(window)}`, signal);
  }

  /** The figures of a window by one dimension. */
  figures(window, by) {
    return this.#server.ask(`api/metrics/figures?window=${encodeURIComponent(window)}&by=${encodeURIComponent(by)}`);
  }

  /** Figures over time. */
  history(range) {
    return this.#server.ask(`api/metrics/history?range=${encodeURIComponent(range)}`);
  }

  /** @returns {Promise<{ alerts: object[], silences: object[] }>} */
  async alerts() {
    const answer = await this.#server.ask("api/metrics/alerts");
    return { alerts: list(answer, "alerts"), silences: list(answer, "silences") };
  }

  /** @param {{ alert: string, seconds: number, reason: string }} silence an empty name means all alerts */
  silence(silence) {
    return this.#server.ask("api/metrics/alerts/silences", { body: silence });
  }

  /** Ends a silence. */
  lift(id) {
    return this.#server.ask(`api/metrics/alerts/silences/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** @returns {Promise<object[]>} what became of the test at each receiver */
  async test() {
    return list(await this.#server.ask("api/metrics/alerts/test", { body: {}, patience: TEST_PATIENCE_MS }), "deliveries");
  }

  /** Entries of one role's audit log below the number `before`; the newest when it is 0. */
  audit(source, before, limit) {
    const below = before > 0 ? `&before=${before}` : "";
    return this.#server.ask(`api/audit?source=${encodeURIComponent(source)}&limit=${limit}${below}`);
  }

  /** @returns {Promise<object[]>} newest first */
  async rollouts() {
    return list(await this.#server.ask("api/rollouts"), "rollouts");
  }
}

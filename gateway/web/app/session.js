//! Remembers one bot's conversation for as long as the tab lives: the session id that the server gave, the token that shows
//! whose it is, and what was said, so that a reload shows what the bot still knows. Nothing outlives the tab. Works without storage, too.

/** Exchanges kept; the oldest go first. */
const KEPT = 50;

/**
 * @typedef {{ question: string, answer: string, state: "complete" | "stopped" | "failed", model: string,
 *   notes: string[], problem: import("./problems.js").Problem | null, seconds: number | null }} Exchange
 */

/** What is remembered of the conversation with one bot. */
export class Session {
  #key;
  #memory = { id: null, token: null, exchanges: [] };

  /** @param {string} botId */
  constructor(botId) {
    this.#key = `troika.conversation.${botId}`;
    try {
      const stored = JSON.parse(sessionStorage.getItem(this.#key) ?? "null");
      if (stored !== null && Array.isArray(stored.exchanges)) {
        this.#memory = {
          id: typeof stored.id === "string" ? stored.id : null,
          token: typeof stored.token === "string" ? stored.token : null,
          exchanges: stored.exchanges.filter((exchange) => typeof exchange?.question === "string"),
        };
      }
    } catch {
      // Storage is off, or holds something else: a new conversation.
    }
  }

  /** The server's id of this conversation; null before the first answer began. */
  get id() {
    return this.#memory.id;
  }

  set id(id) {
    this.#memory.id = id;
    this.#save();
  }

  /** What shows the server whose session this is; null when it gave nothing. */
  get token() {
    return this.#memory.token;
  }

  set token(token) {
    this.#memory.token = token;
    this.#save();
  }

  /** Goes on in a session of its own; what was said stays on the page, and the bot does not know it. */
  renew() {
    this.#memory.id = null;
    this.#memory.token = null;
    this.#save();
  }

  /** @returns {readonly Exchange[]} oldest first */
  get exchanges() {
    return this.#memory.exchanges;
  }

  /** @param {Exchange} exchange */
  add(exchange) {
    this.#memory.exchanges = [...this.#memory.exchanges, exchange].slice(-KEPT);
    this.#save();
  }

  /** Forgets the newest exchange: it is being asked again. */
  dropLast() {
    this.#memory.exchanges = this.#memory.exchanges.slice(0, -1);
    this.#save();
  }

  /** Starts a new conversation. */
  clear() {
    this.#memory = { id: null, token: null, exchanges: [] };
    this.#save();
  }

  #save() {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.#memory));
    } catch {
      // Full or forbidden: the conversation goes on, and a reload starts a new one.
    }
  }
}

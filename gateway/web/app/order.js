//! Puts numbered pieces into their order: one that came twice counts once, a missing one is waited for a moment and
//! then done without. Knows nothing of what the pieces are.

/** How long a missing piece may hold up those behind it. */
const PATIENCE_MS = 600;
/** A number this far ahead is no piece of the same answer. */
const REACH = 4_096;

/** Hands pieces on in the order of their numbers, from 0. */
export class InOrder {
  #next = 0;
  #held = new Map();
  #timer = 0;
  #deliver;

  /** @param {(piece: unknown) => void} deliver */
  constructor(deliver) {
    this.#deliver = deliver;
  }

  /**
   * @param {unknown} number the piece's place
   * @param {unknown} piece
   */
  add(number, piece) {
    if (!Number.isSafeInteger(number) || number < this.#next || number > this.#next + REACH) return;
    if (this.#held.has(number)) return;
    this.#held.set(number, piece);
    this.#hand();
  }

  /** Nothing more comes: what was held back is handed on, without what is missing. */
  flush() {
    while (this.#held.size > 0) this.#skip();
  }

  /** Forgets what is held back. */
  clear() {
    clearTimeout(this.#timer);
    this.#held.clear();
  }

  #hand() {
    clearTimeout(this.#timer);
    while (this.#held.has(this.#next)) {
      const piece = this.#held.get(this.#next);
      this.#held.delete(this.#next);
      this.#next += 1;
      this.#deliver(piece);
    }
    if (this.#held.size > 0) this.#timer = setTimeout(() => this.#skip(), PATIENCE_MS);
  }

  #skip() {
    this.#next = Math.min(...this.#held.keys());
    this.#hand();
  }
}

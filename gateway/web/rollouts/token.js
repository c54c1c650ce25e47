//! Keeps the admin token for as long as the tab lives: in the tab's session storage and nowhere else. Knows nothing of
//! what it is good for.

const KEY = "troika.admin";

/** The token of this tab. */
export class Token {
  #value = null;

  constructor() {
    try {
      this.#value = sessionStorage.getItem(KEY);
    } catch {
      // Storage is off: the token lives until the page is left.
    }
  }

  /** The token; null when nobody is signed in. */
  get value() {
    return this.#value;
  }

  /** @param {string} value */
  keep(value) {
    this.#value = value;
    try {
      sessionStorage.setItem(KEY, value);
    } catch {
      // As above.
    }
  }

  /** Nobody is signed in any more. */
  forget() {
    this.#value = null;
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // It was never kept.
    }
  }
}

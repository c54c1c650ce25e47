//! Who asks, where a bot wants to know: the token that the site in front of this page put into its address, behind `#token=`.
//! It is taken out of the address at once and kept for as long as the tab lives. Knows nothing of what it opens.

const KEY = "troika.visitor.";

/** The visitor of one bot's page. */
export class Visitor {
  #key;
  #token = null;

  /** @param {string} botId a token is for one bot: another's page never sends it */
  constructor(botId) {
    this.#key = KEY + botId;
    try {
      this.#token = sessionStorage.getItem(this.#key);
    } catch {
      // Storage is off: a token lives until the page is left.
    }
    this.readAddress();
    addEventListener("hashchange", () => this.readAddress());
  }

  /** The token; null for a visitor of whom nothing is known. */
  get token() {
    return this.#token;
  }

  /** The server does not take it any more. */
  forget() {
    this.#keep(null);
  }

  /** Takes a token out of the address: neither history, nor bookmarks, nor anybody looking on gets to see it. */
  readAddress() {
    const told = new URLSearchParams(location.hash.slice(1));
    const token = told.get("token");
    if (token === null) return;
    told.delete("token");
    const rest = told.toString();
    history.replaceState(history.state, "", location.pathname + location.search + (rest === "" ? "" : `#${rest}`));
    // What could be no header is no token.
    if (/^[\x21-\x7e]+$/.test(token)) this.#keep(token);
  }

  #keep(token) {
    this.#token = token;
    try {
      if (token === null) sessionStorage.removeItem(this.#key);
      else sessionStorage.setItem(this.#key, token);
    } catch {
      // As above.
    }
  }
}

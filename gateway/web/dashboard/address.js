//! What the page shows, kept in its address: a reload or a link sent to a colleague shows the same. Knows nothing of what
//! the choices mean.

/** Choices by name; the first value of each is what is chosen where the address says nothing. */
export class Address {
  #allowed;
  #chosen;

  /** @param {Record<string, readonly string[]>} allowed */
  constructor(allowed) {
    this.#allowed = allowed;
    this.#chosen = this.#read();
  }

  get(name) {
    return this.#chosen[name];
  }

  set(name, value) {
    this.#chosen[name] = value;
    const told = Object.entries(this.#chosen).filter(([key, chosen]) => chosen !== this.#allowed[key][0]);
    const hash = new URLSearchParams(told).toString();
    history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
  }

  /** Reads the address again, such as after someone has changed it by hand. */
  renew() {
    this.#chosen = this.#read();
  }

  #read() {
    const told = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(Object.entries(this.#allowed).map(([name, values]) => [name, values.includes(told.get(name)) ? told.get(name) : values[0]]));
  }
}

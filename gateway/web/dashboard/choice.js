//! One of a few: a row of radio buttons that looks like a switch. Knows nothing of what is chosen.

import { element } from "../app/elements.js";

/** Fills a `<fieldset>`. */
export class Choice {
  #inputs;

  /**
   * @param {HTMLFieldSetElement} place
   * @param {[value: string, label: string][]} options
   * @param {(value: string) => void} chosen by a person
   */
  constructor(place, options, chosen) {
    this.#inputs = options.map(([value]) => element("input", { type: "radio", name: place.id, value }));
    place.append(element("span", { class: "options" }, ...options.map(([, label], at) => element("label", {}, this.#inputs[at], element("span", {}, label)))));
    place.addEventListener("change", ({ target }) => chosen(target.value));
  }

  set value(value) {
    for (const input of this.#inputs) input.checked = input.value === value;
  }
}

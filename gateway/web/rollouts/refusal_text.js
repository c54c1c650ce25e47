//! Shows a refusal in the server's own words, as text. Knows nothing of what was refused.

import { element } from "../app/elements.js";

/**
 * @param {HTMLElement} place hidden while there is nothing to say
 * @param {readonly string[]} lines
 */
export function showLines(place, lines) {
  place.hidden = lines.length === 0;
  place.replaceChildren(...lines.map((line) => element("span", {}, line)));
}

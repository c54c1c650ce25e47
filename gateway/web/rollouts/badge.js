//! Shows a look: its shape and its word, in its tone. Knows nothing of states.

import { element, icon } from "../app/elements.js";

/**
 * @param {import("./words.js").Look} look
 * @param {string} className
 */
export function badge({ words, icon: shape, tone }, className = "badge") {
  return element("span", { class: className, "data-tone": tone }, icon(shape), element("span", {}, words));
}

/**
 * Puts a look in the place of `shown` where it differs, and returns what is shown.
 * @param {HTMLElement} shown made by `badge`
 */
export function renew(shown, look) {
  const same =
    shown.dataset.tone === look.tone &&
    shown.textContent === look.words &&
    shown.querySelector("use").getAttribute("href") === `#icon-${look.icon}`;
  if (same) return shown;
  const next = badge(look, shown.className);
  shown.replaceWith(next);
  return next;
}

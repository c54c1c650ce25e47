//! The colours of charts, as the style sheet names them: a canvas cannot ask it by itself. Knows nothing of what is drawn.

const dark = matchMedia("(prefers-color-scheme: dark)");
let known = new Map();

/** The value of a custom property of the page. */
export function ink(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return known.get(name);
}

/** Calls `redraw` whenever colours have changed. */
export function onOtherInk(redraw) {
  dark.addEventListener("change", () => {
    known = new Map();
    redraw();
  });
}

//! Closes the Markdown that an answer cut in mid-stream leaves open, so that marks do not flash before their partner
//! arrives: `**bo` shows as bold, `[docs](https://exa` as "docs". Pure text in, text out.

/**
 * @param {string} text an answer as far as it has come
 * @returns {string} the same, fit to be rendered
 */
export function mendTail(text) {
  if (insideFence(text)) return text; // the renderer runs an open fence to the end by itself
  const start = text.lastIndexOf("\n\n") + 1;
  return text.slice(0, start) + mendInline(dropLoneMark(text.slice(start)));
}

function insideFence(text) {
  let open = "";
  for (const [, fence] of text.matchAll(/^ {0,3}(`{3,}|~{3,})/gm)) {
    if (open === "") open = fence;
    else if (fence[0] === open[0] && fence.length >= open.length) open = "";
  }
  return open !== "";
}

/** A last line of marks alone would make a heading of the line above, or an empty item, until its text comes. */
function dropLoneMark(text) {
  return text.replace(/(^|\n)[ \t]*(?:[-=*+_#>|:`~ \t]+|\d{1,3}[.)]?)[ \t]*$/, "$1");
}

function mendInline(text) {
  const line = text.lastIndexOf("\n") + 1;
  let tail = text.slice(line);
  const ticks = tail.match(/`+/g) ?? [];
  if (ticks.length % 2 === 1) {
    const open = ticks.at(-1);
    return text.endsWith(open) ? text.slice(0, -open.length) : text + open;
  }

  tail = tail.replace(/!?\[([^\][]*)(?:\](?:\([^()\s]*)?)?$/, "$1");
  const outsideCode = tail.replace(/`[^`]*`/g, "");
  for (const mark of ["**", "~~"]) {
    const count = outsideCode.split(mark).length - 1;
    if (count % 2 === 0) continue;
    tail = tail.endsWith(mark) ? tail.slice(0, -mark.length) : tail.replace(/[*~]$/, "").trimEnd() + mark;
  }
  return text.slice(0, line) + tail;
}

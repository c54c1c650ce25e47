//! Elements that show a moment, and how long ago it was, which changes by itself. Knows nothing of what happened then.

import { element } from "../app/elements.js";
import { now } from "./clock.js";
import { ago, fully, instant, time } from "./format.js";
import { setText } from "./keyed.js";

/** How long ago `text` (RFC 3339) was; empty when it is no time. */
export function since(text) {
  const at = instant(text);
  if (Number.isNaN(at)) return element("span");
  return element("time", { datetime: text, title: fully(at), "data-since": String(at) }, ago(at, now()));
}

/** The time of day of `text` (RFC 3339). */
export function timeOfDay(text) {
  const at = instant(text);
  if (Number.isNaN(at)) return element("span", {}, time(at, now()));
  return element("time", { datetime: text, title: fully(at) }, time(at, now()));
}

/** Renews every age on the page. */
export function renewAges() {
  const moment = now();
  for (const shown of document.querySelectorAll("time[data-since]")) setText(shown, ago(Number(shown.dataset.since), moment));
}

//! Shows who changed what, an entry a line, with what was before and what came after on demand. Everything is text. Knows
//! nothing of the server.

import { element } from "../app/elements.js";
import { timeOfDay } from "../rollouts/moments.js";

/** Entries in `rows`, the newest first. */
export class AuditView {
  #rows;

  /** @param {HTMLOListElement} rows */
  constructor(rows) {
    this.#rows = rows;
  }

  clear() {
    this.#rows.replaceChildren();
  }

  /**
   * Adds entries that are older than those shown. An entry never changes: it is drawn once.
   * @param {readonly object[]} entries
   */
  add(entries) {
    this.#rows.append(...entries.map(row));
  }

  /** Gives the keyboard to the entry with this place. */
  focus(place) {
    const entry = this.#rows.children[place];
    if (entry === undefined) return;
    entry.tabIndex = -1;
    entry.focus();
  }
}

function row(entry) {
  const { time, subject, name, role, action, target } = entry;
  const who = text(name) || text(subject) || "Nobody named";
  const line = element(
    "p",
    { class: "audit-line" },
    timeOfDay(time),
    element("span", { class: "audit-who" }, who, element("span", { class: "soft" }, text(role) === "" ? "" : ` ${text(role)}`)),
    element("span", { class: "audit-action" }, text(action)),
    element("span", { class: "audit-target" }, text(target)),
  );
  const more = details(entry, who);
  return element("li", { class: "audit-entry" }, line, ...(more === null ? [] : [more]));
}

function details({ number, subject, before, after, requestId }, who) {
  const facts = [
    ["Subject", text(subject) === who ? "" : text(subject), "span"],
    ["Request", text(requestId), "span"],
    ["Before", laidOut(before), "pre"],
    ["After", laidOut(after), "pre"],
  ].filter(([, value]) => value !== "");
  if (facts.length === 0) return null;
  const list = facts.flatMap(([label, value, tag]) => [element("dt", {}, label), element("dd", {}, element(tag, {}, value))]);
  const summary = element("summary", {}, "Details", element("span", { class: "hidden-label" }, ` of entry ${text(number)}`));
  return element("details", { class: "fold" }, summary, element("dl", { class: "audit-facts" }, ...list));
}

/** What was kept as JSON, laid out for reading; whatever it is, it is shown. */
function laidOut(kept) {
  if (kept === null || kept === undefined || kept === "") return "";
  if (typeof kept !== "string") return JSON.stringify(kept, null, 2);
  try {
    return JSON.stringify(JSON.parse(kept), null, 2);
  } catch {
    return kept;
  }
}

const text = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

//! The figures of a window by one dimension, as a table. On a narrow screen each row becomes a block of its own by style
//! alone; the roles stand in the markup, because browsers drop a table's meaning together with its layout.

import { element } from "../app/elements.js";
import { NOTHING, count } from "../rollouts/format.js";
import { KeyedList, setText } from "../rollouts/keyed.js";
import { cost, errorsOf, latency, percentileOf, share, successRateOf, tokensOf, turnsOf } from "./numbers.js";

/** @type {[name: string, of: (figures: object) => string][]} */
const COLUMNS = [
  ["Requests", (figures) => count(turnsOf(figures))],
  ["Success rate", (figures) => share(successRateOf(figures))],
  ["Errors", (figures) => count(errorsOf(figures))],
  ["First token p50", ({ firstToken }) => latency(percentileOf(firstToken, "p50"))],
  ["First token p95", ({ firstToken }) => latency(percentileOf(firstToken, "p95"))],
  ["Complete p95", ({ complete }) => latency(percentileOf(complete, "p95"))],
  ["Tokens", (figures) => count(tokensOf(figures))],
  ["Cost", ({ cost: spent }) => cost(spent)],
];

/** Shows a table in `place`. */
export class Breakdown {
  #value = element("th", { role: "columnheader", scope: "col" });
  #body = element("tbody", { role: "rowgroup" });
  #none = element("p", { class: "empty", hidden: true });
  #rows = new KeyedList(this.#body, ({ value }) => String(value), () => new Row());
  #table = element(
    "table",
    { class: "breakdown", role: "table", "aria-labelledby": "breakdown-title", hidden: true },
    element(
      "thead",
      { role: "rowgroup" },
      element("tr", { role: "row" }, this.#value, ...COLUMNS.map(([name]) => element("th", { role: "columnheader", scope: "col" }, name))),
    ),
    this.#body,
  );

  /** @param {HTMLElement} place */
  constructor(place) {
    place.replaceChildren(this.#table, this.#none);
  }

  /**
   * @param {object} snapshot with groups
   * @param {string} dimension its name for people
   * @param {string} window in words
   */
  update(snapshot, dimension, window) {
    const groups = (Array.isArray(snapshot?.groups) ? snapshot.groups : []).filter((group) => group !== null && typeof group === "object");
    setText(this.#value, dimension);
    this.#table.hidden = groups.length === 0;
    this.#none.hidden = groups.length > 0;
    setText(this.#none, `No turns in ${window}.`);
    this.#rows.update(groups);
  }
}

class Row {
  root = element("tr", { role: "row" });
  #value = element("th", { role: "rowheader", scope: "row" });
  #cells = COLUMNS.map(([name]) => element("td", { role: "cell", "data-label": name }));

  constructor() {
    this.root.append(this.#value, ...this.#cells);
  }

  update({ value, figures }) {
    setText(this.#value, value === "" || value === undefined ? NOTHING : String(value));
    COLUMNS.forEach(([, read], at) => setText(this.#cells[at], read(Object(figures))));
  }
}

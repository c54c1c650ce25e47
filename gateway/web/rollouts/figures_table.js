//! The table of figures against criteria. On a narrow screen each row becomes a block of its own by style alone; the
//! roles stand in the markup, because browsers drop a table's meaning together with its layout.

import { element } from "../app/elements.js";
import { badge } from "./badge.js";
import { figuresOf } from "./figures.js";

const COLUMNS = ["Figure", "Candidate", "Control", "To advance", "Rolls back", "Mark"];

/** Shows the figures of the last decision. */
export class FiguresTable {
  #body = element("tbody", { role: "rowgroup" });
  #drawn = "";
  #none = element("p", { class: "empty" }, "No figures yet: they come with the first decision.");
  #table = element(
    "table",
    { class: "figures", role: "table", "aria-labelledby": "figures-title" },
    element(
      "thead",
      { role: "rowgroup" },
      element("tr", { role: "row" }, ...COLUMNS.map((name) => element("th", { role: "columnheader", scope: "col" }, name))),
    ),
    this.#body,
  );
  root = element(
    "section",
    { class: "card", "aria-labelledby": "figures-title" },
    element("h3", { id: "figures-title" }, "Figures against criteria"),
    this.#table,
    this.#none,
  );

  update(rollout) {
    const rows = figuresOf(rollout.lastDecision, rollout.plan?.criteria);
    this.#table.hidden = rows.length === 0;
    this.#none.hidden = rows.length > 0;
    const drawn = JSON.stringify(rows);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#body.replaceChildren(...rows.map(rowElement));
  }
}

function rowElement(row) {
  const [, candidate, control, advance, rollback] = COLUMNS;
  const arms = row.control
    ? [figureCell(row.candidate, candidate), controlCell(row.control, row.candidate, control)]
    : [figureCell(row.candidate, "Both", { colspan: "2", class: "both" })];
  return element(
    "tr",
    { role: "row", "data-tone": row.mark.tone },
    element("th", { role: "rowheader", scope: "row" }, row.name, small(row.more)),
    ...arms,
    cell(advance, { class: "limit" }, row.advance),
    cell(rollback, { class: "limit" }, row.rollback),
    cell(COLUMNS[5], { class: "figure-mark" }, badge(row.mark, "mark-words")),
  );
}

function figureCell({ text, more }, label, attributes = {}, ...notes) {
  return cell(label, attributes, element("span", { class: "figure" }, text), ...more.map(small), ...notes);
}

/** A control that is past the limit, too, says that the fault may not be the candidate's. */
function controlCell(figure, besides, label) {
  const note = figure.over ? [element("span", { class: "over" }, besides.over ? "past the limit, too" : "past the limit")] : [];
  return figureCell(figure, label, {}, ...note);
}

const cell = (label, attributes, ...children) => element("td", { role: "cell", "data-label": label, ...attributes }, ...children);
const small = (text) => (text === "" ? "" : element("small", {}, text));

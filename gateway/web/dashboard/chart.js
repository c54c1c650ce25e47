//! A chart with everything around it: its legend, what the pointer shows, and the same figures as a table. Knows nothing
//! of where they come from.

import { element } from "../app/elements.js";
import { count } from "../rollouts/format.js";
import { setText } from "../rollouts/keyed.js";
import { cost, latency, share } from "./numbers.js";
import { Plot } from "./plot.js";

const WRITE = { count, latency, share, cost };
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** One chart. */
export class Chart {
  #plan;
  #write;
  #plot;
  #drawing = null;
  #labels = [];
  #legend = element("ul", { class: "legend" });
  #canvas = element("div", { class: "plot", role: "img" });
  #none = element("p", { class: "plot-none" }, "Loading…");
  #tip = element("div", { class: "tip", "aria-hidden": "true", hidden: true });
  #table = element("div", { class: "chart-table", role: "region", tabindex: "0" });
  #details = element("details", { class: "as-table" }, element("summary", {}, "As a table"), this.#table);
  root;

  /** @param {{ key: string, title: string, shape: "lines" | "bars", unit: string, note: string, group?: string }} plan */
  constructor(plan) {
    this.#plan = plan;
    this.#write = (value) => (value === null || value === undefined ? "–" : WRITE[plan.unit](value));
    const title = element("h3", { id: `chart-${plan.key}` }, plan.title);
    if (plan.note !== "") title.append(" ", element("small", {}, plan.note));
    this.#canvas.setAttribute("aria-label", `${plan.title}: loading`);
    this.#table.setAttribute("aria-label", `${plan.title} as a table`);
    this.root = element(
      "article",
      { class: "card chart", "aria-labelledby": `chart-${plan.key}` },
      element("div", { class: "chart-head" }, title, this.#legend),
      element("div", { class: "plot-place" }, this.#canvas, this.#none, this.#tip),
      this.#details,
    );
    this.#plot = new Plot(this.#canvas, { group: "history", ...plan }, (slot, left) => this.#showTip(slot, left));
    this.#details.addEventListener("toggle", () => this.#fillTable());
  }

  /**
   * @param {import("./plot.js").Drawing} drawing
   * @param {string} range in words
   */
  draw(drawing, range) {
    this.#drawing = drawing;
    const empty = drawing.series.every(({ values }) => values.every((value) => value === null));
    this.#none.hidden = !empty;
    setText(this.#none, `Nothing in ${range}`);
    this.#plot.draw(drawing);
    this.#showLegend();
    const told = drawing.series.map(({ name }, at) => `${name} ${this.#labels[at].textContent}, highest ${this.#write(highest(drawing.series[at].values))}`);
    this.#canvas.setAttribute("aria-label", `${this.#plan.title} in ${range}: ${empty ? "nothing" : told.join("; ")}`);
    this.#fillTable();
  }

  /** Lines are summed up by their latest value, bars by their sum. */
  #showLegend() {
    const { series } = this.#drawing;
    if (this.#labels.length === 0) {
      this.#labels = series.map(() => element("b"));
      this.#legend.replaceChildren(
        ...series.map(({ name, ink }, at) => element("li", {}, element("i", { "data-ink": ink, "data-shape": this.#plan.shape, "aria-hidden": "true" }), element("span", {}, name), this.#labels[at])),
      );
    }
    series.forEach(({ values }, at) => setText(this.#labels[at], this.#write(this.#plan.shape === "bars" ? sum(values) : latest(values))));
  }

  #showTip(slot, left) {
    const drawing = this.#drawing;
    this.#tip.hidden = slot === null || drawing === null || drawing.times[slot] === undefined;
    if (this.#tip.hidden) return;
    const rows = drawing.series.map(({ name, ink, values }) =>
      element("p", {}, element("i", { "data-ink": ink, "data-shape": this.#plan.shape }), element("span", {}, name), element("b", {}, this.#write(values[slot]))),
    );
    const nothing = drawing.series.every(({ values }) => values[slot] === null);
    this.#tip.replaceChildren(element("p", { class: "tip-when" }, momentOf(drawing, slot)), ...(nothing ? [element("p", {}, "No turns")] : rows));
    const room = this.#canvas.clientWidth;
    const width = this.#tip.offsetWidth;
    this.#tip.style.left = `${Math.max(0, Math.min(room - width, left > room / 2 ? left - width - 12 : left + 12))}px`;
  }

  #fillTable() {
    if (!this.#details.open || this.#drawing === null) return;
    const drawing = this.#drawing;
    const head = element("tr", {}, ...["From", ...drawing.series.map(({ name }) => name)].map((name) => element("th", { scope: "col" }, name)));
    const slots = drawing.times.map((_, slot) => slot).filter((slot) => drawing.series.some(({ values }) => values[slot] !== null));
    const rows = slots.reverse().map((slot) =>
      element("tr", {}, element("th", { scope: "row" }, momentOf(drawing, slot)), ...drawing.series.map(({ values }) => element("td", {}, this.#write(values[slot])))),
    );
    const caption = element("caption", {}, rows.length === 0 ? "Nothing to show." : "Newest first; times without turns are left out.");
    this.#table.replaceChildren(element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...rows)));
  }
}

/** When a slot begins, as exactly as its length asks for. */
function momentOf({ times, from, to, step }, slot) {
  const moment = times[slot] * 1_000;
  if (step < 60) return exact.format(moment);
  return to - from > 86_400 / 2 ? dated.format(moment) : clock.format(moment);
}

const latest = (values) => values.findLast((value) => value !== null) ?? null;
const sum = (values) => values.reduce((all, value) => all + (value ?? 0), 0);
const highest = (values) => values.reduce((most, value) => (value === null ? most : Math.max(most ?? value, value)), null);

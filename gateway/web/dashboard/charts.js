//! All charts: those of the history in the chosen range, and the one that grows while the page looks.

import { Chart } from "./chart.js";
import { CHARTS, slotsOf } from "./series.js";
import { RANGES } from "./words.js";

/** How far back the growing chart reaches, in seconds. */
const SEEN_S = 300;

/** The charts in `place`. */
export class Charts {
  #place;
  #charts = CHARTS.map((plan) => ({ plan, chart: new Chart(plan) }));
  #streams = new Chart({ key: "streams", title: "Active streams", shape: "lines", unit: "count", note: "while this page is open", group: "seen" });
  #seen = new Map();

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
    place.replaceChildren(...this.#charts.map(({ chart }) => chart.root), this.#streams.root);
  }

  /** @param {object} history as the server answers */
  show(history, range) {
    const slots = slotsOf(history);
    this.#place.dataset.range = range;
    for (const { plan, chart } of this.#charts) chart.draw({ ...slots, series: plan.series(slots) }, RANGES.get(range) ?? range);
  }

  /**
   * Adds what was just told.
   * @param {number} now in milliseconds
   * @param {number} active
   */
  grow(now, active) {
    const second = Math.floor(now / 1_000);
    this.#seen.set(second, active);
    for (const at of this.#seen.keys()) if (at < second - SEEN_S) this.#seen.delete(at);
    const times = Array.from({ length: SEEN_S }, (_, at) => second - SEEN_S + 1 + at);
    // Figures come each second, give or take one: only a longer silence is a gap.
    const values = times.map((at) => this.#seen.get(at) ?? this.#seen.get(at - 1) ?? this.#seen.get(at - 2) ?? null);
    this.#streams.draw({ times, from: times[0], to: second + 1, step: 1, series: [{ name: "Active streams", ink: "5", values }] }, "the last 5 minutes");
  }
}

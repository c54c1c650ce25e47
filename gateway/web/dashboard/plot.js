//! Draws series on a canvas and says which slot lies under the pointer. The only file that knows the chart library.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { ink, onOtherInk } from "./ink.js";
import { compact } from "./numbers.js";
import { stacked } from "./series.js";

const DAY = 86_400;
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** How values are written beside the chart; short, for there is little room. */
const ON_AXIS = {
  count: compact,
  cost: compact,
  share: (value) => `${value}%`,
  latency: (value) => (value >= 1_000 ? `${compact(value / 1_000)}s` : `${compact(value)}ms`),
};

/**
 * What is drawn: slots of `step` seconds that begin at `times`, between `from` and `to`.
 * @typedef {{ times: number[], from: number, to: number, step: number, series: import("./series.js").Series[] }} Drawing
 */

/** A canvas that fills `place`. */
export class Plot {
  #place;
  #shape;
  #unit;
  #pointed;
  #group;
  #plot = null;
  #drawing = null;

  /**
   * @param {HTMLElement} place
   * @param {{ shape: "lines" | "bars", unit: string, group: string }} look plots of one group share the pointer's moment
   * @param {(slot: number | null, left: number) => void} pointed what lies under this plot's pointer, and how far from the left
   */
  constructor(place, { shape, unit, group }, pointed) {
    this.#place = place;
    this.#shape = shape;
    this.#unit = unit;
    this.#group = group;
    this.#pointed = pointed;
    new ResizeObserver(() => this.#fit()).observe(place);
    onOtherInk(() => this.#plot?.redraw(false));
  }

  /** @param {Drawing} drawing with as many series as ever */
  draw(drawing) {
    this.#drawing = drawing;
    // A slot is drawn in its middle.
    const times = drawing.times.map((time) => time + drawing.step / 2);
    const rows = drawing.series.map(({ values }) => values);
    // The tallest bar stands behind the others.
    const data = [times, ...(this.#shape === "bars" ? stacked(rows).reverse() : rows)];
    if (this.#plot === null) this.#plot = new uPlot(this.#options(drawing.series), data, this.#place);
    else this.#plot.setData(data);
  }

  #options(series) {
    const { width, height } = this.#size();
    const font = "12px Inter, system-ui, sans-serif";
    const grid = { stroke: () => ink("--line"), width: 1 };
    const axis = { stroke: () => ink("--ink-soft"), font, grid, ticks: { show: false } };
    const write = ON_AXIS[this.#unit];
    const inks = this.#shape === "bars" ? series.toReversed() : series;
    return {
      width,
      height,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { x: true, y: false, drag: { x: false, y: false }, points: this.#shape === "bars" ? { show: false } : { size: 7 }, sync: { key: this.#group } },
      scales: {
        x: { time: true, range: () => [this.#drawing.from, this.#end()] },
        y: { range: (_, __, most) => [0, this.#unit === "share" ? 104 : most > 0 ? most * 1.08 : 1] },
      },
      axes: [
        { ...axis, size: 24, gap: 6, space: 64, grid: { show: false }, values: (_, splits, __, ___, step) => splits.map((at) => momentOf(at, step)) },
        {
          ...axis,
          size: 48,
          space: 34,
          values: (_, splits) => splits.map((value) => write(value)),
          ...(this.#unit === "count" ? { incrs: WHOLE } : {}),
          ...(this.#unit === "share" ? { splits: () => [0, 25, 50, 75, 100] } : {}),
        },
      ],
      series: [{}, ...inks.map((one) => (this.#shape === "bars" ? bars(one) : line(one)))],
      hooks: { setCursor: [(plot) => this.#point(plot)] },
    };
  }

  /** The slot that goes on now is seen whole: its middle may lie ahead. */
  #end() {
    const { times, to, step } = this.#drawing;
    return Math.max(to, (times.at(-1) ?? 0) + step);
  }

  #point({ cursor }) {
    // A shared moment comes without an event: the pointer is over another plot.
    const here = cursor.event != null && cursor.left >= 0 && cursor.idx != null;
    this.#pointed(here ? cursor.idx : null, here ? cursor.left + this.#plot.over.offsetLeft : 0);
  }

  #fit() {
    const size = this.#size();
    if (this.#plot === null || size.width === 0) return;
    if (size.width !== this.#plot.width || size.height !== this.#plot.height) this.#plot.setSize(size);
  }

  #size() {
    return { width: this.#place.clientWidth, height: this.#place.clientHeight };
  }
}

const line = ({ ink: name }) => ({
  stroke: () => ink(`--ink-${name}`),
  width: name === "2" ? 2.25 : 1.5,
  dash: name === "3" ? [5, 4] : undefined,
  points: { show: () => false, filter: lonely, size: 5, fill: () => ink(`--ink-${name}`) },
});

const bars = ({ ink: name }) => ({
  fill: () => ink(`--ink-${name}`),
  stroke: () => ink(`--ink-${name}`),
  width: 0,
  paths: uPlot.paths.bars({ size: [0.8, 48] }),
  points: { show: () => false, filter: () => null },
});

/** Values between two gaps, which no line reaches. */
function lonely(plot, series) {
  const values = plot.data[series];
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] != null && values[at - 1] == null && values[at + 1] == null) found.push(at);
  }
  return found.length > 0 ? found : null;
}

function momentOf(at, step) {
  const moment = new Date(at * 1_000);
  const midnight = moment.getHours() === 0 && moment.getMinutes() === 0;
  return step >= DAY || midnight ? day.format(moment) : hour.format(moment);
}

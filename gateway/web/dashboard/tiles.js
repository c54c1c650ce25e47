//! The few figures that an operator looks at first, large. Knows nothing of the server.

import { element } from "../app/elements.js";
import { NOTHING, count } from "../rollouts/format.js";
import { setText } from "../rollouts/keyed.js";
import { KINDS, cost, frequency, hitRateOf, latency, number, percentileOf, share, successRateOf, tokensOf } from "./numbers.js";
import { nameOf } from "./words.js";

/** A space that no line ends at. */
const TIED = "\u00a0";

/**
 * Each figure: what it is called, what it reads, and what stands below it.
 * @type {[name: string, of: (told: { summary: object, snapshot: object, total: object }) => [value: string, more: string]][]}
 */
const TILES = [
  [
    "Success rate",
    ({ summary, total }) => [
      successRateOf(total) === null ? NOTHING : share(summary.successRate),
      `${count(number(total.failures))} failed, ${count(number(total.cancelled))} cancelled`,
    ],
  ],
  ["Active streams", ({ summary, snapshot }) => [count(summary.activeStreams), `${count(number(snapshot.activeSessions))} sessions`]],
  ["Requests", ({ summary, snapshot, total }) => [count(summary.totalRequests), requestsMore(summary, snapshot, total)]],
  ["Errors", ({ summary, total }) => [count(summary.errorCount), kindsOf(total.errors)]],
  ["Cost", ({ total }) => [cost(number(total.cost)), `${count(tokensOf(total))} tokens`]],
  ["First token p95", ({ total }) => percentiles(total.firstToken)],
  ["First audio p95", ({ total }) => percentiles(total.firstAudio)],
  ["Complete p95", ({ total }) => percentiles(total.complete)],
  ["Knowledge cache", ({ summary, total }) => cache(summary.cacheHitRate?.kb, total.knowledge)],
  ["Speech cache", ({ summary, total }) => cache(summary.cacheHitRate?.tts, total.speech)],
];

/** Shows the figures in `place`, a `<dl>`. */
export class Tiles {
  #tiles;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#tiles = TILES.map(([name, read]) => {
      const value = element("dd", { class: "tile-value" }, NOTHING);
      const more = element("dd", { class: "tile-more" });
      place.append(element("div", { class: "tile" }, element("dt", {}, name), value, more));
      return { read, value, more };
    });
  }

  update({ summary, snapshot }) {
    const told = { summary: Object(summary), snapshot: Object(snapshot), total: Object(snapshot?.total) };
    for (const { read, value, more } of this.#tiles) {
      const [figure, words] = read(told);
      setText(value, figure);
      setText(more, words);
    }
  }
}

function requestsMore({ totalRequests }, { from, to }, { refused }) {
  const minutes = (Date.parse(to) - Date.parse(from)) / 60_000;
  const pace = minutes > 0 ? `${frequency(number(totalRequests) / minutes)} a minute` : "";
  return number(refused) > 0 ? `${pace}, ${count(refused)} turned away` : pace;
}

function percentiles(measured) {
  const [p50, p95, p99] = ["p50", "p95", "p99"].map((name) => latency(percentileOf(measured, name)));
  return [p95, `p50${TIED}${p50}, p99${TIED}${p99}`];
}

function cache(rate, looks) {
  const known = hitRateOf(looks) !== null;
  return [known ? share(rate) : NOTHING, known ? `${count(looks.hits)} of ${count(number(looks.hits) + number(looks.misses))}` : "not asked"];
}

/** The kinds with most errors, as far as there is room. */
function kindsOf(errors) {
  const some = KINDS.map((kind) => [nameOf(kind), number(errors?.[kind])]).filter(([, many]) => many > 0);
  some.sort(([, one], [, other]) => other - one);
  return some.length === 0 ? "none" : some.slice(0, 2).map(([name, many]) => `${name}${TIED}${count(many)}`).join(", ");
}

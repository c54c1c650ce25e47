//! Errors by kind, and the figures that have no tile and no chart. Knows nothing of the server.

import { element } from "../app/elements.js";
import { count, duration, time, instant } from "../rollouts/format.js";
import { now } from "../rollouts/clock.js";
import { setText } from "../rollouts/keyed.js";
import { KINDS, cost, errorsOf, latency, number, percentileOf } from "./numbers.js";
import { nameOf } from "./words.js";

/** @type {[name: string, of: (figures: object, snapshot: object) => string][]} */
const COUNTS = [
  ["Prompt tokens", ({ promptTokens }) => count(number(promptTokens))],
  ["Completion tokens", ({ completionTokens }) => count(number(completionTokens))],
  ["Cost", ({ cost: spent }) => cost(number(spent))],
  ["Words", ({ words }) => count(number(words))],
  ["Sentences", ({ sentences }) => count(number(sentences))],
  ["Characters", ({ characters }) => count(number(characters))],
  ["Sounds", ({ audioChunks }) => count(number(audioChunks))],
  ["Critical errors", ({ critical }) => count(number(critical))],
  ["Turned away", ({ refused }) => count(number(refused))],
  ["Model asked again", ({ retries }) => count(number(retries))],
  ["Other model answered", ({ fallbacks }) => count(number(fallbacks))],
  ["Between tokens, p95", ({ gap }) => latency(percentileOf(gap, "p95"))],
  ["Before a turn starts, p95", ({ queued }) => latency(percentileOf(queued, "p95"))],
  ["Records lost", ({ dropped }) => count(number(dropped))],
  ["Sessions in all", (_, { totalSessions }) => count(number(totalSessions))],
  ["Up for", (_, { uptimeSeconds }) => duration(number(uptimeSeconds))],
  ["Counted since", (_, { countingSince }) => time(instant(countingSince), now())],
];

/** Shows errors in one `<ul>` and counts in a `<dl>`. */
export class Counts {
  #kinds;
  #counts;

  /** @param {{ errors: HTMLElement, counts: HTMLElement }} places */
  constructor({ errors, counts }) {
    this.#kinds = KINDS.map((kind) => {
      const value = element("b", {}, "–");
      const filled = element("i");
      errors.append(element("li", {}, element("span", {}, nameOf(kind)), element("span", { class: "portion", "aria-hidden": "true" }, filled), value));
      return { kind, value, filled };
    });
    this.#counts = COUNTS.map(([name, read]) => {
      const value = element("dd", {}, "–");
      counts.append(element("div", {}, element("dt", {}, name), value));
      return { read, value };
    });
  }

  update(snapshot) {
    const total = Object(snapshot?.total);
    const all = errorsOf(total);
    for (const { kind, value, filled } of this.#kinds) {
      const many = number(total.errors?.[kind]);
      setText(value, count(many));
      filled.style.width = `${all > 0 ? (many / all) * 100 : 0}%`;
    }
    for (const { read, value } of this.#counts) setText(value, read(total, Object(snapshot)));
  }
}

//! What is being rolled out, in one line each, with the way to the page that can stop it. Knows nothing of the server.

import { element } from "../app/elements.js";
import { badge, renew } from "../rollouts/badge.js";
import { now } from "../rollouts/clock.js";
import { instant, percent } from "../rollouts/format.js";
import { healthOf } from "../rollouts/health.js";
import { KeyedList, setText } from "../rollouts/keyed.js";
import { hasEnded, lookOfState } from "../rollouts/words.js";

/** One that ended is still news for so long, in milliseconds. */
const NEWS_MS = 86_400_000;

/** Shows rollouts in `places.rows`. */
export class RolloutsView {
  #none;
  #rows;

  /** @param {{ rows: HTMLElement, none: HTMLElement }} places */
  constructor({ rows, none }) {
    this.#none = none;
    this.#rows = new KeyedList(rows, ({ id }) => String(id), () => new Row());
  }

  /** @param {readonly object[]} rollouts newest first */
  update(rollouts) {
    const shown = rollouts.filter((rollout) => !hasEnded(rollout) || instant(rollout.endedAt) > now() - NEWS_MS);
    shown.sort((one, other) => Number(hasEnded(one)) - Number(hasEnded(other)));
    this.#none.hidden = shown.length > 0;
    this.#rows.update(shown);
  }

  /**
   * In one line each, for the top of the page.
   * @param {readonly object[]} rollouts
   */
  factsOf(rollouts) {
    return rollouts
      .filter((rollout) => !hasEnded(rollout))
      .map((rollout) => {
        const { icon, tone } = rollout.stalled ? { icon: "warn", tone: "warn" } : healthOf(rollout);
        return { key: `rollout ${rollout.id}`, words: `${rollout.flag} at ${percent(rollout.percentage)}`, look: { icon, tone }, href: "#rollouts" };
      });
  }
}

class Row {
  root = element("li");
  #link = element("a", { class: "row" });
  #flag = element("span", { class: "row-flag" });
  #percentage = element("span", { class: "row-percentage" });
  #candidate = element("span", { class: "row-candidate" });
  #health = element("span", { class: "row-health" });
  #state = badge({ words: "", icon: "none", tone: "calm" });

  constructor() {
    this.#link.append(
      element("span", { class: "row-line" }, this.#flag, this.#percentage),
      element("span", { class: "row-line" }, this.#candidate, element("span", { class: "row-state" }, this.#state)),
      this.#health,
    );
    this.root.append(this.#link);
  }

  update(rollout) {
    this.#link.setAttribute("href", `rollouts#${encodeURIComponent(rollout.id)}`);
    setText(this.#flag, String(rollout.flag));
    setText(this.#percentage, percent(rollout.percentage));
    setText(this.#candidate, String(rollout.candidate));
    setText(this.#health, healthOf(rollout).words);
    const stalled = rollout.stalled && !hasEnded(rollout);
    this.#state = renew(this.#state, stalled ? { words: "Stalled", icon: "warn", tone: "warn" } : lookOfState(rollout.state));
  }
}

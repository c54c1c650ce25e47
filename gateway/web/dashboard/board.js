//! The page of someone who is signed in: follows the figures live, asks for the rest now and then, and does what its
//! buttons say. Leaves looks to the views and words to the pure files.

import { now } from "../rollouts/clock.js";
import { percent, time } from "../rollouts/format.js";
import { Following, objectOf } from "../rollouts/following.js";
import { renewAges } from "../rollouts/moments.js";
import { showLines } from "../rollouts/refusal_text.js";
import { Refusal } from "../rollouts/asking.js";
import { urgent } from "./alerts_view.js";
import { number } from "./numbers.js";
import { Poll } from "./poll.js";
import { WINDOWS, lookOfHealth, spelled } from "./words.js";

/** Figures come each second: after this silence nobody is there. */
const SILENCE_LIMIT_MS = 6_000;
const ALERTS_MS = 5_000;
const GROUPS_MS = 5_000;
const ROLLOUTS_MS = 10_000;
/** A minute is told when it is over; wider steps move slowly. */
const HISTORY_MS = new Map([["1h", 10_000]]);
const SLOW_HISTORY_MS = 60_000;
const HOUR_S = 3_600;

/**
 * @typedef {{ health: import("./health_view.js").HealthView, tiles: import("./tiles.js").Tiles,
 *   alerts: import("./alerts_view.js").AlertsView, charts: import("./charts.js").Charts,
 *   counts: import("./counts.js").Counts, breakdown: import("./breakdown.js").Breakdown,
 *   sources: import("./sources_view.js").SourcesView, rollouts: import("./rollouts_view.js").RolloutsView,
 *   events: import("./events_view.js").EventsView, link: import("../rollouts/link.js").Link,
 *   announcer: import("../app/announcer.js").Announcer, reason: import("../rollouts/reason_dialog.js").ReasonDialog,
 *   stale: HTMLElement, quiet: HTMLElement, place: HTMLElement,
 *   problems: Record<"alerts" | "history" | "groups" | "rollouts" | "action", HTMLElement> }} Parts
 */

/** What administrators see. */
export class Board {
  #api;
  #parts;
  #address;
  #turnedAway;
  #following = null;
  #polls;
  #timer;
  #paused = false;
  #cut = "";
  #heardAt = 0;
  #health = "";
  #firing = new Map();
  #rollouts = [];
  #snapshot = null;

  /**
   * @param {import("./api.js").Api} api
   * @param {Parts} parts
   * @param {import("./address.js").Address} address
   * @param {(refusal: Refusal | null) => void} turnedAway the server wants to know again who asks; null: someone wants to
   *   do something meanwhile
   */
  constructor(api, parts, address, turnedAway) {
    this.#api = api;
    this.#parts = parts;
    this.#address = address;
    this.#turnedAway = turnedAway;
    this.#begin();
  }

  #begin() {
    const [api, parts, address] = [this.#api, this.#parts, this.#address];
    this.#polls = {
      alerts: this.#poll("alerts", () => api.alerts(), (told) => this.#showAlerts(told), () => ALERTS_MS),
      history: this.#poll(
        "history",
        async () => ({ range: address.get("range"), history: await api.history(address.get("range")) }),
        ({ history, range }) => parts.charts.show(history, range),
        () => HISTORY_MS.get(address.get("range")) ?? SLOW_HISTORY_MS,
      ),
      groups: this.#poll(
        "groups",
        async () => ({ by: address.get("by"), window: address.get("window"), snapshot: await api.figures(address.get("window"), address.get("by")) }),
        ({ snapshot, by, window }) => parts.breakdown.update(snapshot, by.slice(0, 1).toUpperCase() + by.slice(1), WINDOWS.get(window)),
        () => GROUPS_MS,
      ),
      rollouts: this.#poll("rollouts", () => api.rollouts(), (told) => this.#showRollouts(told), () => ROLLOUTS_MS),
    };
    this.#timer = setInterval(() => {
      if (document.hidden) return;
      renewAges();
      parts.health.tick();
    }, 1_000);
    parts.link.state = "connecting";
    this.#follow();
  }

  /** Another window, range or dimension was chosen. */
  chosen(name) {
    if (this.#paused) return;
    if (name === "window") this.#follow();
    if (name === "window" || name === "by") void this.#polls.groups.now();
    if (name === "range") void this.#polls.history.now();
  }

  /** Tries again at once what waits for its next attempt. */
  hurry() {
    if (this.#paused) return;
    this.#following?.hurry();
    for (const poll of Object.values(this.#polls)) void poll.now();
  }

  /** Someone wants quiet for an hour. @param {string} alert empty: all of them */
  silence(alert) {
    if (this.#asksWho()) return;
    const what = alert === "" ? "all alerts" : spelled(alert);
    this.#parts.reason.ask({
      title: `Silence ${what} for 1 h?`,
      consequences: [alert === "" ? "Nobody is told of any alert for an hour. This page goes on showing them." : "Nobody is told of it for an hour. This page goes on showing it."],
      confirm: "Silence for 1 h",
      danger: alert === "",
      send: (reason) =>
        this.#doing(async () => {
          await this.#api.silence({ alert, seconds: HOUR_S, reason });
          this.#parts.announcer.say(`Silenced ${what} for 1 hour.`);
        }),
    });
  }

  /** Someone wants to hear of alerts again. */
  async lift(silence) {
    if (this.#asksWho()) return;
    await this.#trying(async () => {
      await this.#api.lift(silence.id);
      this.#parts.announcer.say("The silence is lifted.");
    });
  }

  /** Someone wants to know whether alerts arrive. */
  async test() {
    if (this.#asksWho()) return;
    const { alerts } = this.#parts;
    alerts.tested(null);
    await this.#trying(async () => alerts.tested(await this.#api.test()), () => alerts.forgetTest());
  }

  /** Someone reads an audit log. @returns {Promise<object | null>} null when somebody has to sign in first */
  async audit(source, before, limit) {
    if (this.#asksWho()) return null;
    try {
      return await this.#api.audit(source, before, limit);
    } catch (error) {
      if (!(error instanceof Refusal) || !error.needsSignIn) throw error;
      this.#turnedAway(error);
      return null;
    }
  }

  /** The server answers nobody for now: what is on the page stays, as it was last heard, and so does what was entered. */
  pause() {
    this.#paused = true;
    this.end();
    this.#parts.reason.interrupt();
    this.#cut = "Sign in again.";
    this.#showStale();
  }

  /** Goes on with what is on the page. @param {import("./api.js").Api} api */
  resume(api) {
    this.#api = api;
    this.#paused = false;
    this.#begin();
    this.#parts.reason.resume();
  }

  /** Asks the server nothing any more. */
  end() {
    clearInterval(this.#timer);
    this.#following?.end();
    for (const poll of Object.values(this.#polls)) poll.end();
    this.#api.leave();
  }

  #follow() {
    this.#following?.end();
    const window = this.#address.get("window");
    let first = true;
    this.#following = new Following((signal) => this.#open(window, signal, () => (first = true)), {
      event: (event) => {
        if (event.type === "error") throw new Refusal({ status: 0, message: objectOf(event)?.message ?? "The server told of an error." });
        const told = event.type === "figures" ? objectOf(event) : null;
        if (told === null) return true;
        this.#show(told, first, window);
        first = false;
        return true;
      },
      live: () => {},
      cut: (refusal) => {
        this.#cut = refusal.lines.join(" ");
        this.#showStale();
      },
      refused: (refusal) => {
        if (refusal.needsSignIn) {
          this.#turnedAway(refusal);
          return;
        }
        this.#cut = refusal.lines.join(" ");
        this.#showStale();
      },
    }, { silence: SILENCE_LIMIT_MS, eventsAlone: true });
  }

  /** The first events of each stream are the newest there are; the next ones are those since. */
  #open(window, signal, opened) {
    opened();
    return this.#api.live(window, signal);
  }

  #show({ summary, snapshot, health, events }, first, window) {
    const parts = this.#parts;
    const back = this.#cut !== "";
    this.#cut = "";
    this.#heardAt = now();
    this.#snapshot = snapshot;
    parts.tiles.update({ summary, snapshot });
    parts.counts.update(snapshot);
    parts.sources.update(snapshot);
    parts.charts.grow(this.#heardAt, number(summary?.activeStreams));
    parts.events.add(Array.isArray(events) ? events : [], first);
    parts.health.update(Object(health));
    parts.quiet.textContent = number(summary?.totalRequests) === 0 ? `No turns in ${WINDOWS.get(window)}.` : "";
    parts.place.dataset.loaded = "true";
    this.#sayHealth(Object(health), summary);
    this.#showFacts();
    this.#showStale();
    if (back) for (const poll of Object.values(this.#polls)) void poll.now();
  }

  #sayHealth({ status }, summary) {
    const { words } = lookOfHealth(status);
    if (this.#health !== "" && this.#health !== words) this.#parts.announcer.say(`Health: ${words.toLowerCase()}.`);
    this.#health = words;
    const rate = number(summary?.totalRequests) > 0 ? ` · ${percent(Math.round(number(summary.successRate) * 100) / 100)}` : "";
    document.title = `${words}${rate} – troika`;
  }

  #showAlerts(told) {
    this.#parts.alerts.update(told);
    const firing = new Map(urgent(told.alerts).map((alert) => [alert.name, alert]));
    for (const [name, { severity }] of firing) {
      if (!this.#firing.has(name)) this.#parts.announcer.say(`Alert, ${severity}: ${spelled(name)}.`);
    }
    this.#firing = firing;
  }

  #showRollouts(rollouts) {
    this.#rollouts = rollouts;
    this.#parts.rollouts.update(rollouts);
    this.#showFacts();
  }

  #showFacts() {
    if (this.#snapshot === null) return;
    this.#parts.health.facts = [...this.#parts.sources.factsOf(this.#snapshot), ...this.#parts.rollouts.factsOf(this.#rollouts)];
  }

  /** Says since when what is shown is not what is, and why. */
  #showStale() {
    const { stale, place, link, health } = this.#parts;
    const cut = this.#cut !== "";
    place.dataset.stale = String(cut);
    if (!this.#paused) link.state = cut ? "cut" : this.#heardAt === 0 ? "connecting" : "live";
    if (cut) {
      health.lost();
      document.title = "Not live – troika";
      for (const problem of [this.#parts.problems.alerts, this.#parts.problems.history, this.#parts.problems.groups]) showLines(problem, []);
    }
    const since = this.#heardAt === 0 ? "No figures yet." : `Not live since ${time(this.#heardAt, now())}; figures are as of then.`;
    showLines(stale, cut ? [`${since} ${this.#cut}`] : []);
  }

  #poll(name, ask, told, every) {
    const problem = this.#parts.problems[name];
    return new Poll(
      ask,
      {
        told: (answer) => {
          showLines(problem, []);
          told(answer);
        },
        failed: (refusal) => {
          if (!(refusal instanceof Refusal)) throw refusal;
          if (refusal.needsSignIn) this.#turnedAway(refusal);
          // While nothing is live, one line says why for all that the same role tells.
          else if (this.#cut === "" || name === "rollouts") showLines(problem, refusal.lines);
        },
      },
      every,
    );
  }

  /** Whether somebody has to sign in before anything can be done; asks for it. */
  #asksWho() {
    if (this.#paused) this.#turnedAway(null);
    return this.#paused;
  }

  /** Does something that changes the server; throws what it refuses. */
  async #doing(change) {
    try {
      await change();
    } catch (error) {
      if (!(error instanceof Refusal) || !error.needsSignIn) throw error;
      this.#turnedAway(error);
      return;
    }
    void this.#polls.alerts.now();
  }

  /** As `#doing`, where no dialog says what was refused. */
  async #trying(change, failed = () => {}) {
    const { action } = this.#parts.problems;
    showLines(action, []);
    try {
      await this.#doing(change);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed();
      if (!this.#paused) showLines(action, error.lines);
    }
  }
}

//! Alerts and silences: what fires, since when, who is told, and who keeps quiet about what. Knows nothing of the server.

import { button, element } from "../app/elements.js";
import { badge, renew } from "../rollouts/badge.js";
import { now } from "../rollouts/clock.js";
import { instant, time } from "../rollouts/format.js";
import { KeyedList, setText } from "../rollouts/keyed.js";
import { since } from "../rollouts/moments.js";
import { authorOf, sentence } from "../rollouts/words.js";
import { plain } from "./numbers.js";
import { lookOfAlert, spelled } from "./words.js";

const ORDER = ["firing critical", "firing warning", "firing", "pending", "resolved"];
const rankOf = ({ state, severity }) => {
  const rank = ORDER.indexOf(`${state} ${severity}`);
  return rank < 0 ? ORDER.findIndex((name) => name === state) : rank;
};

/** What fires and is not silenced: what someone must look at. */
export const urgent = (alerts) => alerts.filter(({ state, silenced }) => state === "firing" && !silenced);

/** Shows alerts. */
export class AlertsView {
  #places;
  #active;
  #resolved;
  #silences;

  /**
   * @param {{ active: HTMLElement, none: HTMLElement, earlier: HTMLDetailsElement, count: HTMLElement,
   *   resolved: HTMLElement, silences: HTMLElement, deliveries: HTMLElement }} places
   * @param {{ silence: (alert: string) => void, lift: (silence: object) => void }} actions
   */
  constructor(places, { silence, lift }) {
    this.#places = places;
    this.#active = new KeyedList(places.active, ({ name }) => String(name), () => new Alert(silence));
    this.#resolved = new KeyedList(places.resolved, ({ name }) => String(name), () => new Alert(null));
    this.#silences = new KeyedList(places.silences, ({ id }) => String(id), () => new Silence(lift));
  }

  /** @param {{ alerts: readonly object[], silences: readonly object[] }} told */
  update({ alerts, silences }) {
    const { none, earlier, count } = this.#places;
    const active = alerts.filter(({ state }) => state !== "resolved");
    const resolved = alerts.filter(({ state }) => state === "resolved");
    active.sort((one, other) => rankOf(one) - rankOf(other) || instant(other.since) - instant(one.since));
    this.#active.update(active);
    this.#resolved.update(resolved);
    this.#silences.update(silences.filter(({ until }) => !(instant(until) < now())));
    none.hidden = active.length > 0;
    earlier.hidden = resolved.length === 0;
    setText(count, String(resolved.length));
  }

  /** @param {readonly object[]} deliveries what became of a test; null while it is under way */
  tested(deliveries) {
    const { deliveries: place } = this.#places;
    const lines =
      deliveries === null
        ? [element("li", {}, "Sending a test…")]
        : deliveries.map(({ receiver, delivered, problem }) =>
            element("li", {}, badge(delivered ? { words: "Delivered", icon: "good", tone: "good" } : { words: "Failed", icon: "bad", tone: "bad" }), element("span", {}, [receiver, problem].filter(Boolean).join(": "))),
          );
    if (lines.length === 0) lines.push(element("li", {}, "There is no receiver to send a test to."));
    place.hidden = false;
    place.replaceChildren(...lines);
  }

  /** The test could not be made. */
  forgetTest() {
    this.#places.deliveries.hidden = true;
  }
}

class Alert {
  root = element("li", { class: "alert" });
  #look = badge({ words: "", icon: "none", tone: "calm" });
  #name = element("h3");
  #when = element("span", { class: "soft alert-when" });
  #summary = element("p");
  #figures = element("p", { class: "soft" });
  #button = null;
  #alert = null;

  constructor(silence) {
    this.root.append(element("div", { class: "alert-top" }, this.#look, this.#name, this.#when), this.#summary, this.#figures);
    if (silence === null) return;
    this.#button = button("small", "silent", "Silence for 1 h", () => silence(String(this.#alert.name)));
    this.root.append(this.#button);
  }

  update(alert) {
    if (this.#alert?.since !== alert.since) this.#when.replaceChildren(since(alert.since));
    this.#alert = alert;
    this.#look = renew(this.#look, lookOfAlert(alert));
    this.root.dataset.tone = alert.silenced ? "calm" : this.#look.dataset.tone;
    setText(this.#name, spelled(alert.name));
    setText(this.#summary, sentence(alert.summary));
    setText(this.#figures, [`${plain(alert.value)}, limit ${plain(alert.threshold)}`, toldOf(alert)].filter((part) => part !== "").join(" · "));
    if (this.#button === null) return;
    this.#button.hidden = alert.silenced === true;
    const label = `Silence for 1 h: ${spelled(alert.name)}`;
    if (this.#button.getAttribute("aria-label") !== label) this.#button.setAttribute("aria-label", label);
  }
}

function toldOf({ state, silenced, sentAt }) {
  if (silenced) return "silenced";
  if (state !== "firing") return "";
  const at = instant(sentAt);
  return Number.isNaN(at) ? "nobody told yet" : `told at ${time(at, now())}`;
}

class Silence {
  root = element("li", { class: "silence" });
  #words = element("span");
  #lift;
  #silence = null;

  constructor(lift) {
    this.#lift = button("small", "sound", "Lift", () => lift(this.#silence));
    this.root.append(this.#words, this.#lift);
  }

  update(silence) {
    this.#silence = silence;
    const what = silence.alert ? spelled(silence.alert) : "All alerts";
    setText(this.#words, `${what} silent until ${time(instant(silence.until), now())}, by ${authorOf(silence.author)}: ${silence.reason ?? ""}`);
    this.#lift.setAttribute("aria-label", `Lift the silence of ${what}`);
  }
}

//! The newest turns: what became of each. Can be held still to be read. Knows nothing of the server.

import { element } from "../app/elements.js";
import { badge } from "../rollouts/badge.js";
import { count } from "../rollouts/format.js";
import { KeyedList, setText } from "../rollouts/keyed.js";
import { timeOfDay } from "../rollouts/moments.js";
import { latency, number } from "./numbers.js";
import { lookOfEvent, nameOf, spelled } from "./words.js";

/** How many are shown at most. */
const SHOWN = 50;

/** Shows events in `places.rows`. */
export class EventsView {
  #places;
  #list;
  #events = [];
  #shown = [];
  #next = 0;

  /** @param {{ rows: HTMLElement, none: HTMLElement, errors: HTMLInputElement, hold: HTMLInputElement, waiting: HTMLElement }} places */
  constructor(places) {
    this.#places = places;
    this.#list = new KeyedList(places.rows, ({ id }) => id, (event) => new Row(event));
    places.errors.addEventListener("change", () => this.#show());
    places.hold.addEventListener("change", () => this.#show());
  }

  /**
   * @param {readonly object[]} events the youngest first
   * @param {boolean} all whether these are the newest there are, instead of those since the last time
   */
  add(events, all) {
    if (events.length === 0 && !all) return;
    const fresh = events.filter((event) => event !== null && typeof event === "object").map((event) => this.#numbered(event, all));
    // Errors are kept longer than what goes well: under load they would be gone before they are read.
    const known = [...fresh, ...(all ? [] : this.#events)];
    const errors = known.filter(isError).slice(0, SHOWN);
    this.#events = known.filter((event, at) => at < SHOWN || errors.includes(event));
    this.#show();
  }

  /** What is told again keeps its number, and with it its place on the page. */
  #numbered(event, all) {
    const same = all ? this.#events.find((known) => sameEvent(known.event, event)) : undefined;
    return { id: same?.id ?? String(this.#next++), event };
  }

  #show() {
    const { none, errors, hold, waiting } = this.#places;
    const wanted = errors.checked ? this.#events.filter(isError) : this.#events;
    const newest = wanted.slice(0, SHOWN);
    const missing = hold.checked ? newest.filter(({ id }) => !this.#shown.includes(id)).length : 0;
    setText(waiting, hold.checked ? `${missing} new` : "");
    if (hold.checked && this.#shown.length > 0) return;
    this.#shown = newest.map(({ id }) => id);
    this.#list.update(newest);
    none.hidden = newest.length > 0;
    setText(none, errors.checked ? "No errors among the newest turns." : "No turns yet.");
  }
}

const isError = ({ event }) => event.type === "error";
const sameEvent = (one, other) => JSON.stringify(one) === JSON.stringify(other);

class Row {
  root = element("li", { class: "event" });

  /** An event never changes: it is drawn once. */
  constructor({ event }) {
    const error = event.type === "error";
    const words = error ? errorWords(event) : turnWords(Object(event.data));
    this.root.append(timeOfDay(event.timestamp), badge(lookOfEvent(event.type), "badge event-type"), element("span", { class: "event-words" }, words), element("span", { class: "event-who" }, error ? "" : whoWords(Object(event.data))));
  }

  update() {}
}

function errorWords({ errorType, code, message }) {
  const kind = nameOf(errorType ?? "other");
  const why = typeof message === "string" && message.trim() !== "" ? message.trim() : "";
  const name = code ? spelled(code) : "";
  return [kind, name, why === name || why === code ? "" : why].filter((part) => part !== "").join(": ");
}

function turnWords({ firstTokenLatency, firstAudioLatency, duration, wordCount, audioChunks }) {
  const parts = [];
  if (typeof firstTokenLatency === "number") parts.push(`first token ${latency(firstTokenLatency)}`);
  if (typeof firstAudioLatency === "number") parts.push(`first audio ${latency(firstAudioLatency)}`);
  if (typeof duration === "number") parts.push(`complete ${latency(duration)}`);
  if (number(wordCount) > 0) parts.push(wordCount === 1 ? "1 word" : `${count(wordCount)} words`);
  if (number(audioChunks) > 0) parts.push(audioChunks === 1 ? "1 sound" : `${count(audioChunks)} sounds`);
  return parts.join(", ");
}

function whoWords({ chatbotId, turnId }) {
  const parts = [];
  if (chatbotId) parts.push(`bot ${chatbotId}`);
  if (turnId) parts.push(`turn ${turnId}`);
  return parts.join(", ");
}

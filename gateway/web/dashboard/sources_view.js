//! The processes: who is there, what each needs and whether it has it, and who has fallen silent. Knows nothing of the
//! server.

import { element } from "../app/elements.js";
import { badge } from "../rollouts/badge.js";
import { now } from "../rollouts/clock.js";
import { count, instant, time } from "../rollouts/format.js";
import { KeyedList, setText } from "../rollouts/keyed.js";
import { since } from "../rollouts/moments.js";
import { number } from "./numbers.js";
import { lookOfBreaker, lookOfDependency, nameOf, spelled } from "./words.js";

/** How long one that has fallen silent is remembered, in milliseconds. */
const REMEMBERED_MS = 600_000;
/** A process that takes another's place may be there so long before the other leaves. */
const OVERLAP_MS = 120_000;

/** Shows processes in `places.rows`. */
export class SourcesView {
  #none;
  #rows;
  #heard = new Map();

  /** @param {{ rows: HTMLElement, none: HTMLElement }} places */
  constructor({ rows, none }) {
    this.#none = none;
    this.#rows = new KeyedList(rows, ({ name }) => String(name), () => new Process());
  }

  /** @param {object} snapshot */
  update(snapshot) {
    const moment = now();
    const present = sourcesOf(snapshot);
    for (const source of present) this.#heard.set(source.name, { source, at: moment });
    for (const [name, { at }] of this.#heard) if (at < moment - REMEMBERED_MS) this.#heard.delete(name);
    for (const name of replaced(this.#heard, present)) this.#heard.delete(name);
    const all = [...this.#heard.values()].map(({ source, at }) => ({ ...source, silentSince: at < moment ? at : null }));
    all.sort((one, other) => Number(other.silentSince !== null) - Number(one.silentSince !== null) || compare(one.role, other.role) || compare(one.name, other.name));
    this.#none.hidden = all.length > 0;
    this.#rows.update(all);
  }

  /**
   * In one line each, for the top of the page.
   * @param {object} snapshot
   */
  factsOf(snapshot) {
    const present = sourcesOf(snapshot);
    const gone = [...this.#heard.keys()].filter((name) => !present.some((source) => source.name === name));
    const down = unique(present.flatMap(({ dependencies }) => items(dependencies).filter(({ state }) => state === "down")));
    const breakers = present.flatMap((source) => items(source.breakers));
    const tripped = unique(breakers.filter(({ state }) => state !== "closed"));
    const facts = [
      gone.length > 0
        ? { key: "processes", words: `${gone.length} of ${gone.length + present.length} processes not heard`, look: { icon: "bad", tone: "bad" } }
        : { key: "processes", words: present.length === 1 ? "1 process" : `${present.length} processes`, look: present.length === 0 ? { icon: "unsure", tone: "warn" } : { icon: "good", tone: "good" } },
      ...down.map((name) => ({ key: `down ${name}`, words: `${nameOf(name)} is down`, look: { icon: "bad", tone: "bad" } })),
      tripped.length > 0
        ? { key: "breakers", words: `Breaker of ${tripped.map(nameOf).join(", ")} not closed`, look: { icon: "bad", tone: "bad" } }
        : { key: "breakers", words: breakers.length === 0 ? "No breakers" : "Breakers closed", look: { icon: breakers.length === 0 ? "none" : "good", tone: breakers.length === 0 ? "calm" : "good" } },
    ];
    return facts.map((fact) => ({ ...fact, href: "#processes" }));
  }
}

/** Those that fell silent because others took their places, such as in a release: nobody misses them. */
function replaced(heard, present) {
  const silent = [...heard.entries()].filter(([name]) => !present.some((source) => source.name === name));
  const places = new Set(present);
  return silent
    .filter(([, { source, at }]) => {
      const next = [...places].find(({ role, startedAt }) => role === source.role && instant(startedAt) > Math.max(at - OVERLAP_MS, instant(source.startedAt)));
      return places.delete(next);
    })
    .map(([name]) => name);
}

const items = (list) => (Array.isArray(list) ? list.filter((item) => item !== null && typeof item === "object") : []);
const sourcesOf = (snapshot) => items(snapshot?.sources);
const unique = (found) => [...new Set(found.map(({ name }) => String(name)))];
const compare = (one, other) => String(one).localeCompare(String(other));

class Process {
  root = element("li", { class: "process" });
  #role = element("h3");
  #name = element("span", { class: "soft process-name" });
  #streams = element("span", { class: "process-streams" });
  #up = element("p", { class: "soft" });
  #needs = element("ul", { class: "parts" });
  #drawn = "";

  constructor() {
    this.root.append(element("div", { class: "process-top" }, this.#role, this.#streams), this.#name, this.#up, this.#needs);
  }

  update({ role, name, version, startedAt, activeStreams, dependencies, breakers, silentSince }) {
    const drawn = JSON.stringify([role, name, version, startedAt, dependencies, breakers, silentSince]);
    setText(this.#streams, silentSince === null ? `${count(number(activeStreams))} active` : "");
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.root.dataset.silent = String(silentSince !== null);
    setText(this.#role, String(role ?? "?"));
    setText(this.#name, String(name));
    if (silentSince === null) this.#up.replaceChildren(`${version ?? ""}, started `, since(startedAt));
    else this.#up.replaceChildren(badge({ words: `Not heard since ${time(silentSince, now())}`, icon: "bad", tone: "bad" }));
    this.#needs.replaceChildren(
      ...items(dependencies).map(({ name: needed, state }) => part(nameOf(needed), lookOfDependency(state))),
      ...items(breakers).map(({ name: peer, state }) => part(`breaker ${spelled(peer)}`, lookOfBreaker(state))),
    );
    this.#needs.hidden = this.#needs.childElementCount === 0;
  }
}

const part = (name, look) => element("li", {}, badge({ ...look, words: `${name} ${look.words}` }));

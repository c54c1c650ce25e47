//! The page of someone who is signed in: keeps lists and the chosen rollout up to date, by asking now and then and by
//! following the chosen one live, and does what its buttons say. Leaves looks to the views and words to the pure files.

import { questionOf, questionOfSwitch } from "./actions.js";
import { now } from "./clock.js";
import { percent, time } from "./format.js";
import { KnownRollouts } from "./known.js";
import { renewAges } from "./moments.js";
import { showLines } from "./refusal_text.js";
import { RolloutView } from "./rollout.js";
import { Watch } from "./watch.js";
import { hasEnded, lookOfState } from "./words.js";

/** How often lists are asked for while someone looks. */
const EVERY_MS = 10_000;

/**
 * @typedef {{ rollouts: import("./rollout_list.js").RolloutList, flags: import("./flag_list.js").FlagList,
 *   link: import("./link.js").Link, announcer: import("../app/announcer.js").Announcer,
 *   reason: import("./reason_dialog.js").ReasonDialog, start: import("./start_dialog.js").StartDialog,
 *   place: HTMLElement, problem: HTMLElement }} Parts
 */

/** What administrators see. */
export class Board {
  #api;
  #parts;
  #turnedAway;
  #known = new KnownRollouts();
  #flags = [];
  #chosen = null;
  #view = null;
  #watch = null;
  #watchState = "none";
  #whyCut = "";
  #whyGone = "";
  #whyUnread = "";
  #heardAt = 0;
  #ended = false;
  #timers = [];
  #asking = false;
  #loaded = false;
  #paused = false;
  #unheard = [];

  /**
   * @param {import("./api.js").Api} api
   * @param {Parts} parts
   * @param {(refusal: import("./api.js").Refusal | null) => void} turnedAway the server wants to know again who asks; null: someone wants to do something meanwhile
   */
  constructor(api, parts, turnedAway) {
    this.#api = api;
    this.#parts = parts;
    this.#turnedAway = turnedAway;
    this.#begin();
  }

  /** Whether there is something to see. */
  get isLoaded() {
    return this.#loaded;
  }

  /** The server answers nobody for now: what is on the page stays, and so does what was entered. */
  pause() {
    this.#paused = true;
    this.#stop();
    this.#watchState = "none";
    this.#whyCut = "";
    this.#whyUnread = "Sign in again.";
    this.#parts.reason.interrupt();
    this.#parts.start.interrupt();
    this.#show();
  }

  /** Goes on with what is on the page. @param {import("./api.js").Api} api */
  resume(api) {
    this.#api = api;
    this.#paused = false;
    this.#asking = false;
    this.#whyUnread = "";
    this.#begin();
    this.#show();
    if (this.#view !== null) void this.#loadHistory(this.#chosen);
    this.#parts.reason.resume();
    this.#parts.start.resume();
  }

  /** Asks for everything anew. */
  async refresh() {
    if (this.#asking || this.#ended || this.#paused) return;
    this.#asking = true;
    const [rollouts, flags] = await Promise.allSettled([this.#api.rollouts(), this.#api.flags()]);
    this.#asking = false;
    if (this.#ended || this.#paused) return;
    const failures = [rollouts, flags].filter(({ status }) => status === "rejected").map(({ reason }) => reason);
    const refusal = failures.find(({ needsSignIn }) => needsSignIn);
    if (refusal) {
      this.#turnedAway(refusal);
      return;
    }
    if (flags.status === "fulfilled") this.#flags = flags.value;
    if (rollouts.status === "fulfilled") {
      this.#loaded = true;
      for (const rollout of rollouts.value) this.#take(rollout);
      this.#known.keepOnly(new Set(rollouts.value.map(({ id }) => id)), this.#chosen);
      this.#chosen ??= this.#known.mostUrgent;
    }
    this.#whyUnread = failures.length === 0 ? "" : failures[0].lines.join(" ");
    this.#show();
  }

  /** @param {string | null} id null: whichever needs a person most */
  choose(id) {
    this.#chosen = id ?? this.#known.mostUrgent;
    this.#whyGone = "";
    this.#show();
  }

  /** Tries again at once what waits for its next attempt. */
  hurry() {
    this.#watch?.hurry();
    void this.refresh();
  }

  /** Someone wants the flag the other way round. */
  switchFlag(flag) {
    const enabled = flag.enabled !== true;
    this.#ask(questionOfSwitch(flag), async (reason) => {
      const answer = await this.#api.switchFlag(flag.key, enabled, reason);
      const changed = answer?.flag ?? { ...flag, enabled };
      this.#flags = this.#flags.map((known) => (known.key === flag.key ? changed : known));
      this.#say(`${flag.key} is switched ${enabled ? "on" : "off for everybody"}.`);
    });
  }

  /** Someone wants to start a rollout. */
  start() {
    if (this.#asksWho()) return;
    this.#parts.start.open(this.#flags, (rollout) =>
      this.#doing(async () => {
        const answer = await this.#api.start(rollout);
        if (!answer?.rollout) return;
        this.#take(answer.rollout);
        this.#say(`Rollout of ${rollout.flag} started.`);
        location.hash = encodeURIComponent(answer.rollout.id);
      }),
    );
  }

  /**
   * A dialog is gone: what was not heard behind it is said now. The button that had opened it may be gone or dark, and
   * then the keyboard goes where the news are.
   */
  dialogClosed() {
    for (const line of this.#unheard.splice(0)) this.#parts.announcer.say(line);
    if (document.activeElement === null || document.activeElement === document.body) this.#view?.focus();
  }

  /** Nothing of it stays on the page. */
  end() {
    this.#ended = true;
    this.#stop();
    this.#parts.reason.close();
    this.#parts.start.close();
    this.#parts.place.replaceChildren();
    this.#parts.rollouts.update([], null);
    this.#parts.flags.update([]);
    showLines(this.#parts.problem, []);
    document.title = "Rollouts – troika";
  }

  #begin() {
    this.#timers = [
      setInterval(() => {
        if (!document.hidden) void this.refresh();
      }, EVERY_MS),
      setInterval(() => this.#tick(), 1_000),
    ];
    this.#showLink();
    void this.refresh();
  }

  #stop() {
    for (const timer of this.#timers) clearInterval(timer);
    this.#watch?.end();
    this.#watch = null;
    this.#api.leave();
  }

  #act(action, rollout) {
    this.#ask(questionOf(action, rollout), async (reason) => {
      const answer = await this.#api.act(rollout.id, action, reason);
      if (answer?.rollout) this.#take(answer.rollout);
    });
  }

  #ask(question, send) {
    if (this.#asksWho()) return;
    this.#parts.reason.ask({ ...question, send: (reason) => this.#doing(() => send(reason)) });
  }

  /** Whether somebody has to sign in before anything can be done; asks for it. */
  #asksWho() {
    if (this.#paused) this.#turnedAway(null);
    return this.#paused;
  }

  /** Does something that changes the server, and shows what has become of it. */
  async #doing(change) {
    try {
      await change();
    } catch (error) {
      if (!error.needsSignIn) throw error;
      this.#turnedAway(error);
      return;
    }
    this.#show();
    void this.refresh();
  }

  #take(rollout) {
    const news = this.#known.take(rollout);
    if (news !== "") this.#say(news);
    if (rollout.id === this.#chosen) this.#heardAt = now();
  }

  /** Says something once it can be heard: whatever lies behind an open dialog is silent. */
  #say(line) {
    if (document.querySelector("dialog[open]")) this.#unheard.push(line);
    else this.#parts.announcer.say(line);
  }

  #show() {
    if (this.#ended) return;
    const rollout = this.#chosen === null ? undefined : this.#known.get(this.#chosen);
    this.#follow(rollout);
    this.#showChosen(rollout);
    if (this.#loaded) this.#parts.rollouts.update(this.#known.all, this.#chosen);
    this.#parts.flags.update(this.#flags);
    showLines(
      this.#parts.problem,
      // While somebody has to sign in, the form says so.
      [this.#paused ? "" : this.#whyUnread, this.#whyGone].filter((line) => line !== ""),
    );
    this.#showLink();
  }

  #showChosen(rollout) {
    const { place } = this.#parts;
    if (rollout === undefined) {
      this.#view = null;
      place.replaceChildren();
      document.title = "Rollouts – troika";
      return;
    }
    if (this.#view === null || place.dataset.id !== rollout.id) {
      this.#view = new RolloutView((action, shown) => this.#act(action, shown));
      place.dataset.id = rollout.id;
      place.replaceChildren(this.#view.root);
      void this.#loadHistory(rollout.id);
    }
    this.#view.update(rollout, this.#flags.find(({ key }) => key === rollout.flag));
    const state = rollout.stalled && !hasEnded(rollout) ? "Stalled" : lookOfState(rollout.state).words;
    document.title = `${percent(rollout.percentage)} ${rollout.flag} · ${state} – troika`;
  }

  async #loadHistory(id) {
    const view = this.#view;
    try {
      const decisions = await this.#api.decisions(id);
      if (view !== this.#view) return;
      view.history.load(decisions);
      this.#known.decided(id, decisions);
      this.#show();
    } catch (refusal) {
      if (refusal.needsSignIn) this.#turnedAway(refusal);
      else if (view === this.#view) view.history.fail(refusal.lines.join(" "));
    }
  }

  /** Watches the chosen rollout for as long as something can still happen to it. */
  #follow(rollout) {
    // One that is not in the list may be older than the list: its stream tells.
    const wanted = !this.#paused && this.#chosen !== null && (rollout === undefined ? this.#loaded && this.#whyGone === "" : !hasEnded(rollout));
    if (this.#watch !== null && wanted && this.#watch.id === this.#chosen) return;
    this.#watch?.end();
    this.#watch = null;
    this.#watchState = "none";
    this.#whyCut = "";
    if (!wanted) return;
    const id = this.#chosen;
    this.#watchState = "connecting";
    this.#watch = new Watch(this.#api, id, {
      rollout: (heard) => {
        this.#take(heard);
        this.#show();
        return !hasEnded(heard);
      },
      live: () => this.#turned("live", ""),
      cut: (refusal) => this.#turned("cut", refusal.message),
      refused: (refusal) => {
        if (refusal.needsSignIn) {
          this.#turnedAway(refusal);
          return;
        }
        this.#turned("none", "");
        this.#whyGone = refusal.lines.join(" ");
        this.#show();
      },
    });
  }

  #turned(state, why) {
    const again = this.#watchState === "cut" && state === "live";
    this.#watchState = state;
    this.#whyCut = why;
    this.#showLink();
    // What was decided meanwhile, nobody told.
    if (again && this.#view !== null) void this.#loadHistory(this.#chosen);
  }

  #showLink() {
    const cut = this.#watchState === "cut" || this.#whyUnread !== "";
    const quiet = this.#loaded ? "fresh" : "connecting";
    if (!this.#paused) this.#parts.link.state = cut ? "cut" : this.#watchState === "none" ? quiet : this.#watchState;
    if (this.#view === null) return;
    const why = this.#whyCut || this.#whyUnread;
    this.#view.stale = cut ? `Not live: ${why} Shown as of ${time(this.#heardAt, now())}.` : "";
  }

  #tick() {
    if (document.hidden) return;
    renewAges();
    this.#view?.tick();
  }
}

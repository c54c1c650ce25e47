//! Puts the dashboard together: who is signed in, and what the address says is to be seen. Everything else has a file of
//! its own.

import { Announcer } from "../app/announcer.js";
import { Link } from "../rollouts/link.js";
import { ReasonDialog } from "../rollouts/reason_dialog.js";
import { SignIn } from "../rollouts/sign_in.js";
import { Token } from "../rollouts/token.js";
import { Address } from "./address.js";
import { AlertsView } from "./alerts_view.js";
import { Api } from "./api.js";
import { Board } from "./board.js";
import { Breakdown } from "./breakdown.js";
import { Charts } from "./charts.js";
import { Choice } from "./choice.js";
import { Counts } from "./counts.js";
import { EventsView } from "./events_view.js";
import { HealthView } from "./health_view.js";
import { RolloutsView } from "./rollouts_view.js";
import { SourcesView } from "./sources_view.js";
import { Tiles } from "./tiles.js";

const place = (id) => document.getElementById(id);

const token = new Token();
const announcer = new Announcer(place("announcer"));
const address = new Address({
  window: ["5m", "1m", "60m", "lifetime"],
  range: ["1h", "24h", "7d", "30d"],
  by: ["endpoint", "bot", "language", "outcome", "model", "variant"],
});

/** What is shown live; null while nobody is signed in. */
let board = null;

/** What is built is kept over another sign-in: figures stay until newer ones come. */
let parts = null;

const choices = {
  window: new Choice(place("window"), [["1m", "1 min"], ["5m", "5 min"], ["60m", "1 h"], ["lifetime", "All"]], (value) => choose("window", value)),
  range: new Choice(place("range"), [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"]], (value) => choose("range", value)),
  by: new Choice(
    place("by"),
    ["Endpoint", "Bot", "Language", "Outcome", "Model", "Variant"].map((label) => [label.toLowerCase(), label]),
    (value) => choose("by", value),
  ),
};

const link = new Link({ place: place("link"), words: place("link-words") }, announcer);

function build() {
  return {
    announcer,
    link,
    place: place("board"),
    stale: place("stale"),
    quiet: place("quiet"),
    problems: {
      alerts: place("alerts-problem"),
      action: place("action-problem"),
      history: place("history-problem"),
      groups: place("groups-problem"),
      rollouts: place("rollouts-problem"),
    },
    health: new HealthView(place("health")),
    tiles: new Tiles(place("tiles")),
    alerts: new AlertsView(
      {
        active: place("alerts-active"),
        none: place("no-alerts"),
        earlier: place("alerts-earlier"),
        count: place("alerts-earlier-count"),
        resolved: place("alerts-resolved"),
        silences: place("silences"),
        deliveries: place("deliveries"),
      },
      { silence: (alert) => board?.silence(alert), lift: (silence) => void board?.lift(silence) },
    ),
    charts: new Charts(place("charts")),
    counts: new Counts({ errors: place("errors"), counts: place("counts") }),
    breakdown: new Breakdown(place("breakdown")),
    sources: new SourcesView({ rows: place("sources"), none: place("no-sources") }),
    rollouts: new RolloutsView({ rows: place("rollout-rows"), none: place("no-rollouts") }),
    events: new EventsView({
      rows: place("events"),
      none: place("no-events"),
      errors: place("events-errors"),
      hold: place("events-hold"),
      waiting: place("events-waiting"),
    }),
    reason: new ReasonDialog(
      {
        dialog: place("reason-dialog"),
        title: place("reason-title"),
        consequences: place("reason-consequences"),
        reason: place("reason"),
        problem: place("reason-problem"),
        go: place("reason-go"),
      },
      () => {
        // The button that had opened it may be gone: the keyboard goes where the news are.
        if (document.activeElement === null || document.activeElement === document.body) place("alerts").focus();
      },
    ),
  };
}

const signIn = new SignIn(
  {
    section: place("sign-in"),
    form: place("sign-in-form"),
    field: place("token"),
    problem: place("sign-in-problem"),
    go: place("sign-in-go"),
  },
  async (pasted) => {
    try {
      await new Api(pasted).alerts();
    } catch (refusal) {
      // Whoever has a good token may see that the figures are away, and who is missing.
      if (!(refusal.status >= 500)) throw refusal;
    }
    token.keep(pasted);
    enter();
    announcer.say("Signed in.");
  },
);

function enter() {
  signIn.hide();
  place("board").hidden = false;
  place("sign-out").hidden = false;
  link.hidden = false;
  parts ??= build();
  board = new Board(new Api(token.value), parts, address, (refusal) => leave(refusal));
}

/** The token is not good any more: what was seen stays, and the field comes back. */
function leave(refusal) {
  if (board === null) return;
  board.end("Sign in again.");
  board = null;
  token.forget();
  place("sign-out").hidden = true;
  link.hidden = true;
  if (place("board").dataset.loaded === "false") {
    place("board").hidden = true;
    parts.stale.hidden = true;
  }
  signIn.show(refusal.lines);
  scrollTo({ top: 0, behavior: "instant" });
}

function choose(name, value) {
  address.set(name, value);
  board?.chosen(name);
}

function showChoices() {
  for (const [name, choice] of Object.entries(choices)) choice.value = address.get(name);
}

place("sign-out").addEventListener("click", () => {
  board?.end("");
  token.forget();
  // Nothing of what was shown stays in the page.
  location.reload();
});
place("silence-all").addEventListener("click", () => board?.silence(""));
place("test").addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true;
  await board?.test();
  button.disabled = false;
});
addEventListener("hashchange", () => {
  address.renew();
  showChoices();
  for (const name of Object.keys(choices)) board?.chosen(name);
});
addEventListener("online", () => board?.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) board?.hurry();
});

showChoices();
if (token.value === null) signIn.show();
else enter();

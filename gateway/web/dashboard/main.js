//! Puts the dashboard together: who is signed in, and what the address says is to be seen. Everything else has a file of
//! its own.

import { Entrance } from "../admin/entrance.js";
import { Announcer } from "../app/announcer.js";
import { Link } from "../rollouts/link.js";
import { ReasonDialog } from "../rollouts/reason_dialog.js";
import { Address } from "./address.js";
import { AlertsView } from "./alerts_view.js";
import { Api } from "./api.js";
import { AuditLog } from "./audit_log.js";
import { AuditView } from "./audit_view.js";
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

const announcer = new Announcer(place("announcer"));
const address = new Address({
  window: ["5m", "1m", "60m", "lifetime"],
  range: ["1h", "24h", "7d", "30d"],
  by: ["endpoint", "bot", "language", "outcome", "model", "variant"],
  source: ["chat", "flags", "metrics", "accounts"],
});

/** What is shown live; null before someone signs in. */
let board = null;

/** What it is shown with. */
let parts = null;

const choices = {
  window: new Choice(place("window"), [["1m", "1 min"], ["5m", "5 min"], ["60m", "1 h"], ["lifetime", "All"]], (value) => choose("window", value)),
  range: new Choice(place("range"), [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"]], (value) => choose("range", value)),
  by: new Choice(
    place("by"),
    ["Endpoint", "Bot", "Language", "Outcome", "Model", "Variant"].map((label) => [label.toLowerCase(), label]),
    (value) => choose("by", value),
  ),
  source: new Choice(
    place("source"),
    ["Chat", "Flags", "Metrics", "Accounts"].map((label) => [label.toLowerCase(), label]),
    (value) => choose("source", value),
  ),
};

const audit = new AuditLog(
  {
    fold: place("audit"),
    none: place("no-audit"),
    problem: place("audit-problem"),
    more: place("audit-more"),
    again: place("audit-again"),
    view: new AuditView(place("audit-rows")),
    announcer,
  },
  address.get("source"),
  async (source, before, limit) => board?.audit(source, before, limit) ?? null,
);

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

const entrance = new Entrance(
  {
    section: place("sign-in"),
    account: place("account"),
    signOut: place("sign-out"),
    problem: place("sign-out-problem"),
    inside: place("board"),
  },
  announcer,
  {
    tried: async (token) => {
      try {
        await new Api(token).alerts();
      } catch (refusal) {
        // Whoever has a good token may see that the figures are away, and who is missing.
        if (!(refusal.status >= 500)) throw refusal;
      }
    },
    entered: (token) => {
      place("board").hidden = false;
      link.hidden = false;
      if (board !== null) {
        board.resume(new Api(token));
        audit.look();
        return;
      }
      parts ??= build();
      board = new Board(new Api(token), parts, address, turnedAway);
    },
    left: () => {
      board?.end();
      // Nothing of what was shown stays in the page.
      location.reload();
    },
  },
);

/** What was seen stays, and the form comes back. */
function turnedAway(refusal) {
  if (refusal !== null) board.pause();
  link.hidden = true;
  if (place("board").dataset.loaded === "false") {
    board.end();
    board = null;
    place("board").hidden = true;
    parts.stale.hidden = true;
  }
  entrance.turnedAway(refusal);
}

function choose(name, value) {
  address.set(name, value);
  tell(name);
}

function tell(name) {
  if (name === "source") audit.source = address.get(name);
  else board?.chosen(name);
}

function showChoices() {
  for (const [name, choice] of Object.entries(choices)) choice.value = address.get(name);
}

place("silence-all").addEventListener("click", () => board?.silence(""));
place("test").addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true;
  await board?.test();
  button.disabled = false;
});
addEventListener("hashchange", () => {
  address.renew();
  showChoices();
  for (const name of Object.keys(choices)) tell(name);
});
addEventListener("online", () => board?.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) board?.hurry();
});

showChoices();
void entrance.open();

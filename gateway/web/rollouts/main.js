//! Puts the rollout page together: who is signed in, and which rollout the address names. Everything else has a file of
//! its own.

import { Entrance } from "../admin/entrance.js";
import { Announcer } from "../app/announcer.js";
import { Api } from "./api.js";
import { Board } from "./board.js";
import { FlagList } from "./flag_list.js";
import { Link } from "./link.js";
import { ReasonDialog } from "./reason_dialog.js";
import { RolloutList } from "./rollout_list.js";
import { StartDialog } from "./start_dialog.js";

const place = (id) => document.getElementById(id);

const announcer = new Announcer(place("announcer"));

/** What is shown; null before someone signs in. */
let board = null;

const closed = () => board?.dialogClosed();

const parts = {
  announcer,
  place: place("rollout"),
  problem: place("board-problem"),
  link: new Link({ place: place("link"), words: place("link-words") }, announcer),
  rollouts: new RolloutList({
    active: place("active"),
    ended: place("ended"),
    earlier: place("earlier"),
    count: place("earlier-count"),
    none: place("no-active"),
  }),
  flags: new FlagList({ rows: place("flags"), none: place("no-flags") }, (flag) => board?.switchFlag(flag)),
  reason: new ReasonDialog(
    {
      dialog: place("reason-dialog"),
      title: place("reason-title"),
      consequences: place("reason-consequences"),
      reason: place("reason"),
      problem: place("reason-problem"),
      go: place("reason-go"),
    },
    closed,
  ),
  start: new StartDialog(
    {
      dialog: place("start-dialog"),
      flag: place("start-flag"),
      candidate: place("start-candidate"),
      steps: place("start-steps"),
      sum: place("start-steps-sum"),
      reason: place("start-reason"),
      manual: place("start-manual"),
      dry: place("start-dry"),
      again: place("start-again"),
      againRow: place("start-again-row"),
      problem: place("start-problem"),
      go: place("start-go"),
    },
    closed,
  ),
};

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
    tried: (token) => new Api(token).rollouts(),
    entered: (token) => {
      show(true);
      if (board !== null) {
        board.resume(new Api(token));
        return;
      }
      board = new Board(new Api(token), parts, turnedAway);
      board.choose(named());
    },
    left: () => {
      show(false);
      board?.end();
      board = null;
    },
  },
);

/** What was seen stays, and the form comes back. */
function turnedAway(refusal) {
  if (refusal !== null) board.pause();
  parts.link.hidden = true;
  if (!board.isLoaded) {
    board.end();
    board = null;
    show(false);
  }
  entrance.turnedAway(refusal);
}

function show(inside) {
  place("board").hidden = !inside;
  parts.link.hidden = !inside;
}

/** The rollout that the address names. */
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null; // no address of ours
  }
}

place("start").addEventListener("click", () => board?.start());
addEventListener("hashchange", () => {
  board?.choose(named());
  scrollTo({ top: 0, behavior: "instant" });
});
addEventListener("online", () => board?.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) board?.hurry();
});

void entrance.open();

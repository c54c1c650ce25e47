//! Puts the rollout page together: who is signed in, and which rollout the address names. Everything else has a file of
//! its own.

import { Announcer } from "../app/announcer.js";
import { Api } from "./api.js";
import { Board } from "./board.js";
import { FlagList } from "./flag_list.js";
import { Link } from "./link.js";
import { ReasonDialog } from "./reason_dialog.js";
import { RolloutList } from "./rollout_list.js";
import { SignIn } from "./sign_in.js";
import { StartDialog } from "./start_dialog.js";
import { Token } from "./token.js";

const place = (id) => document.getElementById(id);

const token = new Token();
const announcer = new Announcer(place("announcer"));

/** What is shown; null while nobody is signed in. */
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

const signIn = new SignIn(
  {
    section: place("sign-in"),
    form: place("sign-in-form"),
    field: place("token"),
    problem: place("sign-in-problem"),
    go: place("sign-in-go"),
  },
  async (pasted) => {
    await new Api(pasted).rollouts();
    token.keep(pasted);
    enter();
    announcer.say("Signed in.");
  },
);

function enter() {
  signIn.hide();
  show(true);
  board = new Board(new Api(token.value), parts, (refusal) => leave(refusal.lines));
  board.choose(named());
}

/** @param {readonly string[]} why the server's words; none when someone signs out */
function leave(why = []) {
  board?.end();
  board = null;
  token.forget();
  show(false);
  signIn.show(why);
}

function show(signedIn) {
  place("board").hidden = !signedIn;
  place("sign-out").hidden = !signedIn;
  parts.link.hidden = !signedIn;
}

/** The rollout that the address names. */
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null; // no address of ours
  }
}

place("sign-out").addEventListener("click", () => {
  leave();
  announcer.say("Signed out.");
});
place("start").addEventListener("click", () => board?.start());
addEventListener("hashchange", () => {
  board?.choose(named());
  scrollTo({ top: 0, behavior: "instant" });
});
addEventListener("online", () => board?.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) board?.hurry();
});

if (token.value === null) signIn.show();
else enter();

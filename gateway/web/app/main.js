//! Puts the page together: which bot, what was said before, and what happens when someone asks, stops, retries or
//! starts anew. Everything else has a file of its own.

import { Announcer } from "./announcer.js";
import { botFromAddress } from "./bot.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { isAboutVisitorToken } from "./problems.js";
import { EndFollower } from "./scroll.js";
import { Session } from "./session.js";
import { startTurn } from "./turn.js";
import { Visitor } from "./visitor.js";
import { Voice } from "./voice.js";

const place = (id) => document.getElementById(id);

const bot = botFromAddress(location.search);
const visitor = new Visitor(bot.id);
const session = new Session(bot.id);
const announcer = new Announcer(place("announcer"));
const end = new EndFollower(place("to-latest"));
const newConversation = place("new-conversation");
const voice = new Voice({ toggle: place("voice"), silencer: place("silence") }, (origin) => returnFocus(origin));

/** The turn that is running: what was asked, where its answer goes, how to stop it. */
let running = null;

const conversation = new Conversation({ log: place("log"), welcome: place("welcome") }, announcer, {
  ask: (question, origin) => {
    if (running) return;
    void ask(question);
    returnFocus(origin);
  },
  retry: (origin) => {
    if (running) return;
    const question = session.exchanges.at(-1)?.question;
    if (question === undefined) return;
    session.dropLast();
    conversation.removeLatest();
    void ask(question);
    returnFocus(origin);
  },
  grew: () => end.grew(),
});

const composer = new Composer(place("composer"), place("counter"), announcer, {
  send: (question, origin) => {
    void ask(question);
    returnFocus(origin);
  },
  stop: (origin) => {
    stop();
    returnFocus(origin);
  },
});

async function ask(question) {
  const view = conversation.add(question);
  // Still inside the click or key that asked: browsers let sound through only then.
  voice.begin(view);
  const started = performance.now();
  const current = { question, view, turn: startOf(question, view) };
  setRunning(current);
  announcer.say("Question sent.");
  end.resume();

  let outcome = await current.turn.finished;
  if (running === current && outcome.problem?.code === "session_not_yours") {
    if (session.exchanges.length > 0) view.note("The bot does not know what was said before: a new conversation begins here.");
    session.renew();
    current.turn = startOf(question, view);
    outcome = await current.turn.finished;
  }
  if (running !== current) return; // a new conversation began meanwhile
  setRunning(null);
  // What is not taken once is not taken again: the next question is a guest's.
  if (outcome.problem && isAboutVisitorToken(outcome.problem)) visitor.forget();
  const seconds = (performance.now() - started) / 1_000;
  if (outcome.kind === "complete") view.finish(outcome.complete, seconds);
  else if (outcome.kind === "stopped") view.stopped(seconds);
  else view.fail(outcome.problem);
  if (outcome.kind === "stopped") voice.silence();
  else voice.finish();
  session.add({ question, ...view.record(outcome.kind, seconds) });
}

function startOf(question, view) {
  const asked = {
    query: question,
    chatbotId: bot.id,
    sessionId: session.id,
    sessionToken: session.token,
    visitorToken: visitor.token,
    aloud: voice.isOn,
  };
  return startTurn(asked, {
    event: (type, data) => {
      if (running?.view === view) showEvent(view, type, data);
    },
    sessionToken: (token) => {
      if (running?.view === view) session.token = token;
    },
  });
}

function showEvent(view, type, data) {
  switch (type) {
    case "connected":
      if (typeof data.sessionId === "string") session.id = data.sessionId;
      break;
    case "status":
      view.status(data.message);
      break;
    case "metadata":
      view.model(data.model);
      if (data.action === "show_calendly") view.offerBooking(String(data.calendly_url ?? ""));
      break;
    case "text":
      if (typeof data.content === "string") view.append(data.content);
      break;
    case "suggestions":
      view.suggest((data.items ?? data.suggestions ?? []).filter((item) => typeof item === "string"));
      break;
    case "audio":
      voice.take(data);
      break;
    case "warning":
      if (/^voice_/.test(data.code) && !voice.warn(data.code)) break;
      view.note(data.message ?? data.warning);
      break;
    default: // the end of the turn is told by its outcome; what this page does not know it leaves alone
  }
}

function stop() {
  voice.silence();
  running?.turn.stop();
}

function setRunning(turn) {
  running = turn;
  composer.busy = turn !== null;
  newConversation.hidden = conversation.isEmpty;
}

/** Gives the keyboard back to the question's field, but calls up no keyboard on a touch screen. */
function returnFocus(origin) {
  const byKeyboard = origin instanceof KeyboardEvent || origin.detail === 0;
  if (byKeyboard || matchMedia("(pointer: fine)").matches) composer.focus();
}

function startAnew(origin) {
  session.clear();
  conversation.clear();
  stop();
  setRunning(null);
  announcer.say("New conversation.");
  scrollTo({ top: 0, behavior: "instant" });
  returnFocus(origin);
}

function restore() {
  for (const exchange of session.exchanges) conversation.add(exchange.question).restore(exchange);
  setRunning(null);
  if (!conversation.isEmpty) end.resume();
}

newConversation.addEventListener("click", startAnew);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || !(running || voice.isHeard)) return;
  event.preventDefault();
  stop();
});
addEventListener("pagehide", (event) => {
  voice.silence();
  if (event.persisted || !running) return;
  const { question, view } = running;
  session.add({ question, ...view.record("stopped", null) });
});

if (bot.name !== "") {
  place("bot-name").textContent = bot.name;
  place("bot-name").hidden = false;
}
conversation.greet(bot);
restore();
if (!bot.valid) composer.disable();
else if (matchMedia("(pointer: fine)").matches) composer.focus();

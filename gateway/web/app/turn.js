//! Asks one question and follows its event stream to the end: the only file that talks to the server. Knows nothing
//! of the page; it hands events on as they come and settles with one outcome.

import { EventParser } from "./sse.js";
import { brokenOff, fromErrorEvent, fromResponse, unreachable, wentSilent } from "./problems.js";

/** The server sends a comment every 15 s at the latest; three missed ones mean that nobody is there. */
const SILENCE_LIMIT_MS = 45_000;
/** How long a stopped turn may take to say goodbye before its connection is closed. */
const STOP_GRACE_MS = 1_000;

/**
 * How a turn ended. `complete` is the data of the `complete` event, empty where there was none.
 * @typedef {{ kind: "complete" | "stopped", complete: object } | { kind: "failed", problem: import("./problems.js").Problem }} Outcome
 */

/**
 * Starts a turn.
 * @param {{ query: string, chatbotId: string, sessionId: string | null, sessionToken: string | null,
 *   visitorToken: string | null, aloud: boolean }} question
 * @param {{ event: (type: string, data: object) => void, sessionToken: (token: string) => void }} reactions `event` is
 *   called for every event, in order; `sessionToken` before them, when the server tells whose the session is
 * @returns {{ finished: Promise<Outcome>, stop: () => void }} `finished` never rejects; `stop` may be called at any time
 */
export function startTurn(question, reactions) {
  const abort = new AbortController();
  const turn = { id: null, stopping: false, silent: false, who: whoAsks(question), reactions };

  const stop = () => {
    if (turn.stopping) return;
    turn.stopping = true;
    if (turn.id === null) {
      abort.abort();
      return;
    }
    // Asked to stop, the server saves what was said and ends the stream itself; leaving is the fallback.
    void requestStop(turn.id, turn.who);
    setTimeout(() => abort.abort(), STOP_GRACE_MS);
  };

  return { finished: run(question, turn, abort), stop };
}

async function run(question, turn, abort) {
  const watch = watchdog(() => {
    turn.silent = true;
    abort.abort();
  });
  let connected = false;
  try {
    watch.reset();
    const response = await fetch("api/chat/query/stream", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream", ...turn.who },
      body: JSON.stringify(requestBody(question)),
      cache: "no-store",
      signal: abort.signal,
    });
    if (!response.ok) return { kind: "failed", problem: await fromResponse(response) };
    if (!isEventStream(response)) return { kind: "failed", problem: brokenOff(true) };
    connected = true;
    const sessionToken = response.headers.get("x-session-token");
    if (sessionToken) {
      turn.who["x-session-token"] = sessionToken;
      turn.reactions.sessionToken(sessionToken);
    }
    return await follow(response.body, turn, watch);
  } catch {
    // fetch and read reject for one of three reasons: we left, we gave up waiting, or the network did.
    if (turn.stopping) return { kind: "stopped", complete: {} };
    if (turn.silent) return { kind: "failed", problem: wentSilent() };
    const online = navigator.onLine !== false;
    return { kind: "failed", problem: connected ? brokenOff(online) : unreachable(online) };
  } finally {
    watch.end();
    abort.abort(); // the outcome is known: nothing more is read, and a connection left open is closed
  }
}

async function follow(body, turn, watch) {
  const parser = new EventParser();
  const reader = body.getReader();
  let outcome = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    watch.reset();
    for (const event of parser.push(value)) {
      const data = parse(event.data);
      if (data === null) continue;
      if (event.type === "connected" && typeof data.turnId === "string") turn.id = data.turnId;
      turn.reactions.event(event.type, data);
      outcome ??= outcomeOf(event.type, data, turn.stopping);
      if (event.type === "close") return outcome ?? { kind: "failed", problem: brokenOff(true) };
    }
  }
  if (outcome !== null) return outcome;
  if (turn.stopping) return { kind: "stopped", complete: {} };
  return { kind: "failed", problem: brokenOff(navigator.onLine !== false) };
}

function outcomeOf(type, data, stopping) {
  if (type === "error") return { kind: "failed", problem: fromErrorEvent(data) };
  if (type === "close" && data.reason === "stopped") return { kind: "stopped", complete: {} };
  if (type !== "complete") return null;
  if (stopping || data.finishReason === "stopped") return { kind: "stopped", complete: data };
  return { kind: "complete", complete: data };
}

function requestBody({ query, chatbotId, sessionId, aloud }) {
  const body = { query, chatbotId, enableTTS: aloud };
  if (sessionId) body.sessionId = sessionId;
  return body;
}

function whoAsks({ visitorToken, sessionId, sessionToken }) {
  const headers = {};
  if (visitorToken) headers.authorization = `Bearer ${visitorToken}`;
  if (sessionId && sessionToken) headers["x-session-token"] = sessionToken;
  return headers;
}

async function requestStop(turnId, headers) {
  try {
    await fetch("api/chat/stop", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ turnId }),
      keepalive: true,
    });
  } catch {
    // The connection is closed after the grace time anyway, and that ends the turn too.
  }
}

function isEventStream(response) {
  const type = response.headers.get("content-type") ?? "";
  return response.body !== null && type.startsWith("text/event-stream");
}

function parse(json) {
  try {
    const data = JSON.parse(json);
    return data !== null && typeof data === "object" ? data : null;
  } catch {
    return null; // an event nobody can read is skipped; the stream's end decides what the turn was
  }
}

function watchdog(onSilence) {
  let timer;
  return {
    reset() {
      clearTimeout(timer);
      timer = setTimeout(onSilence, SILENCE_LIMIT_MS);
    },
    end() {
      clearTimeout(timer);
    },
  };
}

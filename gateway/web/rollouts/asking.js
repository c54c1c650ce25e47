//! Asks the server as one person and hands on what it answers: JSON, an event stream, or a refusal in the server's own
//! words. Knows neither addresses nor the page.

import { noteServerTime } from "./clock.js";

/** After this a request counts as unanswered. */
const PATIENCE_MS = 15_000;
/** The server takes the request for one of another site, or for one of somebody who may do everything else here: no signing in helps. */
const NOT_FOR_THIS_ONE = ["cross_site", "super_admin_required"];
/** The longest wait that is believed, in seconds. */
const LONGEST_WAIT = 86_400;

/** The server did not do what it was asked, or could not be asked. */
export class Refusal extends Error {
  /**
   * @param {{ status: number, message: string, code?: string, details?: string[], retryAfter?: number }} refusal
   *   `status` is 0 when there was no answer; `details` name the fields that are wrong; `retryAfter` is in seconds
   */
  constructor({ status, message, code = "", details = [], retryAfter = 0 }) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfter = retryAfter;
  }

  /** Whether another person, or the same one signed in again, might get an answer. */
  get needsSignIn() {
    return this.status === 401 || (this.status === 403 && !NOT_FOR_THIS_ONE.includes(this.code));
  }

  /** All that was said, one line each. */
  get lines() {
    return [this.message, ...this.details.filter((detail) => detail !== this.message)];
  }
}

/** The server, asked as one person. */
export class Server {
  #token;
  #left = new AbortController();

  /** @param {string | null} token null: the browser's cookie says who asks */
  constructor(token) {
    this.#token = token;
  }

  /** Lets go of everything that is under way; whatever was asked is never answered. */
  leave() {
    this.#left.abort();
  }

  /**
   * Asks for JSON.
   * @param {string} address
   * @param {{ method?: string, body?: object, patience?: number }} [request] by itself, what has a body is POSTed
   * @returns {Promise<any>} null where the answer has no content
   */
  async ask(address, { body, method = body === undefined ? "GET" : "POST", patience = PATIENCE_MS } = {}) {
    const response = await this.#send(address, "application/json", method, body, AbortSignal.timeout(patience));
    if (response.status === 204) return null;
    try {
      return await response.json();
    } catch {
      if (this.#left.signal.aborted) return new Promise(() => {});
      throw new Refusal({ status: 0, message: "The server’s answer broke off or is no JSON." });
    }
  }

  /**
   * Opens an event stream.
   * @param {string} address
   * @param {AbortSignal} signal leaves it
   * @returns {Promise<ReadableStream<Uint8Array>>}
   */
  async stream(address, signal) {
    const response = await this.#send(address, "text/event-stream", "GET", undefined, signal);
    if (response.body === null || !(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
      throw new Refusal({ status: 0, message: "The server’s answer is no event stream." });
    }
    return response.body;
  }

  async #send(address, accept, method, body, signal) {
    const headers = { accept };
    if (this.#token !== null) headers.authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const left = this.#left.signal;
    let response;
    try {
      response = await fetch(address, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        // One of both speaks, never the cookie of someone else beside a token.
        credentials: this.#token === null ? "same-origin" : "omit",
        redirect: "error",
        signal: AbortSignal.any([left, signal]),
      });
    } catch {
      if (left.aborted) return new Promise(() => {});
      throw unreachable(signal, method !== "GET");
    }
    if (left.aborted) return new Promise(() => {});
    noteServerTime(response.headers.get("date"));
    if (!response.ok) throw await refusalOf(response);
    return response;
  }
}

function unreachable(signal, changes) {
  if (navigator.onLine === false) return new Refusal({ status: 0, message: "You are offline." });
  const message =
    signal.reason?.name === "TimeoutError" ? "The server did not answer in time." : "The server cannot be reached.";
  return new Refusal({ status: 0, message, details: changes ? ["Whether it did what was asked is not known."] : [] });
}

/** Reads a problem document; a proxy in between may have answered with anything. */
async function refusalOf(response) {
  const { status } = response;
  let body = {};
  try {
    body = Object(await response.json());
  } catch {
    // No JSON: the status has to do.
  }
  const details = Array.isArray(body.details) ? body.details : [];
  const wait = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return new Refusal({
    status,
    message: firstText(body.detail, body.message, body.error, body.title) ?? `The server answered with status ${status}.`,
    code: typeof body.code === "string" ? body.code : "",
    details: details.map((detail) => firstText(detail?.message)).filter((detail) => detail !== undefined),
    retryAfter: wait > 0 ? Math.min(wait, LONGEST_WAIT) : 0,
  });
}

function firstText(...candidates) {
  return candidates.find((candidate) => typeof candidate === "string" && candidate.trim() !== "")?.trim();
}

/** The objects of `answer[name]`; whatever else stands there is left out. */
export function list(answer, name) {
  const items = Array.isArray(answer?.[name]) ? answer[name] : [];
  return items.filter((item) => item !== null && typeof item === "object");
}

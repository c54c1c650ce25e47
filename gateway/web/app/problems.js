//! Puts what went wrong before, around and inside a stream into words for a reader. Touches neither network nor page.

/**
 * Why there is no whole answer.
 * `retryAfter` is in seconds, 0 when the same question can be sent again at once.
 * @typedef {{ message: string, code: string, canRetry: boolean, retryAfter: number }} Problem
 */

const problem = (code, message, canRetry = true, retryAfter = 0) => ({ code, message, canRetry, retryAfter });

/** The request never got an answer. */
export function unreachable(online) {
  return online
    ? problem("unreachable", "The server cannot be reached. It may be starting or switched off.")
    : problem("offline", "You are offline. Send the question again once the connection is back.");
}

/** The stream ended, or broke, before the answer was complete. */
export const brokenOff = (online) =>
  online
    ? problem("connection_lost", "The connection broke before the answer was complete.")
    : problem("offline", "You went offline before the answer was complete.");

/** Nothing came for longer than heartbeats allow. */
export const wentSilent = () => problem("silent", "The server went silent before the answer was complete.");

/** The stream carried an `error` event. */
export const fromErrorEvent = (data) =>
  problem(
    String(data.code ?? "error"),
    sentence(data.message ?? data.error) ?? "Something went wrong while answering.",
    data.canRetry === true,
  );

/**
 * The server refused with an HTTP status. Reads the body, which is problem JSON from troika and may be anything from
 * a proxy between.
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
export async function fromResponse(response) {
  const { status } = response;
  const body = await readJson(response);
  const said = sentence(body.message ?? body.detail ?? body.title ?? body.error);
  const code = typeof body.code === "string" ? body.code : `http_${status}`;
  const wait = retryAfter(response);
  switch (status) {
    case 400:
    case 422:
      return problem(code, firstDetail(body) ?? said ?? "The server did not accept this question.", false);
    case 401:
    case 403:
      return problem(code, said ?? "This bot is private: it answers only visitors who are signed in.", false);
    case 404:
      // The server speaks to programs here; a reader sees the page's address and no field names.
      return problem(
        code,
        code === "bot_not_found"
          ? "There is no bot with the id in this page’s address (?bot=). Check it, or leave it out to talk to the demo bot."
          : (said ?? "There is no bot with this address."),
        false,
      );
    case 413:
      return problem(code, "This question is too long to send.", false);
    case 429:
      return problem(code, said ?? "Too many questions in a short time.", true, wait || 5);
    case 503:
      return problem(code, said ?? "The service is busy or starting. Please try again in a moment.", true, wait);
    case 502:
    case 504:
      return problem(code, said ?? "The service behind this page does not answer at the moment.", true, wait);
    default:
      return problem(code, said ?? `The server answered with an error (${status}).`, status >= 500, wait);
  }
}

async function readJson(response) {
  try {
    const body = await response.json();
    return body !== null && typeof body === "object" ? body : {};
  } catch {
    return {};
  }
}

function firstDetail(body) {
  const detail = Array.isArray(body.details) ? body.details[0] : undefined;
  return sentence(detail?.message);
}

function retryAfter(response) {
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) : 0;
}

/** The text with a full stop at its end; undefined for anything that is no text. */
function sentence(text) {
  if (typeof text !== "string" || text.trim() === "") return undefined;
  const trimmed = text.trim();
  return /[.!?।]$/u.test(trimmed) ? trimmed : `${trimmed}.`;
}

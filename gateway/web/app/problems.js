//! Puts what went wrong before, around and inside a stream into words for a reader. Touches neither network nor page.

/**
 * Why there is no whole answer.
 * `retryAfter` is in seconds, 0 when the same question can be sent again at once.
 * @typedef {{ message: string, code: string, canRetry: boolean, retryAfter: number }} Problem
 */

const problem = (code, message, canRetry = true, retryAfter = 0) => ({ code, message, canRetry, retryAfter });

/** What the server refuses visitors, in words for them; it speaks to programs. */
const REFUSALS = new Map([
  ["auth_required", "This bot is private: it answers only visitors who are signed in. Open it from the site that you sign in to."],
  ["token_expired", "Your sign-in has expired. Open this page again from the site that you signed in to."],
  ["invalid_token", "Your sign-in is not accepted here. Open this page again from the site that you signed in to."],
  ["token_revoked", "Your sign-in was ended. Open this page again from the site that you signed in to."],
  ["token_for_other_bot", "Your sign-in is for another bot."],
  ["token_for_other_company", "Your sign-in is for another company’s bots."],
  ["need_auth", "To go on, sign in on the site that this bot belongs to, and open it from there."],
  ["session_not_yours", "This conversation belongs to someone else. Start a new one."],
  ["origin_not_allowed", "This bot does not answer on this website."],
  ["quota_exhausted", "This bot has given all the answers that are paid for at present. Please come back later."],
  ["subscription_ended", "This bot is not available any more."],
]);

/** What the server refuses for a while. */
const TOO_MUCH = new Map([
  ["rate_limited", "Too many questions in a short time."],
  ["too_many_streams", "Too many answers are being written at the same time."],
  ["too_many_invalid_requests", "Too many questions could not be accepted in a short time."],
  ["daily_budget_exhausted", "This bot has answered all that it may for today."],
]);

/** The words for a code, however it is spelled: NEED_AUTH is need_auth. */
const wordsFor = (words, code) => words.get(String(code).toLowerCase());

/** The codes with which the server says that it does not take a visitor's token. */
export const isAboutVisitorToken = ({ code }) => ["token_expired", "invalid_token", "token_revoked"].includes(code);

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
export function fromErrorEvent(data) {
  const code = String(data.code ?? "error");
  const refusal = wordsFor(REFUSALS, code);
  if (refusal !== undefined) return problem(code, refusal, false);
  return problem(code, sentence(data.message ?? data.error) ?? "Something went wrong while answering.", data.canRetry === true);
}

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
      return problem(code, wordsFor(REFUSALS, code) ?? said ?? "This bot is private: it answers only visitors who are signed in.", false);
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
      return problem(code, wordsFor(TOO_MUCH, code) ?? said ?? "Too many questions in a short time.", true, wait || 5);
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
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 86_400) : 0;
}

/** The text with a full stop at its end; undefined for anything that is no text. */
function sentence(text) {
  if (typeof text !== "string" || text.trim() === "") return undefined;
  const trimmed = text.trim();
  return /[.!?।]$/u.test(trimmed) ? trimmed : `${trimmed}.`;
}

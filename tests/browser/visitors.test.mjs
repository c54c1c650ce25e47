//! Who asks: the token of a session, a visitor's own token in the page's address, and what visitors are told when a bot
//! does not answer them.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ChatPage, DEMO_BOT, TROIKA_URL, launch } from "./page.mjs";
import { SESSION_ID, ScriptedStream, scripted } from "./scripted_stream.mjs";

let browser;
let chat;
let stream;
before(async () => (browser = await launch()));
after(async () => browser?.close());
afterEach(async () => {
  const faults = chat?.faults ?? [];
  await chat?.close();
  chat = undefined;
  assert.deepEqual(faults, []);
});

const open = async (options = {}) => {
  chat = await ChatPage.open(browser, { prepare: scripted, ...options });
  stream = new ScriptedStream(chat.page);
};

async function answered(question, text = "An answer.") {
  await chat.ask(question);
  await stream.connect();
  await stream.text(text);
  await stream.complete();
  await chat.settled();
}

const refusal = (status, code, headers = {}) => ({ body: { status, code, message: `The server's own words for ${code}`, error: "words" }, headers });
const problem = () => chat.exchanges.last().locator(".problem");

/** Asks a question that is refused, and returns what is said then. */
async function refused(status, code, headers) {
  await stream.refuse(refusal(status, code, headers));
  await chat.ask("A question");
  await chat.settled();
  return (await problem().locator("p").innerText()).trim();
}

// ---- the session's token ---------------------------------------------------------------------------

test("the session's token is kept beside its id and sent with the next questions, after a reload too", async () => {
  await open();
  await stream.giveSessionToken("session.token.1");
  await answered("First");
  assert.equal((await stream.headers())[0]["x-session-token"], undefined);
  await stream.giveSessionToken(null);
  await answered("Second");
  assert.equal((await stream.headers())[1]["x-session-token"], "session.token.1");
  assert.equal((await stream.questions())[1].sessionId, SESSION_ID);

  await chat.page.reload();
  await chat.exchanges.nth(1).waitFor();
  await stream.giveSessionToken("session.token.2");
  await answered("Third");
  assert.equal((await stream.headers())[0]["x-session-token"], "session.token.1");
  await answered("Fourth");
  assert.equal((await stream.headers())[1]["x-session-token"], "session.token.2", "a newer one takes its place");
});

test("a new conversation forgets the session's token", async () => {
  await open();
  await stream.giveSessionToken("session.token");
  await answered("First");
  await chat.newConversation.click();
  assert.doesNotMatch(await chat.page.evaluate(() => JSON.stringify({ ...sessionStorage })), /session\.token/);
  await answered("Second");
  const [, second] = await stream.headers();
  assert.equal(second["x-session-token"], undefined);
  assert.equal((await stream.questions())[1].sessionId, undefined);
});

test("stopping says whose session it is, in the first answer too", async () => {
  await open();
  await stream.giveSessionToken("session.token");
  await chat.ask("A question");
  await stream.connect();
  await stream.text("Half");
  await chat.page.keyboard.press("Escape");
  await chat.settled();
  assert.equal((await stream.stopHeaders())[0]["x-session-token"], "session.token");
});

test("a session that is someone else's is left by itself, and the question is asked once more in a new one", async () => {
  await open();
  await stream.giveSessionToken("old.token");
  await answered("First");
  await stream.refuse(refusal(403, "session_not_yours"));
  await chat.ask("Second");
  await chat.page.waitForFunction(() => window.troikaScript.questions.length === 3);
  await stream.connect();
  await stream.text("A new answer.");
  await stream.complete();
  await chat.settled();
  const [questions, headers] = [await stream.questions(), await stream.headers()];
  assert.deepEqual(questions.map(({ query, sessionId }) => [query, sessionId]), [["First", undefined], ["Second", SESSION_ID], ["Second", undefined]]);
  assert.deepEqual(headers.map((sent) => sent["x-session-token"]), [undefined, "old.token", undefined]);
  assert.equal(await chat.exchanges.count(), 2);
  assert.match(await chat.exchanges.last().innerText(), /A new answer\.[\s\S]*The bot does not know what was said before/);
  assert.equal(await chat.page.locator(".problem").count(), 0);
});

test("it is asked again only once, and then told", async () => {
  await open();
  await stream.refuse(refusal(403, "session_not_yours"), refusal(403, "session_not_yours"));
  await chat.ask("A question");
  await chat.settled();
  assert.equal((await stream.questions()).length, 2);
  assert.match(await problem().innerText(), /belongs to someone else/);
  assert.doesNotMatch(await chat.exchanges.last().innerText(), /does not know what was said before/, "nothing was");
});

// ---- the visitor's token ---------------------------------------------------------------------------

test("a visitor's token is taken out of the address at once and sent with questions, never in an address", async () => {
  const addresses = [];
  await open({
    query: `?bot=${DEMO_BOT}#token=visitor.token&more=1`,
    prepare: async (page) => {
      page.on("request", (request) => addresses.push(request.url()));
      await scripted(page);
    },
  });
  assert.equal(chat.page.url(), `${TROIKA_URL}/?bot=${DEMO_BOT}#more=1`);
  assert.ok((await chat.page.evaluate(() => history.length)) <= 2);
  await answered("A question");
  assert.equal((await stream.headers())[0].authorization, "Bearer visitor.token");
  assert.deepEqual(addresses.filter((address) => address.replace(/#.*$/, "").includes("visitor.token")), []);
  assert.doesNotMatch(JSON.stringify(await stream.questions()), /visitor/);

  await chat.page.reload();
  await chat.exchanges.first().waitFor();
  await answered("Again");
  assert.equal((await stream.headers())[0].authorization, "Bearer visitor.token");
  assert.equal(await chat.page.evaluate(() => localStorage.length), 0);
});

test("another token in the address takes the first one's place, and a bot's token is not another's", async () => {
  await open({ query: "#token=one" });
  await chat.page.evaluate(() => (location.hash = "token=two"));
  await chat.page.waitForFunction(() => location.hash === "");
  await answered("A question");
  assert.equal((await stream.headers())[0].authorization, "Bearer two");
  await chat.page.goto(`${TROIKA_URL}/?bot=ffffffffffffffffffffffff`);
  await chat.ask("A question");
  assert.equal((await stream.headers())[0].authorization, undefined);
});

test("what cannot be a token is not sent, and leaves the address all the same", async () => {
  await open({ query: "#token=a%0Ab" });
  assert.equal(new URL(chat.page.url()).hash, "");
  await answered("A question");
  assert.equal((await stream.headers())[0].authorization, undefined);
});

test("a sign-in that is not taken any more is told, and the next question is a guest's", async () => {
  for (const [code, words] of [["token_expired", /sign-in has expired/], ["token_revoked", /sign-in was ended/], ["invalid_token", /sign-in is not accepted/]]) {
    await open({ query: "#token=visitor.token" });
    assert.match(await refused(401, code), words);
    assert.equal(await chat.retry.count(), 0);
    await answered("Again");
    assert.equal((await stream.headers())[1].authorization, undefined);
    assert.doesNotMatch(await chat.page.evaluate(() => JSON.stringify({ ...sessionStorage })), /visitor\.token/);
    await chat.close();
  }
  chat = undefined;
});

// ---- what visitors are told ------------------------------------------------------------------------

test("visitors are told in words for them why a bot does not answer, and no retry is offered that cannot help", async () => {
  await open();
  for (const [status, code, words] of [
    [401, "auth_required", /^This bot is private: it answers only visitors who are signed in\./],
    [403, "NEED_AUTH", /^To go on, sign in on the site/],
    [403, "origin_not_allowed", /^This bot does not answer on this website\.$/],
    [403, "quota_exhausted", /^This bot has given all the answers .* come back later\.$/],
    [403, "subscription_ended", /^This bot is not available any more\.$/],
    [403, "token_for_other_bot", /^Your sign-in is for another bot\.$/],
    [403, "token_for_other_company", /^Your sign-in is for another company’s bots\.$/],
    [403, "something_new", /^The server's own words for something_new\.$/],
  ]) {
    assert.match(await refused(status, code), words, code);
    assert.equal(await chat.retry.count(), 0, code);
    assert.match(await chat.announcer.innerText(), words.source.startsWith("^") ? new RegExp(words.source.slice(1).replace(/\$$/, "")) : words, code);
  }
});

test("an event that asks for signing in is told in the same words, whatever it says of retrying", async () => {
  await open();
  await chat.ask("A question");
  await stream.connect();
  await stream.send("error", { message: "Authentication required", code: "NEED_AUTH", canRetry: true });
  await stream.send("close", { reason: "error" });
  await stream.end();
  await chat.settled();
  assert.match(await problem().innerText(), /^\s*To go on, sign in on the site/);
  assert.equal(await chat.retry.count(), 0);
  assert.equal(await chat.field.isEnabled(), true);
});

test("too many questions: it is said when to try again, and nothing is asked before somebody presses the button", async () => {
  await open();
  assert.match(await refused(429, "rate_limited", { "retry-after": "2" }), /^Too many questions in a short time\.$/);
  assert.equal(await chat.retry.isDisabled(), true);
  assert.match(await chat.retry.innerText(), /^Try again in [12] s$/);
  assert.match(await chat.announcer.innerText(), /Too many questions in a short time\. You can try again in 2 s\./);
  await chat.page.getByRole("button", { name: "Try again", exact: true }).waitFor();
  await chat.page.waitForFunction(() => !document.querySelector(".retry").disabled);
  assert.equal((await stream.questions()).length, 1, "the page waits for somebody");
  await chat.retry.click();
  await chat.page.waitForFunction(() => window.troikaScript.questions.length === 2);
  await stream.connect();
  await stream.text("An answer.");
  await stream.complete();
  await chat.settled();
  assert.equal(await chat.exchanges.count(), 1);
});

test("long waits are told in minutes and hours", async () => {
  await open();
  assert.match(await refused(429, "too_many_streams", { "retry-after": "600" }), /^Too many answers/);
  assert.match(await chat.retry.innerText(), /^Try again in 10 min$/);
  assert.match(await refused(429, "daily_budget_exhausted", { "retry-after": "40000" }), /^This bot has answered all that it may for today\.$/);
  assert.match(await chat.retry.innerText(), /^Try again in 12 h$/);
  assert.match(await refused(429, "too_many_invalid_requests", { "retry-after": "60" }), /^Too many questions could not be accepted/);
  assert.match(await chat.retry.innerText(), /^Try again in (60|59) s$/);
});

//! What a reader is told when the service refuses, is away, or breaks off.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ChatPage, launch } from "./page.mjs";
import { ScriptedStream, scripted } from "./scripted_stream.mjs";

let browser;
let chat;
before(async () => (browser = await launch()));
after(async () => browser?.close());
afterEach(async () => {
  const faults = chat?.faults ?? [];
  await chat?.close();
  chat = undefined;
  assert.deepEqual(faults, []);
});

const STREAM = "**/api/chat/query/stream";

/** A page whose questions all end in one HTTP answer. */
async function refusing(status, body, headers = {}) {
  chat = await ChatPage.open(browser);
  await chat.page.route(STREAM, (route) =>
    route.fulfill({
      status,
      headers: { "content-type": "application/problem+json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  );
  await chat.ask("A question");
  await chat.settled();
  return chat.exchanges.last().locator(".problem");
}

test("the message of problem JSON is shown, and a 404 offers no retry", async () => {
  const problem = await refusing(404, { status: 404, title: "Not Found", message: "There is no bot with this id" });
  assert.equal((await problem.innerText()).trim(), "There is no bot with this id.");
  assert.equal(await chat.retry.count(), 0);
});

test("a 400 shows what is wrong with the question", async () => {
  const details = [{ field: "query", message: "Query must be at most 5000 characters", type: "string.max" }];
  const problem = await refusing(400, { status: 400, message: "Validation failed", details });
  assert.match(await problem.innerText(), /at most 5000 characters/);
  assert.equal(await chat.retry.count(), 0);
});

test("a 429 counts down to its Retry-After before it can be retried", async () => {
  const body = { status: 429, error: "Streaming rate limit exceeded. Please wait before starting a new stream." };
  const problem = await refusing(429, body, { "retry-after": "2" });
  assert.match(await problem.innerText(), /rate limit exceeded/);
  assert.equal(await chat.retry.isDisabled(), true);
  assert.match(await chat.retry.innerText(), /in \d s/);
  await problem.getByRole("button", { name: "Try again", exact: true }).waitFor();
  assert.equal(await chat.retry.isEnabled(), true);
});

test("a 503 can be retried, and the retry takes the failed question's place", async () => {
  const problem = await refusing(503, { status: 503, message: "The chat service is starting" });
  assert.match(await problem.innerText(), /The chat service is starting\./);
  await chat.page.unroute(STREAM);
  await chat.retry.click();
  await chat.settled();
  await chat.answerThat((text) => text.length > 0);
  assert.equal(await chat.exchanges.count(), 1);
  assert.equal(await chat.page.locator(".problem").count(), 0);
});

test("a proxy's HTML error is put into words", async () => {
  const problem = await refusing(502, "<h1>Bad gateway</h1>", { "content-type": "text/html" });
  assert.match(await problem.innerText(), /does not answer at the moment/);
  assert.doesNotMatch(await problem.innerText(), /<h1>/);
});

test("an unreachable server is told in words and can be retried", async () => {
  chat = await ChatPage.open(browser);
  await chat.page.route(STREAM, (route) => route.abort("connectionrefused"));
  await chat.ask("A question");
  await chat.settled();
  assert.match(await chat.exchanges.last().innerText(), /The server cannot be reached/);
  assert.equal(await chat.retry.isEnabled(), true);
});

test("being offline is told as such", async () => {
  chat = await ChatPage.open(browser);
  await chat.page.context().setOffline(true);
  await chat.ask("A question");
  await chat.settled();
  assert.match(await chat.exchanges.last().innerText(), /You are offline/);
});

test("an error event keeps the text that came, and offers a retry only when one can help", async () => {
  chat = await ChatPage.open(browser, { prepare: scripted });
  const stream = new ScriptedStream(chat.page);
  for (const canRetry of [true, false]) {
    await chat.ask("A question");
    await stream.connect();
    await stream.text("Half an answer");
    await stream.send("error", { message: "The model stopped answering", code: "model_unavailable", canRetry });
    await stream.send("close", { reason: "error" });
    await stream.end();
    await chat.settled();
    assert.match(await chat.exchanges.last().innerText(), /Half an answer[\s\S]*The model stopped answering\./);
    assert.equal(await chat.retry.count(), canRetry ? 1 : 0);
  }
});

test("a connection that breaks off is never taken for a whole answer", async () => {
  chat = await ChatPage.open(browser, { prepare: scripted });
  const stream = new ScriptedStream(chat.page);
  for (const ending of ["breakOff", "end"]) {
    await chat.ask("A question");
    await stream.connect();
    await stream.text("Half an answer");
    await stream[ending]();
    await chat.settled();
    assert.match(await chat.exchanges.last().innerText(), /broke before the answer was complete/);
    assert.equal(await chat.retry.count(), 1);
  }
});

test("a failed question survives a reload with its reason and its retry", async () => {
  const problem = await refusing(503, { status: 503, message: "The chat service is starting" });
  const said = await problem.innerText();
  await chat.page.reload();
  await chat.exchanges.first().waitFor();
  assert.equal(await chat.exchanges.last().locator(".problem").innerText(), said);
  assert.equal(await chat.retry.isEnabled(), true);
});

test("an address that names no possible bot says so and asks nobody", async () => {
  chat = await ChatPage.open(browser, { query: "?bot=nonsense" });
  assert.equal(await chat.greeting.innerText(), "No bot has this address");
  assert.equal(await chat.field.isDisabled(), true);
});

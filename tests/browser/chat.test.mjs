//! The page and the running service together.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ChatPage, DEMO_BOT, TROIKA_URL, launch } from "./page.mjs";

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

test("the page greets and offers three example questions", async () => {
  chat = await ChatPage.open(browser);
  assert.equal(await chat.greeting.innerText(), "What would you like to know?");
  assert.equal(await chat.page.locator("#examples").getByRole("button").count(), 3);
  assert.equal(await chat.newConversation.isVisible(), false);
});

test("the page is served with a policy that lets only its own files run", async () => {
  chat = await ChatPage.open(browser);
  const response = await chat.page.request.get(`${TROIKA_URL}/`);
  const policy = response.headers()["content-security-policy"] ?? "";
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/);
});

test("a question to the demo bot streams an answer into the log", async () => {
  chat = await ChatPage.open(browser);
  const [request] = await Promise.all([
    chat.page.waitForRequest((sent) => sent.url().endsWith("/api/chat/query/stream")),
    chat.ask("What is troika?"),
  ]);
  const body = request.postDataJSON();
  assert.equal(body.chatbotId, DEMO_BOT);
  assert.equal(body.query, "What is troika?");
  assert.equal(body.enableTTS, false);

  await chat.settled();
  const answer = await chat.answerThat((text) => text.length > 40);
  assert.match(answer, /troika/i);
  assert.equal(await chat.exchanges.last().getByRole("button", { name: "Copy answer" }).isVisible(), true);
  assert.equal(await chat.exchanges.last().locator(".problem").count(), 0);
});

test("an example question is asked with one press", async () => {
  chat = await ChatPage.open(browser);
  const example = chat.page.locator("#examples").getByRole("button").first();
  const question = await example.innerText();
  await example.click();
  await chat.settled();
  assert.match(await chat.exchanges.first().innerText(), new RegExp(question.replace(/[?.]/g, "\\$&")));
  await chat.answerThat((text) => text.length > 0);
});

test("the second question belongs to the session of the first, after a reload too", async () => {
  chat = await ChatPage.open(browser);
  await chat.ask("What is troika?");
  await chat.settled();
  const first = await chat.answerThat((text) => text.length > 0);

  await chat.page.reload();
  await chat.exchanges.first().waitFor();
  assert.equal(await chat.answer.innerText(), first);

  const session = await chat.page.evaluate(
    (bot) => JSON.parse(sessionStorage.getItem(`troika.conversation.${bot}`)).id,
    DEMO_BOT,
  );
  assert.match(session, /^[0-9a-f-]{36}$/);
  const [request] = await Promise.all([
    chat.page.waitForRequest((sent) => sent.url().endsWith("/api/chat/query/stream")),
    chat.ask("Which ports does it use?"),
  ]);
  assert.equal(request.postDataJSON().sessionId, session);
  await chat.settled();
  assert.equal(await chat.exchanges.count(), 2);
});

test("a new conversation forgets the old one", async () => {
  chat = await ChatPage.open(browser);
  await chat.ask("What is troika?");
  await chat.settled();
  await chat.newConversation.click();
  assert.equal(await chat.exchanges.count(), 0);
  assert.equal(await chat.greeting.isVisible(), true);
  const [request] = await Promise.all([
    chat.page.waitForRequest((sent) => sent.url().endsWith("/api/chat/query/stream")),
    chat.ask("What is troika?"),
  ]);
  assert.equal(request.postDataJSON().sessionId, undefined);
  await chat.settled();
});

test("stopping asks the server to end the turn and keeps what was said", async () => {
  chat = await ChatPage.open(browser);
  // A slow line, so that there is an answer to stop.
  const line = await chat.page.context().newCDPSession(chat.page);
  await line.send("Network.enable");
  await line.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: 700,
    uploadThroughput: 100_000,
  });
  await chat.ask("How does a question stream from the browser to the model?");
  const said = (await chat.answerThat((text) => text.length > 10)).trim();
  const [stopped] = await Promise.all([
    chat.page.waitForResponse((response) => response.url().endsWith("/api/chat/stop")),
    chat.page.keyboard.press("Escape"),
  ]);
  assert.equal(stopped.status(), 200);
  await chat.settled();
  assert.match(await chat.exchanges.last().innerText(), /You stopped this answer\./);
  assert.ok((await chat.answer.innerText()).startsWith(said));
});

test("an unknown bot is told in words and cannot be retried", async () => {
  chat = await ChatPage.open(browser, { query: "?bot=ffffffffffffffffffffffff" });
  await chat.ask("Is anybody there?");
  await chat.settled();
  const problem = chat.exchanges.last().locator(".problem");
  await problem.waitFor();
  assert.match(await problem.innerText(), /bot/i);
  assert.equal(await chat.retry.count(), 0);
});

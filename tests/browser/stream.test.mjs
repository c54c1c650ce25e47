//! How the page takes an event stream, however it is cut, ordered or meant.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ChatPage, launch } from "./page.mjs";
import { SESSION_ID, ScriptedStream, TURN_ID, frame, scripted } from "./scripted_stream.mjs";

let browser;
let chat;
let stream;
before(async () => (browser = await launch()));
after(async () => browser?.close());
beforeEach(async () => {
  chat = await ChatPage.open(browser, { prepare: scripted });
  stream = new ScriptedStream(chat.page);
});
afterEach(async () => {
  const { faults } = chat;
  await chat.close();
  assert.deepEqual(faults, []);
});

test("text shows as it comes, before the answer is complete", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.text("First words");
  await chat.answerThat((text) => text === "First words");
  assert.equal(await chat.stop.isVisible(), true);
  await stream.text(" and last.");
  await stream.complete({ fullAnswer: "First words and last." });
  await chat.settled();
  assert.equal(await chat.answer.innerText(), "First words and last.");
});

test("a stream cut at every byte, inside characters too, reads as one piece", async () => {
  const bytes = [...new TextEncoder().encode(
    `: hello\n\nid: 0\nevent: text\ndata: {"content":"नमस्ते 👋🏽 ₹500"}\n\n`,
  )];
  await chat.ask("A question");
  await stream.connect();
  for (const byte of bytes) await stream.writeBytes([byte]);
  await chat.answerThat((text) => text === "नमस्ते 👋🏽 ₹500");
  await stream.complete();
  await chat.settled();
});

test("the parser follows the standard on line ends, comments, joined data and fields without a value", async () => {
  const parsed = await chat.page.evaluate(async () => {
    const { EventParser } = await import("/app/sse.js");
    const wire = new TextEncoder().encode(
      "\uFEFF: comment\r\nevent: a\rdata: 1\r\n\r\ndata:2\ndata: 3\nid: 7\n\nevent: none\n\ndata\n\nretry: 5\ndata: é\n\nevent: cut\ndata: never",
    );
    const results = [];
    for (let size = 1; size <= wire.length; size += 1) {
      const parser = new EventParser();
      const events = [];
      for (let at = 0; at < wire.length; at += size) events.push(...parser.push(wire.subarray(at, at + size)));
      results.push(JSON.stringify(events));
    }
    return { distinct: [...new Set(results)], events: JSON.parse(results[0]) };
  });
  assert.equal(parsed.distinct.length, 1);
  assert.deepEqual(parsed.events, [
    { type: "a", data: "1", id: "" },
    { type: "message", data: "2\n3", id: "7" },
    { type: "message", data: "", id: "7" },
    { type: "message", data: "é", id: "7" },
  ]);
});

test("what an answer carries as HTML is shown and never runs", async () => {
  const answer = [
    'Hello <img src=x onerror="window.pwned=1"> <script>window.pwned=2</script>',
    '<svg onload="window.pwned=3"></svg>',
    "[click](javascript:window.pwned=4) [data](data:text/html,<script>window.pwned=5</script>) ![p](javascript:window.pwned=6)",
    '<a href="javascript:window.pwned=7" onclick="window.pwned=8">raw</a> [ok](https://example.com "a\\" onmouseover=\\"window.pwned=9")',
    "<iframe src=https://example.com></iframe> <style>body{display:none}</style> <form><input name=q></form>",
    '```html"><img src=x onerror=window.pwned=10>\n<b>code</b>\n```',
    "[vb](vbscript:x) [entity](jav&#x61;script:window.pwned=11) <javascript:window.pwned=12> ![far](https://example.com/p.png)",
  ].join("\n\n");
  await chat.ask("A question");
  await stream.connect();
  for (const character of answer) await stream.text(character);
  await stream.complete({ fullAnswer: answer });
  await chat.settled();

  const links = await chat.answer.getByRole("link").all();
  for (const link of links) {
    assert.match(await link.getAttribute("href"), /^https:\/\/example\.com/);
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer nofollow");
  }
  assert.equal(await chat.answer.locator("img, script, svg, iframe, style, form, input, [onclick], [onerror], [onmouseover]").count(), 0);
  assert.match(await chat.answer.innerText(), /<img src=x onerror="window\.pwned=1">/);
  assert.equal(await chat.page.evaluate(() => window.pwned), undefined);
});

test("marks that the stream has cut open do not flash", async () => {
  await chat.ask("A question");
  await stream.connect();
  const answer = "Some **bold** text, `code`, a [link](https://example.com/a).\n\nThen a list:\n- one\n- **two**";
  const shown = new Set();
  for (const character of answer) {
    await stream.text(character);
    await chat.page.evaluate(() => new Promise(requestAnimationFrame));
    shown.add(await chat.answer.innerText());
    assert.equal(await chat.answer.locator("h3, h4").count(), 0, "no line became a heading for a moment");
  }
  for (const text of shown) assert.doesNotMatch(text, /\*\*|`|\]\(/, `marks flashed in ${JSON.stringify(text)}`);
  await stream.complete();
  await chat.settled();
  assert.equal(await chat.answer.getByRole("listitem").count(), 2);
});

test("finished paragraphs stay the same elements while the next ones come", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.text("The first paragraph.\n\nThe sec");
  await chat.answerThat((text) => text.includes("The sec"));
  const first = await chat.answer.locator("p").first().elementHandle();
  await stream.text("ond.\n\nThe third.");
  await chat.answerThat((text) => text.includes("third"));
  assert.equal(await first.evaluate((element) => element.isConnected), true);
  await stream.complete();
  await chat.settled();
});

test("suggestions become buttons that ask", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.text("An answer.");
  await stream.send("suggestions", { items: ["Why so?", "And then?"], suggestions: ["Why so?", "And then?"], count: 2 });
  await stream.complete();
  await chat.settled();
  assert.deepEqual(await chat.suggestions.allInnerTexts(), ["Why so?", "And then?"]);
  await chat.suggestions.last().click();
  assert.equal(await chat.exchanges.count(), 2);
  assert.equal(await chat.suggestions.count(), 0);
  assert.deepEqual((await stream.questions()).at(-1), {
    query: "And then?",
    chatbotId: "000000000000000000000001",
    enableTTS: false,
    sessionId: SESSION_ID,
  });
});

test("a warning and the model's name stand discreetly by the answer", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.send("metadata", { model: "knowledge" });
  await stream.send("warning", { code: "model_unavailable", message: "The model is away.", warning: "The model is away." });
  await stream.text("From memory.");
  await stream.complete();
  await chat.settled();
  const shown = await chat.exchanges.last().innerText();
  assert.match(shown, /The model is away\./);
  assert.match(shown, /Quoted from the bot’s knowledge · \d+\.\d s/);
});

test("an answer that was cut says so", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.text("A long answer.");
  await stream.complete({ finishReason: "length", truncated: true });
  await chat.settled();
  assert.match(await chat.exchanges.last().innerText(), /cut at its length limit/);
});

test("stopping names the turn and leaves when the server does not end it", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.text("Half an ans");
  await chat.answerThat((text) => text === "Half an ans");
  await chat.stop.click();
  await chat.settled();
  assert.deepEqual(await stream.stops(), [{ turnId: TURN_ID }]);
  await stream.left();
  assert.match(await chat.exchanges.last().innerText(), /Half an ans[\s\S]*You stopped this answer\./);
});

test("a turn stopped before it had an id is left at once", async () => {
  await chat.ask("A question");
  await chat.stop.waitFor();
  await chat.page.keyboard.press("Escape");
  await chat.settled();
  await stream.left();
  assert.deepEqual(await stream.stops(), []);
});

test("a new conversation in mid-answer ends the old turn and shows none of it", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.text("Old words");
  await chat.answerThat((text) => text === "Old words");
  await chat.newConversation.click();
  await stream.left();
  assert.equal(await chat.exchanges.count(), 0);
  assert.equal(await chat.send.isVisible(), true);
});

test("unknown and unreadable events are passed over", async () => {
  await chat.ask("A question");
  await stream.connect();
  await stream.write("event: text\ndata: {broken\n\n");
  await stream.write(frame("novelty", { content: "no" }));
  await stream.write(frame("text", { content: 7 }));
  await stream.text("Still here.");
  await stream.complete();
  await chat.settled();
  assert.equal(await chat.answer.innerText(), "Still here.");
});

test("copying puts the answer's Markdown on the clipboard", async () => {
  await chat.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await chat.ask("A question");
  await stream.connect();
  await stream.text("**Bold** words.");
  await stream.complete({ fullAnswer: "**Bold** words." });
  await chat.settled();
  await chat.exchanges.last().getByRole("button", { name: "Copy answer" }).click();
  await chat.exchanges.last().getByText("Copied").waitFor();
  assert.equal(await chat.page.evaluate(() => navigator.clipboard.readText()), "**Bold** words.");
});

test("a reader who scrolled up is left there and offered the way back", async () => {
  await chat.ask("A question");
  await stream.connect();
  for (let line = 0; line < 60; line += 1) await stream.text(`Line ${line}.\n\n`);
  await chat.answerThat((text) => text.includes("Line 59."));
  const latest = chat.page.getByRole("button", { name: "Latest" });
  assert.equal(await latest.isVisible(), false);
  await chat.page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
  await latest.waitFor();
  for (let line = 60; line < 80; line += 1) await stream.text(`Line ${line}.\n\n`);
  await chat.answerThat((text) => text.includes("Line 79."));
  assert.equal(await chat.page.evaluate(() => scrollY), 0);
  await latest.click();
  await latest.waitFor({ state: "hidden" });
  await stream.complete();
  await chat.settled();
});

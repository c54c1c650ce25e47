//! The page for everybody: by keyboard, by ear, on a phone, in the dark.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";
import { ChatPage, launch } from "./page.mjs";
import { ScriptedStream, scripted } from "./scripted_stream.mjs";

let browser;
let chat;
let axe;
before(async () => {
  browser = await launch();
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});
after(async () => browser?.close());
afterEach(async () => {
  const faults = chat?.faults ?? [];
  await chat?.close();
  chat = undefined;
  assert.deepEqual(faults, []);
});

const RICH = [
  "## A heading",
  "Words with **weight**, `code` and a [link](https://example.com/a/long/address/that/does/not/break).",
  "| event | when |\n|---|---|\n| `connected` | first |",
  "```\na line of code that is far too long for the screen of any telephone that was ever made\n```",
  "> A quotation.",
  "1. one\n2. two\n   - deeper",
  "Averyveryverylongwordwithoutanyspacethatcouldbebrokenanywhereatallinawayapersonwouldbreakit.",
].join("\n\n");

/** A page with an answer of everything, a warning, suggestions, and a failed question. */
async function full(context) {
  chat = await ChatPage.open(browser, { prepare: scripted, ...context });
  const stream = new ScriptedStream(chat.page);
  await chat.ask("A question with averyveryverylongwordwithoutanyspacethatcouldbebrokenanywhere");
  await stream.connect();
  await stream.send("metadata", { model: "a-model-with-a-name-as-long-as-models-have-them-today-2026-11-01" });
  await stream.send("warning", { code: "retrieval_failed", message: "Answering without the bot’s knowledge." });
  await stream.text(RICH);
  await stream.complete();
  await chat.settled();
  await chat.ask("Another");
  await stream.connect();
  await stream.text("Half.");
  await stream.send("suggestions", { items: ["A follow-up question of some length, longer than a line?", "Short?"] });
  await stream.send("error", { message: "The model stopped answering", code: "model_unavailable", canRetry: true });
  await stream.send("close", { reason: "error" });
  await chat.settled();
  return stream;
}

async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing serious, ${colorScheme}`, async () => {
    chat = await ChatPage.open(browser, { colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await violations(chat.page), []);
    await chat.close();
    await full({ colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await violations(chat.page), []);
  });

  for (const width of [320, 390]) {
    test(`nothing sticks out at ${width} pixels, ${colorScheme}`, async () => {
      const phone = { viewport: { width, height: 640 }, colorScheme, hasTouch: true, isMobile: true };
      chat = await ChatPage.open(browser, phone);
      assert.equal(await overflow(chat.page), 0);
      await chat.close();
      await full(phone);
      assert.equal(await overflow(chat.page), 0);
    });
  }
}

/** A phone's browser makes room for what sticks out: its own width is the measure. */
const overflow = async (page) => Math.max(0, (await page.evaluate(() => document.documentElement.scrollWidth)) - page.viewportSize().width);

test("the dark scheme is dark and the light one light", async () => {
  const brightness = async (colorScheme) => {
    const opened = await ChatPage.open(browser, { colorScheme });
    const color = await opened.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await opened.close();
    return color.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
  };
  assert.ok((await brightness("dark")) < 60);
  assert.ok((await brightness("light")) > 200);
});

test("a whole conversation can be had with the keyboard alone", async () => {
  chat = await ChatPage.open(browser, { prepare: scripted });
  const stream = new ScriptedStream(chat.page);
  const { keyboard } = chat.page;
  const focused = () => chat.page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim() ?? "");
  const inField = () => chat.field.evaluate((field) => field === document.activeElement);

  assert.equal(await inField(), true, "the field has the focus from the start");
  await keyboard.type("First line");
  await keyboard.press("Shift+Enter");
  await keyboard.type("second line");
  assert.equal(await chat.field.inputValue(), "First line\nsecond line");
  await keyboard.press("Enter");
  assert.equal(await chat.field.inputValue(), "");
  assert.equal((await stream.questions())[0].query, "First line\nsecond line");

  await stream.connect();
  await stream.text("An answer");
  await keyboard.type("typed ahead");
  await keyboard.press("Enter");
  assert.equal((await stream.questions()).length, 1, "Enter sends nothing while an answer comes");
  assert.equal(await chat.field.inputValue(), "typed ahead");
  await keyboard.press("Escape");
  await chat.settled();
  assert.equal(await inField(), true);

  await chat.field.fill("");
  await keyboard.type("Again");
  await keyboard.press("Tab");
  assert.equal(await focused(), "Send question");
  await keyboard.press("Enter");
  assert.equal(await inField(), true, "the focus returns to the field");
  await stream.connect();
  await stream.text("An answer.");
  await stream.send("suggestions", { items: ["Why?"] });
  await stream.complete();
  await chat.settled();
  await keyboard.press("Shift+Tab");
  assert.equal(await focused(), "Why?");
  await keyboard.press("Space");
  assert.equal((await stream.questions()).at(-1).query, "Why?");
  assert.equal(await inField(), true);
  await stream.connect();
  await stream.text("Because.");
  await stream.complete();
  await chat.settled();

  await chat.newConversation.focus();
  await keyboard.press("Enter");
  assert.equal(await chat.exchanges.count(), 0);
  assert.equal(await inField(), true);
});

test("a screen reader hears whole sentences, each once, and not the tokens", async () => {
  chat = await ChatPage.open(browser, { prepare: scripted });
  const stream = new ScriptedStream(chat.page);
  await chat.page.evaluate(() => {
    window.heard = [];
    const region = document.getElementById("announcer");
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) for (const node of addedNodes) window.heard.push(node.textContent);
    }).observe(region, { childList: true });
  });
  await chat.ask("A question");
  await stream.connect();
  for (const token of ["The first", " sentence is", " **here**.", " The sec", "ond follows", ".\n\n- An item", "\n- Another"]) {
    await stream.text(token);
    await chat.page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await stream.complete();
  await chat.settled();
  const heard = (await chat.page.evaluate(() => window.heard)).join("|");
  assert.equal(heard, "Question sent.|The first sentence is here.|The second follows.|An item|Another|Answer complete.");
  assert.equal(await chat.log.getAttribute("aria-live"), "off");
  assert.equal(await chat.announcer.getAttribute("aria-live"), "polite");
});

test("the counter shows near the limit, and beyond it nothing can be sent", async () => {
  chat = await ChatPage.open(browser, { prepare: scripted });
  const stream = new ScriptedStream(chat.page);
  const counter = chat.page.locator("#counter");
  await chat.field.fill("x".repeat(4_499));
  assert.equal(await counter.innerText(), "");
  await chat.field.fill("x".repeat(4_500));
  assert.equal(await counter.innerText(), "4500 of 5000 characters");
  await chat.field.fill("😀".repeat(5_000));
  assert.equal(await counter.innerText(), "5000 of 5000 characters");
  assert.equal(await chat.send.isEnabled(), true);
  await chat.field.fill("x".repeat(5_002));
  assert.equal(await counter.innerText(), "2 characters too long");
  assert.equal(await chat.field.getAttribute("aria-invalid"), "true");
  assert.equal(await chat.send.isDisabled(), true);
  await chat.field.press("Enter");
  assert.deepEqual(await stream.questions(), []);
});

test("reduced motion is respected", async () => {
  chat = await ChatPage.open(browser, { prepare: scripted, reducedMotion: "reduce" });
  const stream = new ScriptedStream(chat.page);
  await chat.ask("A question");
  await stream.connect();
  const running = await chat.page.evaluate(() => document.getAnimations().length);
  assert.equal(running, 0);
  await stream.complete();
  await chat.settled();
});

//! How the page speaks: what is played is what was sent, in order and without gaps, and it falls silent when told to.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ChatPage, launch } from "./page.mjs";
import { ScriptedStream, scripted } from "./scripted_stream.mjs";
import { played, recorded } from "./recorded_sound.mjs";

const RATE = 24_000;

let browser;
let chat;
let stream;
before(async () => (browser = await launch()));
after(async () => browser?.close());
beforeEach(() => open());

/** The page; `change` alters its browser before the page's own scripts run. */
async function open(change = () => {}) {
  await chat?.close();
  chat = await ChatPage.open(browser, {
    prepare: async (page) => {
      await scripted(page);
      await recorded(page);
      await page.addInitScript(change);
    },
  });
  stream = new ScriptedStream(chat.page);
}
afterEach(async () => {
  const { faults } = chat;
  await chat.close();
  chat = undefined;
  assert.deepEqual(faults, []);
});

const voice = () => chat.page.getByRole("button", { name: "Read answers aloud" });
const silencer = () => chat.page.getByRole("button", { name: "Stop speaking" });

/** Sound that can be told apart: a ramp that begins at `from`. */
function samples(count, from) {
  return Array.from({ length: count }, (_, at) => ((from + at * 7) % 60_000) - 30_000);
}

function audio(sequence, values, text = "One.", rest = {}) {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, at) => bytes.writeInt16LE(value, at * 2));
  return {
    chunk: bytes.toString("base64"), sequence, format: "base64", encoding: "LINEAR16", sampleRateHertz: RATE,
    channels: 1, text, sentence: text, sentenceIndex: 0, last: false, ...rest,
  };
}

/** A question with the voice on, and the beginning of its answer. */
async function askAloud(question = "A question") {
  await voice().click();
  await chat.ask(question);
  await stream.connect();
}

test("the switch is off at first, is remembered, and asks for speech", async () => {
  assert.equal(await voice().getAttribute("aria-pressed"), "false");
  await chat.ask("Quietly");
  await stream.connect();
  await stream.complete();
  await chat.settled();
  await voice().click();
  assert.equal(await voice().getAttribute("aria-pressed"), "true");
  await chat.ask("Aloud");
  await stream.connect();
  await stream.complete();
  await chat.settled();
  assert.deepEqual((await stream.questions()).map(({ enableTTS }) => enableTTS), [false, true]);
  await chat.page.reload();
  assert.equal(await voice().getAttribute("aria-pressed"), "true");
});

test("the samples played are the samples sent, each on the heels of the one before", async () => {
  await askAloud();
  const pieces = [0, 1, 2, 3, 4].map((place) => samples(6_000, place * 1_000));
  await stream.text("One.");
  // The second comes before the first, the third twice.
  for (const place of [1, 0, 2, 2, 4, 3]) await stream.send("audio", audio(place, pieces[place]));
  await stream.complete();
  await chat.page.waitForFunction(() => window.troikaSound.started.length === 5);
  const sounds = await played(chat.page);
  assert.deepEqual(sounds.flatMap(({ values }) => values), pieces.flat());
  for (let at = 1; at < sounds.length; at += 1) {
    const gap = (sounds[at].start - sounds[at - 1].start) * RATE - sounds[at - 1].values.length;
    assert.ok(Math.abs(gap) < 1, `a gap of ${gap} samples before piece ${at}`);
  }
});

test("a piece that never comes holds the others up for a moment only", async () => {
  await askAloud();
  await stream.send("audio", audio(0, samples(2_400, 0)));
  await stream.send("audio", audio(2, samples(2_400, 5)));
  await chat.page.waitForFunction(() => window.troikaSound.started.length === 2);
  await stream.complete();
});

test("what the loudspeaker gets is what was sent, to the bit, across every joint", async () => {
  await askAloud();
  for (let place = 0; place < 12; place += 1) await stream.send("audio", audio(place, samples(11_999 + place, place * 1_009)));
  await chat.page.waitForFunction(() => window.troikaSound.started.length === 12);
  const differing = await chat.page.evaluate(async () => {
    const pieces = window.troikaSound.started.slice(); // playing them again is noted, too
    const [first] = pieces;
    const last = pieces.at(-1);
    const rate = 24_000;
    const offline = new OfflineAudioContext(1, Math.ceil((last.when + 1) * rate) + last.values.length, rate);
    for (const { when, values } of pieces) {
      const buffer = offline.createBuffer(1, values.length, rate);
      buffer.copyToChannel(values, 0);
      const source = offline.createBufferSource();
      source.buffer = buffer;
      source.connect(offline.destination);
      source.start(when);
    }
    const heard = (await offline.startRendering()).getChannelData(0);
    const from = Math.round(first.when * rate);
    // As 16-bit samples: a start that no double can say exactly makes Chromium interpolate by 1e-12 of a sample,
    // which turns a 0 into 1e-16.
    const bits = (value) => Math.round(value * 32_768);
    return pieces.flatMap(({ values }) => [...values]).filter((value, at) => bits(heard[from + at]) !== bits(value)).length;
  });
  assert.equal(differing, 0);
  await stream.complete();
});

test("an answer whose first piece never came can be silenced", async () => {
  await askAloud();
  await stream.send("audio", audio(1, samples(72_000, 0)));
  await silencer().click();
  await silencer().waitFor({ state: "hidden" });
  await stream.complete();
});

test("a loudspeaker that wakes late is not put to rest while it is needed", async () => {
  await open(() => {
    window.rests = 0;
    const { resume, suspend } = AudioContext.prototype;
    AudioContext.prototype.resume = async function () {
      await new Promise((done) => setTimeout(done, 300));
      return resume.call(this);
    };
    AudioContext.prototype.suspend = function () {
      window.rests += 1;
      return suspend.call(this);
    };
    // The long wait before the rest is a short one here.
    const real = window.setTimeout;
    window.setTimeout = (act, wait, ...rest) => real(act, wait > 10_000 && wait < 20_000 ? 500 : wait, ...rest);
  });
  await chat.field.fill("A question");
  await chat.page.evaluate(() => {
    document.getElementById("voice").click();
    document.getElementById("send").click();
  });
  await stream.connect();
  await stream.send("audio", audio(0, samples(48_000, 0)));
  await silencer().waitFor();
  await stream.complete();
  await silencer().waitFor({ state: "hidden" }); // two seconds of sound were played to their end
  assert.equal(await chat.page.evaluate(() => window.rests), 0);
});

test("stop silences at once, and what comes later stays silent", async () => {
  await askAloud();
  await stream.text("A long answer");
  // Longer than a slow machine takes to press the button.
  for (const place of [0, 1, 2]) await stream.send("audio", audio(place, samples(120_000, place)));
  await silencer().waitFor();
  await chat.stop.click();
  await silencer().waitFor({ state: "hidden" });
  const { stopped, started } = await chat.page.evaluate(() => ({
    stopped: window.troikaSound.stopped, started: window.troikaSound.started.length,
  }));
  assert.equal(stopped, started);
  await stream.send("audio", audio(3, samples(24_000, 9)));
  await stream.send("complete", { success: true, finishReason: "stopped" });
  await stream.send("close", { reason: "stopped" });
  await stream.end();
  await chat.settled();
  assert.equal(await chat.page.evaluate(() => window.troikaSound.started.length), started);
});

test("the voice can be silenced after the text is complete, by its button, its switch, a new question and Escape", async () => {
  await voice().click();
  const silences = [
    () => silencer().click(),
    async () => {
      await voice().click();
      await voice().click();
    },
    () => chat.page.keyboard.press("Escape"),
    () => chat.newConversation.click(),
  ];
  for (const silence of silences) {
    await chat.ask("A question");
    await stream.connect();
    await stream.text("Spoken for long.");
    await stream.send("audio", audio(0, samples(120_000, 0), "Spoken for long."));
    await stream.complete();
    await chat.settled();
    await silencer().waitFor();
    await silence();
    await silencer().waitFor({ state: "hidden" });
  }
  const { stopped, started } = await chat.page.evaluate(() => ({
    stopped: window.troikaSound.stopped, started: window.troikaSound.started.length,
  }));
  assert.equal(stopped, started);
});

test("the sentence that is heard is marked in the rendered answer, and the next one after it", async () => {
  await askAloud();
  await stream.text("It is **very** good. And `cheap`, too.");
  await stream.send("audio", audio(0, samples(12_000, 0), "It is very good."));
  await stream.send("audio", audio(1, samples(24_000, 0), "And cheap, too.", { sentenceIndex: 1 }));
  const marked = (text) =>
    chat.page.waitForFunction((wanted) => {
      const [range] = [...(CSS.highlights.get("spoken") ?? [])];
      return range !== undefined && range.toString().replace(/\W+$/, "") === wanted;
    }, text);
  await marked("It is very good");
  await marked("And cheap, too");
  await stream.complete({ fullAnswer: "It is **very** good. And `cheap`, too." });
  await chat.page.waitForFunction(() => !CSS.highlights.has("spoken"));
});

test("an item of a list is marked although its number is spoken, too", async () => {
  await askAloud();
  await stream.text("Steps:\n\n1. Install it.\n2. Run it.\n");
  await stream.send("audio", audio(0, samples(12_000, 0), "1. Install it."));
  await chat.page.waitForFunction(() => {
    const [range] = [...(CSS.highlights.get("spoken") ?? [])];
    return range?.toString() === "Install it";
  });
  await stream.complete();
});

test("without the browser's highlights the mark lies behind the text and moves nothing", async () => {
  await open(() => Object.defineProperty(window, "CSS", { value: { supports: CSS.supports.bind(CSS) } }));
  await askAloud();
  await stream.text("Heard aloud. And more.");
  await chat.answerThat((text) => text.includes("more"));
  const place = await chat.answer.boundingBox();
  await stream.send("audio", audio(0, samples(72_000, 0), "Heard aloud."));
  const mark = await chat.page.locator(".spoken-boxes div").first().boundingBox();
  assert.deepEqual(await chat.answer.boundingBox(), place);
  assert.ok(Math.abs(mark.x - place.x) < 1 && mark.y >= place.y && mark.width < place.width, JSON.stringify(mark));
  await stream.complete();
});

test("a voice that is not available is said once, and the text goes on", async () => {
  await askAloud();
  const warning = { code: "voice_unavailable", message: "The voice is not available right now." };
  await stream.send("warning", warning);
  await stream.text("Only to be read.");
  await stream.complete({ fullAnswer: "Only to be read." });
  await chat.settled();
  assert.equal(await chat.log.getByText(warning.message).count(), 1);
  assert.equal(await chat.answer.innerText(), "Only to be read.");
});

test("sound that cannot be read leaves the text alone", async () => {
  await askAloud();
  for (const wrong of [
    { ...audio(0, [1]), chunk: "%%%" },
    { ...audio(1, [1]), chunk: 7 },
    { ...audio(2, [1, 2]), encoding: "MP3" },
    { sequence: "x" },
    {},
  ]) await stream.send("audio", wrong);
  await stream.send("audio", audio(3, samples(2_400, 1)));
  await stream.text("Still here.");
  await stream.complete({ fullAnswer: "Still here." });
  await chat.settled();
  assert.equal(await chat.answer.innerText(), "Still here.");
});

test("a screen reader gets the answer when the voice is off, and not beside the voice", async () => {
  await askAloud();
  await stream.text("Heard aloud. ");
  await stream.send("audio", audio(0, samples(12_000, 0), "Heard aloud."));
  await silencer().waitFor();
  await stream.text("And so on.");
  await stream.complete({ fullAnswer: "Heard aloud. And so on." });
  await chat.settled();
  await silencer().waitFor({ state: "hidden" });
  const said = await chat.announcer.innerText();
  assert.ok(!said.includes("Heard aloud"), said);
  assert.ok(said.includes("Answer complete."), said);
});

test("an answer heard while the page was out of sight is not read out afterwards", async () => {
  await voice().click();
  await chat.page.evaluate(() => (window.requestAnimationFrame = () => 1)); // as in a hidden tab
  await chat.ask("A question");
  await stream.connect();
  await stream.text("Heard aloud.");
  await stream.send("audio", audio(0, samples(6_000, 0), "Heard aloud."));
  await stream.complete();
  const said = () => document.getElementById("announcer").textContent;
  await chat.page.waitForFunction(
    () => document.getElementById("announcer").textContent.includes("Answer complete."), undefined, { polling: 50 },
  );
  assert.ok(!(await chat.page.evaluate(said)).includes("Heard aloud"));
});

test("a new conversation does not have the old answer read out", async () => {
  await askAloud();
  await stream.text("Old words one. Old words two.");
  await chat.answerThat((text) => text.includes("two"));
  await chat.newConversation.click();
  assert.ok(!(await chat.announcer.innerText()).includes("Old words"));
});

test("the page is accessible while it speaks, at phone width too", async () => {
  await chat.page.setViewportSize({ width: 360, height: 740 });
  await askAloud();
  await stream.text("Spoken.");
  await stream.send("audio", audio(0, samples(72_000, 0), "Spoken."));
  await silencer().waitFor();
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const violations = await chat.page.evaluate(`${axe}; axe.run().then(({ violations }) =>
    violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => id + ": " + nodes[0].html))`);
  assert.deepEqual(violations, []);
  const width = await chat.page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `${width} px wide`);
  await stream.complete();
});

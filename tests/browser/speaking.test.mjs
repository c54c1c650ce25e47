//! The running service is heard: the demo bot's answer, spoken by the engine of this machine.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatPage, launch } from "./page.mjs";
import { played, recorded } from "./recorded_sound.mjs";

const RATE = 24_000;

let browser;
before(async () => (browser = await launch()));
after(async () => browser?.close());

/** Keeps a copy of the event stream beside the page's own reading of it. */
function listening(page) {
  return page.addInitScript(() => {
    const real = window.fetch.bind(window);
    window.troikaWire = "";
    const keep = async (body) => {
      try {
        for await (const text of body.pipeThrough(new TextDecoderStream())) window.troikaWire += text;
      } catch {
        // The page leaves once it has read the last event; so much is here, too.
      }
    };
    window.fetch = async (address, options) => {
      const response = await real(address, options);
      if (String(address).endsWith("/query/stream")) void keep(response.clone().body);
      return response;
    };
  });
}

test("the demo bot's answer is heard, every piece that was sent", async () => {
  const chat = await ChatPage.open(browser, {
    prepare: async (page) => {
      await recorded(page);
      await listening(page);
    },
  });
  await chat.page.getByRole("button", { name: "Read answers aloud" }).click();
  await chat.ask("What is troika?");
  await chat.stop.waitFor();
  await chat.settled();
  await chat.page.waitForFunction(() => window.troikaWire.includes("event: close"));
  const wire = await chat.page.evaluate(() => window.troikaWire);

  const ending = wire.split("\n\n").find((event) => event.includes("\nevent: complete\n"));
  const { audioChunks } = JSON.parse(ending.slice(ending.indexOf("data: ") + 6));
  await chat.page.waitForFunction((count) => window.troikaSound.started.length === count, audioChunks);
  const sounds = await played(chat.page);
  const sent = [...wire.matchAll(/event: audio\ndata: (.*)\n/g)].map(([, data]) => JSON.parse(data));
  const bytes = Buffer.concat(sent.map(({ chunk }) => Buffer.from(chunk, "base64")));
  const values = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  assert.deepEqual(sounds.flatMap((sound) => sound.values), [...values], "the samples played are the samples sent");

  const power = values.reduce((sum, value) => sum + (value / 32_768) ** 2, 0) / values.length;
  assert.ok(values.length > RATE, `${values.length / RATE} s of sound`);
  assert.ok(Math.sqrt(power) > 0.02, `as loud as ${Math.sqrt(power)}`);
  await chat.page.getByRole("button", { name: "Stop speaking" }).click();
  assert.deepEqual(chat.faults, []);
  await chat.close();
});

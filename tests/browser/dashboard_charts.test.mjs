//! The dashboard's charts: that they are really drawn, of the figures that the server gives, with gaps where there are none.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { launch } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { NO_FIGURES, ScriptedMetrics, figures, history } from "./scripted_metrics.mjs";

let browser;
let page;
beforeAll(async () => (browser = await launch()));
after(async () => browser?.close());
afterEach(async () => {
  const faults = page?.faults ?? [];
  await page?.close();
  page = undefined;
  assert.deepEqual(faults, []);
});

const NAMES = ["First token", "First audio", "Complete answer", "Requests", "Errors by kind", "Success rate", "Cache hit rates", "Tokens", "Between tokens", "Strain", "Cost"];
const HOUR_S = 3_600;

const live = async (options) => (page = await DashboardPage.live(browser, { reducedMotion: "reduce", ...options }));

/** An hour of minutes, of which `of` says what they are; nothing where it says nothing. */
function hour(of) {
  const to = Math.ceil(Date.now() / 60_000) * 60;
  const points = Array.from({ length: 60 }, (_, minute) => ({ at: new Date((to - HOUR_S + minute * 60) * 1_000).toISOString(), figures: of(minute) })).filter((point) => point.figures !== null);
  return { range: "1h", from: new Date((to - HOUR_S) * 1_000).toISOString(), to: new Date(to * 1_000).toISOString(), stepSeconds: 60, points };
}

const withHour = (of) => new ScriptedMetrics({ histories: { "1h": hour(of) } });

/** Where coloured pixels stand on a chart, as shares of its plotting area: [left, right, top, bottom]; null without any. */
const extent = (name) =>
  page
    .chart(name)
    .locator(".uplot")
    .evaluate((plot) => {
      const canvas = plot.querySelector("canvas");
      const over = plot.querySelector(".u-over");
      const scale = canvas.width / plot.clientWidth;
      const [left, top, width, height] = [over.offsetLeft, over.offsetTop, over.clientWidth, over.clientHeight].map((size) => Math.round(size * scale));
      const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
      const found = [1, 0, 1, 0];
      let any = false;
      for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue, alpha] = data.subarray(at, at + 4);
        if (alpha < 128 || Math.max(red, green, blue) - Math.min(red, green, blue) <= 40) continue;
        any = true;
        const [x, y] = [((at / 4) % width) / width, Math.floor(at / 4 / width) / height];
        found[0] = Math.min(found[0], x);
        found[1] = Math.max(found[1], x);
        found[2] = Math.min(found[2], y);
        found[3] = Math.max(found[3], y);
      }
      return any ? found : null;
    });

const near = (seen, wanted, tolerance = 0.03) => assert.ok(Math.abs(seen - wanted) <= tolerance, `${seen} is about ${wanted}`);

test("every chart is drawn, in colours", async () => {
  await live();
  for (const name of NAMES) {
    const { pixels, coloured } = await page.drawn(name);
    assert.ok(pixels > 1_000 && coloured > 100, `${name}: ${pixels} pixels, ${coloured} of them coloured`);
  }
});

test("another range is asked for, drawn and kept in the address", async () => {
  await live();
  const before = await page.drawn("First token");
  for (const [option, range, words] of [["24 h", "24h", "the last 24 hours"], ["7 d", "7d", "the last 7 days"], ["30 d", "30d", "the last 30 days"]]) {
    await page.choose("Range of the charts", option);
    await page.page.locator(`#charts[data-range="${range}"]`).waitFor();
    assert.ok(page.server.asked.includes(`/api/metrics/history?range=${range}`));
    const drawn = await page.until(() => page.drawn("First token"), ({ mark }) => mark !== before.mark, "another drawing");
    assert.ok(drawn.coloured > 100);
    assert.match(await page.chart("First token").getByRole("img").getAttribute("aria-label"), new RegExp(`^First token in ${words}: p50 `));
  }
  assert.match(page.page.url(), /#range=30d$/);
  await page.page.reload();
  await page.page.locator('#charts[data-range="30d"]').waitFor();
});

test("new history is drawn when it comes", async () => {
  await live();
  const before = await page.drawn("Requests");
  page.server.histories = { "1h": history("1h", { seed: 99, turns: 400 }) };
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  const { coloured } = await page.until(() => page.drawn("Requests"), ({ mark }) => mark !== before.mark, "another drawing");
  assert.ok(coloured > 100);
});

test("where there were no turns there is a gap, and between two gaps a point", async () => {
  await live({ server: withHour((minute) => (minute < 20 || minute === 30 ? figures() : null)) });
  const [left, right] = await extent("First token");
  near(left, 0);
  near(right, 30.5 / 60);
  // Between the twentieth minute and the thirtieth, nothing.
  const between = await page
    .chart("First token")
    .locator(".uplot")
    .evaluate((plot) => {
      const over = plot.querySelector(".u-over");
      const { data } = plot.querySelector("canvas").getContext("2d").getImageData(over.offsetLeft + over.clientWidth * (21 / 60), over.offsetTop, over.clientWidth * (8 / 60), over.clientHeight);
      let coloured = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 0 && Math.max(...data.subarray(at, at + 3)) - Math.min(...data.subarray(at, at + 3)) > 40) coloured += 1;
      return coloured;
    });
  assert.equal(between, 0);
});

test("the axis begins at zero: half is drawn at half the height", async () => {
  await live({ server: withHour(() => figures({ turns: 100, failures: 50, cancelled: 0 })) });
  const [left, right, top, bottom] = await extent("Success rate");
  near(left, 0.01);
  near(right, 0.99);
  near(top, 1 - 50 / 104);
  near(bottom, 1 - 50 / 104);
  // The lowest line keeps its distance from the ground.
  near((await extent("First token"))[3], 1 - 420 / (420 * 3.3 * 1.08));
});

test("bars stand on each other, the tallest as tall as their sum", async () => {
  await live({ server: withHour((minute) => (minute < 30 ? figures({ turns: 100, failures: 20, cancelled: 0 }) : null)) });
  const [, right, top, bottom] = await extent("Requests");
  near(right, 0.5);
  near(top, 1 - 1 / 1.08);
  near(bottom, 1);
  const legend = (await page.chart("Requests").getByRole("listitem").allInnerTexts()).map(readable);
  assert.deepEqual(legend, ["Successes 2 400", "Cancelled 0", "Failures 600"]);
});

test("the pointer shows what was measured there", async () => {
  await live({ server: withHour((minute) => (minute < 40 ? figures({ firstToken: 100 + minute }) : null)) });
  const chart = page.chart("First token");
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.locator(".u-over").boundingBox();
  const point = (minute) => page.page.mouse.move(box.x + (box.width * (minute + 0.5)) / 60, box.y + box.height / 2);
  await point(25);
  assert.match(await page.reads(chart.locator(".tip"), /p50/), /^\d\d:\d\d p50 125 ms p95 263 ms p99 413 ms$/);
  assert.equal(await page.chart("First audio").locator(".tip").isVisible(), false);
  await point(55);
  await page.reads(chart.locator(".tip"), /^\d\d:\d\d No turns$/);
  await page.page.mouse.move(2, 2);
  await chart.locator(".tip").waitFor({ state: "hidden" });
});

test("each chart opens as a table of the same figures", async () => {
  await live({ server: withHour((minute) => (minute === 10 ? figures({ firstToken: 100 }) : minute === 50 ? figures({ firstToken: 200 }) : minute === 55 ? NO_FIGURES : null)) });
  for (const name of NAMES) await page.chart(name).getByText("As a table").click();
  const rows = await page.chart("First token").getByRole("row").evaluateAll((found) => found.map((row) => [...row.cells].slice(1).map(({ textContent }) => textContent)));
  assert.deepEqual(
    rows.map((row) => row.map(readable)),
    [["p50", "p95", "p99"], ["200 ms", "420 ms", "660 ms"], ["100 ms", "210 ms", "330 ms"]],
  );
  const kinds = await page.chart("Errors by kind").getByRole("columnheader").allInnerTexts();
  assert.deepEqual(kinds.map(readable), ["From", "OpenAI", "Speech", "Network", "Validation", "Other"]);
  assert.equal(await page.chart("Requests").getByRole("row").count(), 4);
  assert.match(await page.chart("First token").getByRole("img").getAttribute("aria-label"), /p50 200.ms, highest 200.ms; p95 420.ms/u);
});

test("charts take the colours of the night, and the width of the window", async () => {
  await live();
  const light = await page.drawn("First token");
  await page.page.emulateMedia({ colorScheme: "dark" });
  const dark = await page.until(() => page.drawn("First token"), ({ mark }) => mark !== light.mark, "drawn in other colours");
  assert.ok(dark.coloured > 100);
  const canvas = page.chart("First token").locator("canvas");
  await page.page.setViewportSize({ width: 400, height: 800 });
  await page.until(
    () => canvas.evaluate((drawn) => [drawn.getBoundingClientRect().width, drawn.closest(".plot").clientWidth]),
    ([drawn, place]) => Math.abs(drawn - place) <= 1 && place < 380,
    "as wide as its place",
  );
  assert.ok((await page.drawn("First token")).coloured > 100);
});

test("active streams are drawn while the page looks", async () => {
  await live();
  await page.server.tell({ activeStreams: 40 });
  await page.until(() => page.drawn("Active streams"), ({ coloured }) => coloured > 0, "drawn");
  assert.match(await page.chart("Active streams").innerText(), /Active streams\s40/);
  await page.server.tell({ activeStreams: 3 });
  await page.reads(page.chart("Active streams"), /Active streams 3/);
});

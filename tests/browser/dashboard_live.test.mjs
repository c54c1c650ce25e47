//! The dashboard follows the server: through cuts, silence, a token that ends, and a metrics role that is away.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { launch } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { ADMIN, TOKEN } from "./scripted_accounts.mjs";
import { ScriptedMetrics, failure, figures, health, problem, success } from "./scripted_metrics.mjs";

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

const AWAY = problem(503, "metrics_unavailable", "The metrics role is away. Start it, or set [metrics] address.");
const live = async (options) => (page = await DashboardPage.live(browser, options));
const open = async (options) => (page = await DashboardPage.open(browser, options));

test("what the stream tells is shown at once, and a screen reader hears of health alone", async () => {
  await live();
  const stream = await page.server.lastStream();
  assert.match(stream.address, /\/api\/metrics\/live\?window=5m$/);
  assert.deepEqual([stream.authorization, stream.credentials], [null, "same-origin"]);
  await page.server.tell({ total: figures({ turns: 1_241 }), activeStreams: 13 }, [success(0, { turnId: "fresh" })]);
  await page.until(() => page.figure("Requests"), (text) => text === "1 241");
  assert.equal(await page.figure("Active streams"), "13");
  await page.reads(page.turns.getByRole("listitem"), /turn fresh$/);
  await page.server.tell({ health: health({ status: "degraded" }) });
  await page.reads(page.status, /Degraded$/);
  assert.deepEqual((await page.announcer.locator("p").allInnerTexts()).map(readable), ["Health: degraded."]);
});

test("a cut keeps the last figures, says since when, and is over when figures come again", async () => {
  await live();
  await page.server.refuseStreams(0);
  await page.server.breakOff();
  await page.isLink("Reconnecting");
  await page.reads(page.stale, /^Not live since \d\d:\d\d:\d\d; figures are as of then\. The (connection broke|server cannot be reached)\.$/);
  assert.equal(await page.figure("Requests"), "1 240");
  assert.equal(readable(await page.status.innerText()), "Health: Not known");
  assert.match(readable(await page.health.innerText()), /Last known: healthy/);
  assert.match(await page.page.title(), /^Not live/);
  await page.reads(page.announcer, /Connection lost, reconnecting\./);

  await page.server.refuseStreams(null);
  await page.server.opened(2);
  await page.server.tell({ total: figures({ turns: 1_300 }) }, [failure(1_000)]);
  await page.isLink("Live");
  assert.equal(await page.stale.isVisible(), false);
  assert.equal(await page.figure("Requests"), "1 300");
  assert.equal(await page.turns.getByRole("listitem").count(), 1, "the first events of a stream are the newest there are");
  await page.reads(page.announcer, /Connected again\./);
});

test("a server that only sends comments is not live", async () => {
  await live();
  await page.server.mute(true);
  await page.until(
    async () => {
      await page.server.write(": beat\n\n").catch(() => {}); // the page may have left the stream by now
      return page.stale.isVisible();
    },
    (shown) => shown,
    "stale",
  );
  await page.server.mute(false);
  await page.server.opened(2);
  await page.server.tell();
  await page.isLink("Live");
});

test("an error on the stream is told in the server's words", async () => {
  await live();
  await page.server.refuseStreams(0);
  await page.server.write(`event: error\ndata: {"message":"The metrics role stopped."}\n\n`);
  await page.reads(page.stale, /The (metrics role stopped|server cannot be reached)\.$/);
});

test("a session that ends brings the form back, and the page stays as it was", async () => {
  await live({ hash: "#window=1m&range=24h" });
  await page.server.refuseStreams(problem(401, "token_expired", "The token has expired"));
  await page.server.breakOff();
  await page.reads(page.page.locator("#sign-in-problem"), /^Your session has ended\. Sign in again\.$/);
  assert.equal(await page.form.email.inputValue(), ADMIN.email);
  assert.equal(await page.form.password.evaluate((field) => field === document.activeElement), true);
  await page.reads(page.stale, /^Not live since .* Sign in again\.$/);
  assert.equal(await page.figure("Requests"), "1 240");
  assert.ok((await page.drawn("First token")).coloured > 100);
  await page.page.evaluate(() => (window.stillTheSame = true));

  await page.server.refuseStreams(null);
  await page.form.signIn();
  await page.server.opened(2);
  assert.match((await page.server.lastStream()).address, /window=1m$/);
  await page.server.tell({ total: figures({ turns: 1_400 }) });
  await page.isLink("Live");
  assert.equal(await page.figure("Requests"), "1 400");
  assert.equal(await page.form.section.isVisible(), false);
  assert.equal(await page.stale.isVisible(), false);
  assert.equal(await page.page.evaluate(() => window.stillTheSame), true);
});

test("a session that the routes do not take is told before anything is shown", async () => {
  const server = new ScriptedMetrics({ streamRefusal: problem(401, "token_revoked", "The token was revoked") });
  for (const path of ["/api/metrics/history", "/api/metrics/figures", "/api/metrics/alerts", "/api/rollouts"]) server.refusals.set(`GET ${path}`, server.streamRefusal);
  await open({ server });
  await page.reads(page.form.problem, /^Your session has ended\./);
  assert.equal(await page.health.isVisible(), false);
  assert.equal(await page.stale.isVisible(), false);
});

test("a metrics role that is away is told in the server's words, and found when it is back", async () => {
  const server = new ScriptedMetrics({ streamRefusal: AWAY });
  for (const path of ["/api/metrics/history", "/api/metrics/figures", "/api/metrics/alerts"]) server.refusals.set(`GET ${path}`, AWAY);
  await open({ server, account: null });
  await page.form.useToken(TOKEN);
  await page.reads(page.stale, /^No figures yet\. The metrics role is away\. Start it, or set \[metrics\] address\.$/);
  await page.until(() => page.page.locator(".refusal:visible").count(), (count) => count === 1, "said once");
  assert.equal(readable(await page.status.innerText()), "Health: Not known yet");
  await page.reads(page.page.getByRole("region", { name: "Rollouts" }), /streaming/);

  server.refusals.clear();
  await server.refuseStreams(null);
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await server.opened(1);
  await server.tell();
  await page.isLink("Live");
  assert.equal(await page.figure("Requests"), "1 240");
  await page.table.waitFor();
});

test("news do not take the keyboard away from where it is", async () => {
  await live();
  const radio = page.page.getByRole("radio", { name: "5 min" });
  await radio.focus();
  await page.server.tell({ total: figures({ turns: 2_000 }), health: health({ status: "degraded", issues: ["Slow"] }) });
  await page.until(() => page.figure("Requests"), (text) => text === "2 000");
  assert.equal(await radio.evaluate((input) => input === document.activeElement), true);
});

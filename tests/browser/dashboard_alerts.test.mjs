//! Alerts on the dashboard: what fires, silences, tests.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { launch } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { HOUR, ScriptedMetrics, alert, before, problem } from "./scripted_metrics.mjs";

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

const ERRORS = alert("error_rate_high");
const SLOW = alert("first_token_slow", { severity: "warning", since: before(HOUR), value: 1_340, threshold: 1_000, summary: "the first token takes 1340 ms" });
const SOON = alert("openai_down", { state: "pending", since: before(20_000), summary: "OpenAI is down", sentAt: null });
const OVER = alert("breaker_open", { state: "resolved", summary: "A breaker is open" });

const live = async (options) => (page = await DashboardPage.live(browser, options));
const texts = async (place) => (await place.allInnerTexts()).map(readable);
const withAlerts = (alerts = [SOON, SLOW, OVER, ERRORS], silences = []) => new ScriptedMetrics({ alerts, silences });
/** Tells the page to ask for alerts now. */
const ask = () => page.page.evaluate(() => dispatchEvent(new Event("online")));

test("without alerts the page says so", async () => {
  await live();
  await page.alerts.getByText("No alert is under way.").waitFor();
});

test("what is worst stands first, what is over is folded away", async () => {
  await live({ server: withAlerts() });
  await page.active.nth(2).waitFor();
  const lines = await texts(page.active);
  assert.match(lines[0], /^Critical error rate high 4 min ago 8\.2 % of the turns of the last 5 minutes failed\. 0\.082, limit 0\.05 · told at .* Silence for 1 h$/);
  assert.match(lines[1], /^Warning first token slow 1 h ago The first token takes 1340 ms\. 1 340, limit 1 000 · told at/);
  assert.match(lines[2], /^Pending openai down/);
  assert.equal(lines.length, 3);
  await page.alerts.getByText("Resolved 1").click();
  await page.reads(page.page.getByRole("list", { name: "Resolved" }), /^Resolved breaker open/);
  const heard = (await texts(page.announcer.locator("p"))).toSorted();
  assert.deepEqual(heard, ["Alert, critical: error rate high.", "Alert, warning: first token slow."]);
});

test("an alert is silenced for an hour, for a reason, and the silence lifted", async () => {
  await live({ server: withAlerts([ERRORS]) });
  await page.page.getByRole("button", { name: "Silence for 1 h: error rate high" }).click();
  assert.match(await page.dialog.innerText(), /Silence error rate high for 1 h\?/);
  const go = page.dialog.getByRole("button", { name: "Silence for 1 h" });
  await go.click();
  await page.reads(page.dialog.getByRole("alert"), /^Say why/);
  await page.dialog.getByLabel("Reason").fill("The provider knows");
  await go.click();
  await page.dialog.waitFor({ state: "hidden" });
  assert.deepEqual(page.server.changes, [{ method: "POST", path: "/api/metrics/alerts/silences", body: { alert: "error_rate_high", seconds: 3_600, reason: "The provider knows" } }]);
  await page.reads(page.active, /silenced$/);
  assert.match((await texts(page.silences))[0], /^error rate high silent until .*, by ada: The provider knows Lift$/);
  assert.equal(await page.page.getByRole("button", { name: "Silence for 1 h: error rate high" }).isVisible(), false);

  await page.page.getByRole("button", { name: "Lift the silence of error rate high" }).click();
  await page.reads(page.active, /Silence for 1 h$/);
  assert.equal(await page.silences.count(), 0);
  assert.deepEqual(page.server.changes[1], { method: "DELETE", path: "/api/metrics/alerts/silences/s1", body: null });
});

test("all alerts can be silenced at once, after a warning", async () => {
  await live({ server: withAlerts() });
  await page.page.getByRole("button", { name: "Silence all for 1 h" }).click();
  assert.match(await page.dialog.innerText(), /Nobody is told of any alert for an hour/);
  assert.equal(await page.dialog.locator("button.danger").count(), 1);
  await page.dialog.getByLabel("Reason").fill("Moving house");
  await page.dialog.getByLabel("Reason").press("Enter");
  await page.reads(page.silences, /^All alerts silent until/);
  assert.equal(page.server.changes[0].body.alert, "");
});

test("a refused silence keeps the dialog and its reason", async () => {
  const server = withAlerts([ERRORS]);
  server.refusals.set("POST /api/metrics/alerts/silences", problem(503, "store_unavailable", "The store is away: try again"));
  await live({ server });
  await page.page.getByRole("button", { name: "Silence for 1 h: error rate high" }).click();
  await page.dialog.getByLabel("Reason").fill("The provider knows");
  await page.dialog.getByRole("button", { name: "Silence for 1 h" }).click();
  await page.reads(page.dialog.getByRole("alert"), /^The store is away: try again$/);
  assert.equal(await page.dialog.getByLabel("Reason").inputValue(), "The provider knows");
});

test("a test tells what became of it at each receiver", async () => {
  await live();
  const deliveries = page.page.getByRole("status", { name: "Test" });
  const button = page.page.getByRole("button", { name: "Send a test" });
  await button.click();
  await page.reads(deliveries, /^Delivered webhook Failed mail: connection refused$/);
  page.server.deliveries = [];
  await button.click();
  await page.reads(deliveries, /^There is no receiver/);
  page.server.refusals.set("POST /api/metrics/alerts/test", problem(403, "forbidden", "This token may look, not test"));
  await button.click();
  await page.reads(page.page.locator("#sign-in-problem"), /may look, not test/);
});

test("a test that is refused is told, and asks for nothing more", async () => {
  await live();
  page.server.refusals.set("POST /api/metrics/alerts/test", problem(503, "unavailable", "Alerts are away"));
  await page.page.getByRole("button", { name: "Send a test" }).click();
  await page.reads(page.page.locator("#action-problem"), /^Alerts are away$/);
  assert.equal(await page.page.locator("#deliveries").isVisible(), false);
});

test("an alert that comes and goes is seen to", async () => {
  await live({ server: withAlerts([]) });
  page.server.alerts = [ERRORS];
  await ask();
  await page.active.first().waitFor();
  await page.reads(page.announcer, /Alert, critical: error rate high\./);
  page.server.alerts = [{ ...ERRORS, state: "resolved" }];
  await ask();
  await page.alerts.getByText("No alert is under way.").waitFor();
});

//! The dashboard for everybody: checked by axe in every state, on phones and in the dark, by keyboard alone, and that
//! what matters stands on the first screen.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { launch } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { TOKEN } from "./scripted_accounts.mjs";
import { rollout } from "./scripted_rollouts.mjs";
import { NO_FIGURES, SICK, SOURCES, ScriptedMetrics, alert, before, entry, failure, figures, health, history, problem, source, success } from "./scripted_metrics.mjs";

let browser;
let page;
let axe;
beforeAll(async () => {
  browser = await launch();
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});
after(async () => browser?.close());
afterEach(async () => {
  const faults = page?.faults ?? [];
  await page?.close();
  page = undefined;
  assert.deepEqual(faults, []);
});

const LONG = "averyveryverylongnamewithoutanyspacethatcouldbebrokenanywhereatallinanyway-2026-11-01";
const MANY = figures({ turns: 123_456_789, failures: 1_234_567, cancelled: 98_765, firstToken: 123_456 });

const well = () => new ScriptedMetrics();
const sick = () =>
  new ScriptedMetrics({
    health: { ...SICK, issues: [...SICK.issues, LONG], checks: { ...SICK.checks, [LONG]: { status: "fail", value: LONG, threshold: LONG } } },
    total: MANY,
    sources: [...SOURCES, source("chat", { name: LONG, version: LONG, dependencies: [{ name: LONG, state: "down" }], breakers: [{ name: LONG, state: "open" }] })],
    alerts: [alert(LONG, { summary: LONG }), alert("slow", { severity: "warning" }), alert("soon", { state: "pending" }), alert("silent", { silenced: true }), alert("over", { state: "resolved" })],
    silences: [{ id: "a", alert: LONG, until: before(-3_600_000), author: LONG, reason: LONG }, { id: "b", alert: "", until: before(-3_600_000), author: "ada", reason: "x" }],
    events: [failure(0, { code: LONG, message: LONG }), success(0, { turnId: LONG, duration: 123_456_789 }), ...Array.from({ length: 60 }, (_, at) => success(at * 1_000))],
    groups: { endpoint: [{ value: LONG, figures: MANY }, { value: "none", figures: NO_FIGURES }] },
    audit: { chat: [entry(3, { name: LONG, role: LONG, action: LONG, target: LONG, before: LONG, after: JSON.stringify({ [LONG]: LONG }), requestId: LONG }), entry(2), entry(1, { name: "", subject: LONG, before: "", after: "", requestId: "" })] },
    rollouts: [rollout({ flag: LONG, candidate: LONG, stalled: true }), rollout({ id: "b", state: "awaiting_approval" })],
  });
const empty = () => new ScriptedMetrics({ total: NO_FIGURES, events: [], groups: {}, sources: [], rollouts: [], health: health({ changes: undefined }), histories: { "1h": { ...history("1h"), points: [] } } });

async function findings() {
  await page.page.evaluate(axe);
  const { violations } = await page.page.evaluate(() => window.axe.run(document));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

/** A phone's browser makes room for what sticks out: its own width is the measure. */
const overflow = async () => Math.max(0, (await page.page.evaluate(() => document.documentElement.scrollWidth)) - page.page.viewportSize().width);

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const NARROW = { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true };
const TABLET = { viewport: { width: 768, height: 1024 }, hasTouch: true };
const DESK = { viewport: { width: 1280, height: 900 } };

for (const [place, context] of Object.entries({ "a desk": DESK, "a tablet": TABLET, "a phone": PHONE, "a narrow phone": NARROW })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing and nothing sticks out, on ${place}, ${colorScheme}`, async () => {
      const look = { ...context, colorScheme, reducedMotion: "reduce" };
      const check = async (what) => {
        assert.deepEqual(await findings(), [], what);
        assert.equal(await overflow(), 0, what);
      };
      page = await DashboardPage.open(browser, { account: null, ...look });
      await page.form.section.waitFor();
      await check("signed out");
      await page.form.signIn(LONG, "wrong");
      await page.reads(page.form.problem, /is wrong/);
      await page.form.useToken("wrong");
      await page.reads(page.form.tokenProblem, /not valid/);
      await check("refused");
      await page.close();

      page = await DashboardPage.live(browser, { server: well(), ...look });
      await page.table.waitFor();
      await check("well");
      await page.close();

      page = await DashboardPage.live(browser, { server: empty(), ...look });
      await page.page.locator("#no-alerts").waitFor();
      await check("empty");
      await page.close();

      page = await DashboardPage.live(browser, { server: sick(), ...look });
      await page.table.waitFor();
      await page.silences.first().waitFor();
      await page.page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
      await page.entries.nth(2).waitFor();
      await page.page.evaluate(() => document.querySelectorAll("#audit-rows details").forEach((fold) => (fold.open = true)));
      await page.page.getByRole("button", { name: "Send a test" }).click();
      await page.reads(page.page.locator("#deliveries"), /Failed/);
      await check("sick");
      await page.server.refuseStreams(problem(503, "metrics_unavailable", LONG));
      await page.server.breakOff();
      await page.reads(page.stale, /averyvery/);
      page.server.refusals.set("POST /api/metrics/alerts/silences", problem(409, "x", LONG));
      await page.page.getByRole("button", { name: "Silence all for 1 h" }).click();
      await page.dialog.getByLabel("Reason").fill("x");
      await page.dialog.getByRole("button", { name: "Silence for 1 h" }).click();
      await page.reads(page.dialog.getByRole("alert"), /averyvery/);
      await check("cut, and a silence refused");
      await page.page.keyboard.press("Escape");
      await page.server.refuseStreams(problem(403, "admin_required", LONG));
      await page.page.evaluate(() => dispatchEvent(new Event("online")));
      await page.reads(page.page.locator("#sign-in-problem"), /averyvery/);
      await check("signed out over the last figures");
    });
  }
}

const inSight = (place) =>
  place.evaluate((found) => {
    const { top, bottom } = found.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
  });

test("what matters at three in the morning stands on the first screen", async () => {
  page = await DashboardPage.live(browser, { server: new ScriptedMetrics({ health: SICK, alerts: [alert("error_rate_high")] }), ...DESK });
  await page.active.first().waitFor();
  for (const place of [page.status, page.checks.last(), page.facts.last(), page.active.first().getByRole("button"), page.tile("Success rate"), page.tile("Speech cache")]) {
    assert.ok(await inSight(place), `${place} is in sight`);
  }
  await page.close();
  page = await DashboardPage.live(browser, { server: new ScriptedMetrics({ health: SICK, alerts: [alert("error_rate_high")] }), ...PHONE });
  await page.active.first().waitFor();
  for (const place of [page.status, page.health.getByRole("list", { name: "What is wrong" }), page.checks.last(), page.facts.first(), page.active.first().getByRole("heading")]) {
    assert.ok(await inSight(place), `${place} is in sight on a phone`);
  }
});

test("an alert can be silenced with the keyboard alone, from the token to the reason", async () => {
  page = await DashboardPage.open(browser, { account: null, server: new ScriptedMetrics({ alerts: [alert("error_rate_high")] }) });
  await page.form.email.waitFor();
  const { keyboard } = page.page;
  const focused = () => page.page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim());
  const reach = async (name) => {
    for (let tabs = 0; (await focused()) !== name; tabs += 1) {
      assert.ok(tabs < 20, `${name} is within reach, and not ${await focused()}`);
      await keyboard.press("Tab");
    }
  };
  await reach("Use a token instead");
  await keyboard.press("Enter");
  await page.until(() => page.form.token.evaluate((field) => field === document.activeElement), (has) => has, "in the field");
  await keyboard.type(TOKEN);
  await keyboard.press("Enter");
  await page.server.opened(1);
  await page.server.tell();
  await page.active.first().waitFor();
  await reach("Silence for 1 h: error rate high");
  await keyboard.press("Enter");
  assert.equal(await page.dialog.getByLabel("Reason").evaluate((field) => field === document.activeElement), true);
  await keyboard.type("I am on it");
  await keyboard.press("Enter");
  await page.reads(page.active, /silenced$/);
  assert.equal(page.server.changes[0].body.reason, "I am on it");
  assert.notEqual(await page.page.evaluate(() => document.activeElement), null);
});

test("windows are chosen with arrows, and a chart's table opens with a key", async () => {
  page = await DashboardPage.live(browser);
  const { keyboard } = page.page;
  await page.page.getByRole("radio", { name: "5 min" }).focus();
  await keyboard.press("ArrowLeft");
  await page.server.opened(2);
  assert.match((await page.server.lastStream()).address, /window=1m$/);
  await page.chart("First token").getByText("As a table").focus();
  await keyboard.press("Enter");
  await page.chart("First token").getByRole("table").waitFor();
  await keyboard.press("Tab");
  assert.equal(await page.page.evaluate(() => document.activeElement.getAttribute("aria-label")), "First token as a table");
});

test("the breakdown keeps its meaning as a table on a phone", async () => {
  page = await DashboardPage.live(browser, PHONE);
  await page.table.waitFor();
  assert.equal(await page.table.getByRole("row").count(), 3);
  assert.deepEqual((await page.table.getByRole("columnheader").allTextContents()).slice(0, 3), ["Endpoint", "Requests", "Success rate"]);
  const cell = page.table.getByRole("cell").first();
  assert.equal(await cell.evaluate((found) => getComputedStyle(found, "::before").content), '"Requests"');
  assert.equal(readable(await cell.innerText()), "1 100");
});

test("reduced motion is respected while the page reconnects", async () => {
  page = await DashboardPage.live(browser, { reducedMotion: "reduce" });
  await page.server.refuseStreams(0);
  await page.server.breakOff();
  await page.isLink("Reconnecting");
  assert.equal(await page.page.evaluate(() => document.getAnimations().length), 0);
});

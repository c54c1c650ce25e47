//! The dashboard: how one comes in, and that it shows what the server measures.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { TROIKA_URL, launch } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { rollout } from "./scripted_rollouts.mjs";
import { GROUPS, HOUR, MINUTE, NO_FIGURES, SICK, SOURCES, ScriptedMetrics, before, failure, figures, health, history, problem, success } from "./scripted_metrics.mjs";

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

const server = (options) => new ScriptedMetrics(options);
const live = async (options) => (page = await DashboardPage.live(browser, options));
const open = async (options) => (page = await DashboardPage.open(browser, options));
const texts = async (place) => (await place.allInnerTexts()).map(readable);

// ---- served ----------------------------------------------------------------------------------------

test("the binary serves the page with its own scripts alone, to be framed by nobody", async () => {
  const served = await fetch(`${TROIKA_URL}/dashboard`);
  assert.equal(served.status, 200);
  assert.match(served.headers.get("content-type"), /^text\/html/);
  const policy = served.headers.get("content-security-policy");
  assert.match(policy, /default-src 'self'; script-src 'self';/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const html = await served.text();
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?:\/\//);
});

test("an address with a slash too many leads to the page", async () => {
  for (const path of ["/dashboard/", "/dashboard/index.html"]) {
    const answer = await fetch(TROIKA_URL + path);
    assert.equal(answer.url, `${TROIKA_URL}/dashboard`);
    assert.equal(answer.status, 200);
  }
});

test("the page asks nobody but its own server", async () => {
  const asked = new Set();
  const context = await browser.newContext();
  context.on("request", (request) => asked.add(new URL(request.url()).origin));
  const opened = await context.newPage();
  await server().stand(opened);
  await opened.goto(`${TROIKA_URL}/dashboard`);
  await opened.locator("#charts[data-range]").waitFor();
  assert.deepEqual([...asked], [new URL(TROIKA_URL).origin]);
  await context.close();
});

test("one page leads to the other", async () => {
  await live();
  await page.page.getByRole("link", { name: "Rollouts", exact: true }).click();
  await page.page.waitForURL(`${TROIKA_URL}/rollouts`);
  await page.page.getByRole("link", { name: "Dashboard" }).click();
  await page.page.waitForURL(`${TROIKA_URL}/dashboard`);
});

// ---- figures ---------------------------------------------------------------------------------------

test("before the first figures the page says that nothing is known", async () => {
  await open();
  await page.server.opened(1);
  assert.equal(await page.status.innerText().then(readable), "Health: Not known yet");
  await page.isLink("Connecting");
  assert.equal(await page.figure("Requests"), "–");
});

test("the large figures are those of the server", async () => {
  const total = figures({ turns: 2_345, failures: 45, cancelled: 100, refused: 3 });
  await live({ server: server({ total }) });
  const shown = {};
  for (const name of ["Success rate", "Requests", "Active streams", "Errors", "Cost", "First token p95", "First audio p95", "Complete p95", "Knowledge cache", "Speech cache"]) {
    shown[name] = [await page.figure(name), readable(await page.tile(name).locator(".tile-more").innerText())];
  }
  assert.deepEqual(shown, {
    "Success rate": ["98 %", "45 failed, 100 cancelled"],
    Requests: ["2 345", "469 a minute, 3 turned away"],
    "Active streams": ["12", "318 sessions"],
    Errors: ["45", "OpenAI 23, Speech 11"],
    Cost: ["0.488", "2 239 475 tokens"],
    "First token p95": ["882 ms", "p50 420 ms, p99 1 386 ms"],
    "First audio p95": ["1 499 ms", "p50 714 ms, p99 2 356 ms"],
    "Complete p95": ["5 292 ms", "p50 2 520 ms, p99 8 316 ms"],
    "Knowledge cache": ["62 %", "1 454 of 2 345"],
    "Speech cache": ["31.67 %", "4 456 of 14 071"],
  });
  assert.deepEqual(await texts(page.page.getByRole("region", { name: "Errors by kind" }).getByRole("listitem")), ["OpenAI 23", "Speech 11", "Network 11", "Validation 0", "Other 0"]);
  const counts = readable(await page.page.getByRole("region", { name: "Tokens, cost and counts" }).innerText());
  for (const said of ["Prompt tokens 1 904 140", "Completion tokens 335 335", "Turned away 3", "Model asked again 45", "Other model answered 2", "Sessions in all 20 417", "Up for 1 d 2 h", "Between tokens, p95 59 ms"]) {
    assert.ok(counts.includes(said), `${said} in ${counts}`);
  }
  assert.match(await page.page.title(), /^Healthy · 98.% – troika$/u);
});

test("a rate that is not whole does not look whole", async () => {
  await live({ server: server({ total: figures({ turns: 1_000_000, failures: 1, cancelled: 0 }) }) });
  assert.equal(await page.figure("Success rate"), "> 99.99 %");
});

test("without turns there are no figures, and no zeros in their place", async () => {
  await live({ server: server({ total: NO_FIGURES, events: [], groups: {}, histories: { "1h": { ...history("1h"), points: [] } } }) });
  assert.equal(await page.page.locator("#quiet").innerText(), "No turns in the last 5 minutes.");
  for (const name of ["Success rate", "First token p95", "Knowledge cache"]) assert.equal(await page.figure(name), "–");
  assert.equal(await page.figure("Requests"), "0");
  await page.reads(page.chart("First token"), /Nothing in the last hour/);
  await page.page.getByText("No turns yet.").waitFor();
  await page.reads(page.page.getByRole("region", { name: "Breakdown" }), /No turns in the last 5 minutes\./);
});

test("another window is asked for at once, and kept in the address", async () => {
  await live();
  await page.choose("Window of the figures", "1 h");
  await page.server.opened(2);
  assert.match((await page.server.lastStream()).address, /window=60m$/);
  await page.server.tell({ total: figures({ turns: 12_000, failures: 60 }) });
  await page.until(() => page.figure("Requests"), (text) => text === "12 000");
  await page.until(() => page.server.asked, (asked) => asked.includes("/api/metrics/figures?window=60m&by=endpoint"));
  await page.page.reload();
  await page.server.opened(1);
  assert.match((await page.server.lastStream()).address, /window=60m$/);
});

// ---- health ----------------------------------------------------------------------------------------

test("health tells its checks, its reasons and since when", async () => {
  await live({ server: server({ health: SICK }) });
  assert.equal(readable(await page.status.innerText()), "Health: Unhealthy");
  assert.match(readable(await page.health.innerText()), /for 4 min/);
  assert.deepEqual(await texts(page.health.getByRole("list", { name: "What is wrong" }).getByRole("listitem")), SICK.issues);
  const checks = await page.checks.evaluateAll((found) => found.map((check) => [check.textContent, check.dataset.tone]));
  assert.deepEqual(checks.slice(0, 5), [
    ["Error rate: fails, 8.20%limit 5%", "bad"],
    ["First token: warns, 1340mslimit 1000ms", "warn"],
    ["Redis: passes, up", "good"],
    ["MongoDB: passes, up", "good"],
    ["OpenAI: fails, down", "bad"],
  ]);
  assert.match(await page.page.title(), /^Unhealthy · /);
  await page.health.getByText("Changes").click();
  await page.reads(page.health.getByRole("listitem").last(), /Healthy → Unhealthy$/);

  await page.server.tell({ health: health() });
  await page.reads(page.status, /Healthy$/);
  await page.reads(page.announcer, /Health: healthy\./);
});

test("processes tell what they need, and one that falls silent is missed", async () => {
  await live();
  assert.deepEqual(await texts(page.facts), ["5 processes", "Breakers closed", "streaming at 25 %"]);
  assert.equal(await page.processes.count(), 5);
  const sources = SOURCES.slice(1).map((source) => (source.role === "chat" ? { ...source, dependencies: [{ name: "openai", state: "down" }], breakers: [{ name: "openai", state: "open" }, { name: "tts", state: "half_open" }] } : source));
  await page.server.tell({ sources });
  await page.reads(page.facts, /^1 of 5 processes not heard$/);
  assert.deepEqual((await texts(page.facts)).slice(1, 3), ["OpenAI is down", "Breaker of OpenAI, Speech not closed"]);
  const cards = await texts(page.processes);
  assert.match(cards[0], /^gateway gateway-7c9f4 Not heard since \d\d:\d\d:\d\d/);
  assert.match(cards[1], /^chat 12 active chat-7c9f4 2\.4\.0, started 1 d ago OpenAI down breaker openai open breaker tts half open$/);
  await page.facts.first().click();
  assert.equal(await page.page.getByRole("region", { name: "Processes" }).evaluate((section) => section === document.activeElement), true);
});

test("a process that another has replaced is not missed", async () => {
  await live();
  const [gateway, ...others] = SOURCES;
  await page.server.tell({ sources: [{ ...gateway, name: "gateway-new", version: "2.5.0", startedAt: before(0) }, ...others] });
  await page.reads(page.processes.filter({ hasText: "gateway" }), /gateway-new 2\.5\.0/);
  assert.equal(await page.processes.count(), 5);
  assert.equal((await texts(page.facts))[0], "5 processes");
});

test("rollouts are told with their health, and lead to their page", async () => {
  const rollouts = [rollout({ stalled: true }), rollout({ id: "old", flag: "tts", state: "completed", endedAt: before(30 * HOUR) }), rollout({ id: "new", flag: "tts", state: "rolled_back", percentage: 0, endedAt: before(HOUR) })];
  await live({ server: server({ rollouts }) });
  const links = page.page.getByRole("region", { name: "Rollouts" }).getByRole("listitem").getByRole("link");
  assert.equal(await links.count(), 2);
  assert.match(readable(await links.first().innerText()), /^streaming 25 % 2\.4\.0 Stalled/);
  assert.match(await links.first().getAttribute("href"), /^rollouts#0199aa00-/);
});

// ---- breakdown and turns ---------------------------------------------------------------------------

test("the breakdown shows each value's figures, by the dimension that was chosen", async () => {
  await live();
  const row = async (name) => texts(page.table.getByRole("row").filter({ has: page.page.getByRole("rowheader", { name, exact: true }) }).getByRole("cell"));
  await page.table.waitFor();
  assert.deepEqual(await row("query"), ["1 100", "99.44 %", "6", "420 ms", "882 ms", "5 292 ms", "1 050 500", "0.229"]);
  await page.choose("Broken down by", "Variant");
  await page.reads(page.table.getByRole("columnheader").first(), /^Variant$/);
  assert.equal((await row("streaming=on"))[0], "310");
  page.server.groups = { ...GROUPS, model: [{ value: "other", figures: NO_FIGURES }] };
  await page.choose("Broken down by", "Model");
  await page.reads(page.table.getByRole("rowheader"), /^other$/);
  assert.deepEqual(await row("other"), ["0", "–", "0", "–", "–", "–", "0", "0.00"]);
});

test("turns are listed as they come, errors alone if wanted, and stand still when told", async () => {
  await live({ server: server({ events: [success(60_000)] }) });
  const rows = page.turns.getByRole("listitem");
  assert.match((await texts(rows))[0], /Success first token 412 ms, first audio 780 ms, complete 2 480 ms, 96 words, 11 sounds bot 0+1, turn turn-60000$/);
  await page.server.tell({}, [failure(1_000), success(2_000, { wordCount: 1 })]);
  await page.until(() => rows.count(), (count) => count === 3);
  assert.match((await texts(rows))[0], /Error OpenAI: model unavailable: The model did not answer$/);
  await page.turns.getByLabel("Errors only").check();
  assert.equal(await rows.count(), 1);
  await page.turns.getByLabel("Errors only").uncheck();
  await page.turns.getByLabel("Hold still").check();
  await page.server.tell({}, [failure(0), success(0, { turnId: "late" })]);
  await page.reads(page.turns, /2 new/);
  assert.equal(await rows.count(), 3);
  await page.turns.getByLabel("Hold still").uncheck();
  assert.equal(await rows.count(), 5);
});

// ---- strange ---------------------------------------------------------------------------------------

test("text of the server is text, wherever it stands", async () => {
  const HOSTILE = `<img src=x onerror="window.owned = true"><b>bold</b>`;
  const strange = server({
    health: health({ status: HOSTILE, issues: [HOSTILE], checks: { [HOSTILE]: { status: HOSTILE, value: HOSTILE, threshold: HOSTILE } }, changes: [{ at: HOSTILE, from: HOSTILE, to: HOSTILE }] }),
    sources: [{ name: HOSTILE, role: HOSTILE, version: HOSTILE, startedAt: HOSTILE, dependencies: [{ name: HOSTILE, state: HOSTILE }], breakers: [{ name: HOSTILE, state: HOSTILE }] }],
    alerts: [{ name: HOSTILE, severity: HOSTILE, state: HOSTILE, since: HOSTILE, summary: HOSTILE }],
    silences: [{ id: HOSTILE, alert: HOSTILE, until: HOSTILE, author: HOSTILE, reason: HOSTILE }],
    events: [failure(0, { errorType: HOSTILE, code: HOSTILE, message: HOSTILE }), success(0, { chatbotId: HOSTILE, turnId: HOSTILE }), { type: HOSTILE }],
    groups: { endpoint: [{ value: HOSTILE, figures: figures() }] },
    rollouts: [rollout({ id: "../<i>", flag: HOSTILE, candidate: HOSTILE })],
  });
  strange.deliveries = [{ receiver: HOSTILE, delivered: false, problem: HOSTILE }];
  await live({ server: strange });
  await page.table.waitFor();
  await page.page.getByRole("button", { name: "Send a test" }).click();
  await page.reads(page.page.locator("#deliveries"), /<img src=x/);
  assert.equal(await page.page.locator("main img, main b img, dialog img, #announcer img").count(), 0);
  assert.equal(await page.page.evaluate(() => window.owned), undefined);
});

test("an answer without most of its fields is shown as far as it goes", async () => {
  const bare = server({ groups: { endpoint: [{ value: "query" }, null] }, rollouts: [{ id: "bare", flag: "tts" }], alerts: [{ name: "bare" }], histories: { "1h": { range: "1h", points: [{ at: "never" }, null, { at: before(MINUTE), figures: null }] } } });
  await open({ server: bare });
  await bare.opened(1);
  await bare.write(`: comment\n\nevent: other\ndata: {}\n\nevent: figures\ndata: {broken\n\nevent: figures\ndata: {"summary":null,"snapshot":{"total":{},"sources":[null]},"health":null,"events":[null,{"type":"success"}]}\n\n`);
  await page.isLink("Live");
  assert.equal(await page.figure("Requests"), "–");
  await page.table.waitFor();
});

test("a section that cannot be read says so, and the rest of the page stands", async () => {
  const refusing = server();
  for (const path of ["/api/rollouts", "/api/metrics/history", "/api/metrics/figures", "/api/metrics/alerts"]) refusing.refusals.set(`GET ${path}`, problem(503, "unavailable", `Nobody answers at ${path}`));
  await open({ server: refusing });
  await refusing.opened(1);
  await refusing.tell();
  for (const id of ["rollouts", "history", "groups", "alerts"]) await page.reads(page.page.locator(`#${id}-problem`), /^Nobody answers at/);
  assert.equal(await page.figure("Requests"), "1 240");
  refusing.refusals.clear();
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await page.table.waitFor();
  for (const id of ["rollouts", "history", "groups", "alerts"]) assert.equal(await page.page.locator(`#${id}-problem`).isVisible(), false, id);
});

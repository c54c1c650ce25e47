//! The audit log on the dashboard: who changed what, as text, page by page.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { launch } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { ScriptedMetrics, entry, problem } from "./scripted_metrics.mjs";

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

const live = async (audit, options = {}) => (page = await DashboardPage.live(browser, { server: new ScriptedMetrics({ audit }), ...options }));
const asked = () => page.server.asked.filter((path) => path.startsWith("/api/audit"));
const unfold = () => page.page.getByText("Who changed what").click();
const lines = async () => (await page.entries.locator(".audit-line").allInnerTexts()).map(readable);
const many = (from) => Array.from({ length: from }, (_, at) => entry(from - at));

test("it is read once somebody looks at it, and says who did what to what, before and after", async () => {
  await live({ chat: [entry(2, { action: "account.create", target: "grace@example.com", before: "" }), entry(1, { name: "", role: "service", before: "", after: "", requestId: "", target: "" })] });
  assert.deepEqual(asked(), []);
  await unfold();
  await page.entries.nth(1).waitFor();
  assert.deepEqual(asked(), ["/api/audit?source=chat&limit=50"]);
  const [first, second] = await lines();
  assert.match(first, /^.*\d\d:\d\d:\d\d ada@example\.com admin account\.create grace@example\.com$/);
  assert.match(second, /0199aa00-0000-7000-8000-00000000000a service flag\.update$/);
  assert.equal(await page.more.isVisible(), false);

  await page.entries.first().getByText("Details").click();
  assert.match(readable(await page.entries.first().innerText()), /Subject 0199aa00-\S+ Request request-2 After \{ "percentage": 25 \}$/);
  assert.equal(await page.entries.nth(1).getByText("Details").count(), 0, "there is nothing more to say");
});

test("more are shown on demand, with the keyboard at the first of them, until there are no more", async () => {
  await live({ chat: many(120) });
  await unfold();
  await page.entries.nth(49).waitFor();
  await page.more.press("Enter");
  await page.entries.nth(99).waitFor();
  assert.equal(await page.entries.nth(50).evaluate((found) => found === document.activeElement), true);
  await page.more.click();
  await page.entries.nth(119).waitFor();
  assert.equal(await page.more.isVisible(), false);
  assert.deepEqual(asked(), ["/api/audit?source=chat&limit=50", "/api/audit?source=chat&limit=50&before=71", "/api/audit?source=chat&limit=50&before=21"]);
  await page.reads(page.announcer.locator("p").last(), /^20 more entries\.$/);
});

test("each role's log is chosen, stands in the address, and can be read again", async () => {
  await live({ chat: [entry(1)], accounts: [entry(1, { action: "account.update" })] });
  await unfold();
  await page.entries.first().waitFor();
  await page.choose("Log of", "Accounts");
  await page.reads(page.entries, /account\.update/);
  assert.equal(await page.entries.count(), 1);
  assert.equal(new URL(page.page.url()).hash, "#source=accounts");
  page.server.audit.accounts = [entry(2, { action: "account.delete" }), ...page.server.audit.accounts];
  await page.page.getByRole("button", { name: "Read again" }).click();
  await page.reads(page.entries, /account\.delete/);
  assert.equal(await page.entries.count(), 2);
  await page.choose("Log of", "Metrics");
  await page.audit.getByText("Nothing was changed yet.").waitFor();
  assert.equal(await page.entries.count(), 0);
});

test("whatever stands in an entry is text", async () => {
  const html = '<img src=x onerror="window.broken = true">';
  await live({ chat: [entry(1, { name: html, role: html, action: html, target: html, before: html, after: { [html]: html }, requestId: html }), { number: {}, name: [], before: 3 }, null] });
  await unfold();
  await page.entries.nth(1).waitFor();
  assert.equal(await page.audit.locator("img").count(), 0);
  assert.equal(await page.page.evaluate(() => window.broken), undefined);
  assert.match((await lines())[0], /<img src=x onerror="window\.broken = true">/);
});

test("a log that cannot be read says so, and entries of another one do not stay under its name", async () => {
  await live({ chat: [entry(1)] });
  await unfold();
  await page.entries.first().waitFor();
  page.server.refusals.set("GET /api/audit", problem(503, "unavailable", "Accounts are away"));
  await page.choose("Log of", "Accounts");
  await page.reads(page.page.locator("#audit-problem"), /^Accounts are away$/);
  assert.equal(await page.entries.count(), 0);
  page.server.refusals.clear();
  await page.choose("Log of", "Chat");
  await page.entries.first().waitFor();
  assert.equal(await page.page.locator("#audit-problem").isVisible(), false);
});

test("an admin who may not read the log of accounts is told so, and stays", async () => {
  await live({ chat: [entry(1)] });
  await unfold();
  await page.entries.first().waitFor();
  page.server.refusals.set("GET /api/audit", problem(403, "super_admin_required", "This is for those who may change accounts."));
  await page.choose("Log of", "Accounts");
  await page.reads(page.page.locator("#audit-problem"), /^This is for those who may change accounts\.$/);
  assert.equal(await page.entries.count(), 0);
  assert.equal(await page.form.section.isVisible(), false);
  page.server.refusals.clear();
  await page.choose("Log of", "Chat");
  await page.entries.first().waitFor();
});

test("a session that ends while it is read asks who is there, and it is read afterwards", async () => {
  await live({ chat: [entry(1)] });
  page.server.accounts.account = null;
  await unfold();
  await page.form.password.waitFor();
  await page.form.signIn();
  await page.entries.first().waitFor();
});

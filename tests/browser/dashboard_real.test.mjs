//! The dashboard of the running service: a question that is asked is counted on it. `TROIKA_ADMIN_TOKEN` is an admin's
//! token of that service, as `troika token --role admin` prints it; `TROIKA_ADMIN_EMAIL` and `TROIKA_ADMIN_PASSWORD` are
//! those of an administrator's account.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { DEMO_BOT, TROIKA_URL, launch } from "./page.mjs";

/** What a suite that passes without it would not have shown. */
function needed(name) {
  const value = process.env[name] ?? "";
  if (value === "") throw new Error(`${name} must be set: tests/run makes the account and the token`);
  return value;
}

const TOKEN = needed("TROIKA_ADMIN_TOKEN");
const EMAIL = needed("TROIKA_ADMIN_EMAIL");
const PASSWORD = needed("TROIKA_ADMIN_PASSWORD");

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

const api = async (path, options = {}) => {
  const answer = await fetch(`${TROIKA_URL}/api/metrics/${path}`, { ...options, headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" } });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
};

/** Asks a question on the chat API, and waits until it is answered. */
async function ask() {
  const answer = await fetch(`${TROIKA_URL}/api/chat/query/stream`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "When are you open?", chatbotId: DEMO_BOT, sessionId: randomUUID(), enableTTS: false }),
  });
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /event: complete/);
}

const open = async (options) => {
  page = await DashboardPage.open(browser, { server: null, ...options });
  await page.form.useToken(TOKEN);
  await page.isLink("Live");
  return page;
};
const shown = async (name) => Number((await page.figure(name)).replace(/\D/g, "") || "0");

test("a question that is asked is counted on the page", async () => {
  await open({ hash: "#window=lifetime" });
  const before = await shown("Requests");
  await ask();
  await page.until(() => shown("Requests"), (count) => count > before, "one more");
  await page.until(() => page.figure("First token p95"), (text) => /ms$|s$/.test(text), "measured");
  await page.reads(page.turns.getByRole("listitem"), /Success .*first token/);
  assert.notEqual(await page.figure("Success rate"), "–");
});

test("the page's figures are those of the API", async () => {
  await ask();
  await open({ hash: "#window=lifetime" });
  const { total } = await page.until(
    async () => {
      const told = await api("figures?window=lifetime&by=endpoint");
      return { ...told, seen: await shown("Requests") };
    },
    ({ total: told, seen }) => told.successes + told.failures + told.cancelled === seen && seen > 0,
    "the same on both",
  );
  assert.equal(await page.tile("Success rate").locator(".tile-more").innerText(), `${total.failures} failed, ${total.cancelled} cancelled`);
  await page.table.getByRole("rowheader", { name: "query", exact: true }).waitFor();
});

test("health, checks and processes are told, and charts are drawn in every range", async () => {
  await ask();
  await open();
  await page.reads(page.status, /Healthy|Degraded|Unhealthy/);
  assert.ok((await page.checks.count()) >= 3);
  await page.until(() => page.processes.count(), (count) => count > 0, "processes");
  await page.until(
    async () => {
      await page.page.evaluate(() => dispatchEvent(new Event("online")));
      return (await page.drawn("First token")).coloured;
    },
    (coloured) => coloured > 0,
    "drawn",
  );
  for (const [option, range] of [["24 h", "24h"], ["7 d", "7d"], ["30 d", "30d"]]) {
    await page.choose("Range of the charts", option);
    await page.page.locator(`#charts[data-range="${range}"]`).waitFor();
    await page.until(() => page.drawn("Requests"), ({ coloured }) => coloured > 0, "drawn");
  }
});

test("every dimension can be chosen", async () => {
  await ask();
  await open({ hash: "#window=lifetime" });
  for (const dimension of ["Bot", "Language", "Outcome", "Model", "Endpoint"]) {
    await page.choose("Broken down by", dimension);
    await page.reads(page.table.getByRole("columnheader").first(), new RegExp(`^${dimension}$`));
    assert.ok((await page.table.getByRole("rowheader").count()) > 0, dimension);
  }
});

test("silence is kept by the server, and lifted again", async () => {
  await open();
  await page.page.getByRole("button", { name: "Silence all for 1 h" }).click();
  await page.dialog.getByLabel("Reason").fill("A test of the page");
  await page.dialog.getByRole("button", { name: "Silence for 1 h" }).click();
  await page.reads(page.silences, /^All alerts silent until .*: A test of the page Lift$/);
  const { silences } = await api("alerts");
  assert.ok(silences.some(({ alert, reason }) => alert === "" && reason === "A test of the page"));
  await page.page.getByRole("button", { name: "Lift the silence of All alerts" }).click();
  await page.until(() => page.silences.count(), (count) => count === 0, "lifted");
  assert.deepEqual((await api("alerts")).silences, []);
});

test("a token that is none is refused in the server's words", async () => {
  page = await DashboardPage.open(browser, { server: null });
  await page.form.useToken("none");
  await page.reads(page.form.tokenProblem, /\w/);
});

test("an account opens both pages with a cookie that scripts do not see, until it is signed out", async () => {
  page = await DashboardPage.open(browser, { server: null });
  await page.form.signIn(EMAIL, `not ${PASSWORD}`);
  await page.reads(page.form.problem, /^The email address or the password is wrong\.$/);
  await page.form.signIn(EMAIL, PASSWORD);
  await page.isLink("Live");
  await page.reads(page.form.account, new RegExp(`^${EMAIL.replace(/[.+]/g, "\\$&")}$`));
  assert.equal(await page.page.evaluate(() => document.cookie), "");
  assert.deepEqual((await page.page.context().cookies()).filter(({ name }) => name.endsWith("troika_admin")).map(({ httpOnly, sameSite, path }) => ({ httpOnly, sameSite, path })), [{ httpOnly: true, sameSite: "Strict", path: "/" }]);

  // What changes something is taken with the cookie, too.
  await page.page.getByRole("button", { name: "Silence all for 1 h" }).click();
  await page.dialog.getByLabel("Reason").fill("A test of the cookie");
  await page.dialog.getByRole("button", { name: "Silence for 1 h" }).click();
  await page.reads(page.silences, /A test of the cookie Lift$/);
  await page.page.getByRole("button", { name: "Lift the silence of All alerts" }).click();
  await page.until(() => page.silences.count(), (count) => count === 0, "lifted");

  // The account is a super admin's: it may read who made it, and the entry says so without its password.
  await page.page.getByText("Who changed what").click();
  await page.choose("Log of", "Accounts");
  await page.reads(page.entries.last(), /account\.create/);
  await page.entries.last().getByText("Details").click();
  const told = await page.entries.last().innerText();
  assert.ok(told.includes(EMAIL) && !told.includes(PASSWORD) && !told.includes("argon2"), told);

  await page.page.goto(`${TROIKA_URL}/rollouts`);
  await page.page.getByRole("heading", { name: "Flags" }).waitFor();
  await page.form.signOut.click();
  await page.form.email.waitFor();
  await page.page.goto(`${TROIKA_URL}/dashboard`);
  await page.form.email.waitFor();
  assert.deepEqual((await page.page.context().cookies()).filter(({ name }) => name.endsWith("troika_admin")), []);
});

//! How administrators come in, on both of their pages: with email and password, or with a token; and out again.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { DashboardPage } from "./dashboard_page.mjs";
import { TROIKA_URL, launch } from "./page.mjs";
import { RolloutsPage, readable } from "./rollouts_page.mjs";
import { ADMIN, PASSWORD, TOKEN, problem } from "./scripted_accounts.mjs";
import { ScriptedMetrics } from "./scripted_metrics.mjs";
import { ROLLOUT_ID, ScriptedRollouts } from "./scripted_rollouts.mjs";

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

const kept = () => page.page.evaluate(() => ({ session: sessionStorage.length, local: localStorage.length, cookies: document.cookie }));
const NOTHING = { session: 0, local: 0, cookies: "" };
const hasFocus = (place) => place.evaluate((found) => found === document.activeElement);
const heard = async () => (await page.announcer.locator("p").allInnerTexts()).map(readable);
const requestsOf = () => {
  const asked = [];
  page.page.on("request", (request) => asked.push(new URL(request.url())));
  return asked;
};

/** What both pages are called here: how each is opened, and what shows that someone is inside. */
const PAGES = {
  dashboard: {
    open: (options) => DashboardPage.open(browser, options),
    live: (options) => DashboardPage.live(browser, options),
    server: (options) => new ScriptedMetrics(options),
    stream: () => page.server.lastStream(),
    inside: () => page.status,
  },
  rollouts: {
    open: (options) => RolloutsPage.open(browser, options),
    live: (options) => RolloutsPage.live(browser, options),
    server: (options) => new ScriptedRollouts(options),
    stream: () => page.server.lastWatch(),
    inside: () => page.page.getByRole("heading", { name: "Flags" }),
  },
};

for (const [name, { open, live, server, stream, inside }] of Object.entries(PAGES)) {
  const enter = async (options) => (page = await open(options));
  const asked = () => page.server.accounts.asked.map((one) => one.asked);

  test(`${name}: signed out, the page shows the form alone and asks for nothing but who is signed in`, async () => {
    await enter({ account: null });
    await page.form.email.waitFor();
    assert.deepEqual(asked(), ["GET /api/admin/session"]);
    assert.equal(await inside().isVisible(), false);
    assert.equal(await page.form.signOut.isVisible(), false);
    assert.equal(await page.form.account.isVisible(), false);
    assert.equal(await hasFocus(page.form.email), true);
    assert.equal(await page.form.token.isVisible(), false);
    assert.equal(await page.form.problem.isVisible(), false, "nobody was turned away");

    const requests = requestsOf();
    await page.form.go.click();
    assert.equal(readable(await page.form.problem.innerText()), "Enter your email address.");
    assert.equal(await hasFocus(page.form.email), true);
    assert.equal(await page.form.email.getAttribute("aria-invalid"), "true");
    await page.form.email.fill(ADMIN.email);
    await page.form.go.click();
    assert.equal(readable(await page.form.problem.innerText()), "Enter your password.");
    assert.equal(await hasFocus(page.form.password), true);
    assert.equal(await page.form.email.getAttribute("aria-invalid"), null);
    await page.form.other.click();
    await page.page.waitForFunction(() => document.activeElement.id === "token");
    await page.form.useIt.click();
    assert.match(await page.form.tokenProblem.innerText(), /Paste the token first/);
    assert.deepEqual(requests, []);
  });

  test(`${name}: the fields are what password managers and phones look for, and no address can carry them`, async () => {
    await enter({ account: null });
    await page.form.email.waitFor();
    const attributes = (place, ...names) => place.evaluate((found, wanted) => wanted.map((attribute) => found.getAttribute(attribute)), names);
    assert.deepEqual(await attributes(page.form.email, "type", "name", "autocomplete", "autocapitalize"), ["email", "email", "username", "off"]);
    assert.deepEqual(await attributes(page.form.password, "type", "name", "autocomplete"), ["password", "password", "current-password"]);
    assert.deepEqual(await attributes(page.form.token, "type", "name", "autocomplete"), ["password", null, "off"]);
    assert.deepEqual(await page.page.locator("#sign-in form").evaluateAll((forms) => forms.map(({ method }) => method)), ["post", "post"]);
  });

  test(`${name}: email and password open the door, the bar says who came in, and the page keeps nothing`, async () => {
    await enter({ account: null });
    await page.form.signIn(ADMIN.email, "wrong");
    await page.form.problem.waitFor();
    assert.equal(readable(await page.form.problem.innerText()), "The email address or the password is wrong.");
    assert.equal(await page.form.problem.getAttribute("role"), "alert");
    assert.equal(await hasFocus(page.form.password), true);
    assert.equal(await page.page.evaluate(() => getSelection().toString().length > 0 || document.activeElement.selectionEnd > 0), true, "the wrong password is typed over");
    await page.form.signIn();
    await page.server.opened(1);
    assert.deepEqual(page.server.accounts.asked.at(-1).body, { email: ADMIN.email, password: PASSWORD });
    assert.equal(readable(await page.form.account.innerText()), ADMIN.email);
    assert.equal(await page.form.section.isVisible(), false);
    assert.equal(await page.form.password.inputValue(), "");
    assert.equal(await page.page.evaluate(() => document.activeElement.id), "board");
    const { authorization, credentials } = await stream();
    assert.deepEqual({ authorization, credentials }, { authorization: null, credentials: "same-origin" });
    assert.deepEqual(await kept(), NOTHING);
    assert.equal(new URL(page.page.url()).search, "");
    assert.ok((await heard()).includes("Signed in."));

    await page.page.reload();
    await page.server.opened(1);
    assert.equal(readable(await page.form.account.innerText()), ADMIN.email);
  });

  test(`${name}: too many tries are told with when to try again`, async () => {
    await enter({ account: null });
    page.server.accounts.refusals.set("POST /api/admin/sign-in", { ...problem(429, "too_many_tries", "Too many tries"), retryAfter: 900 });
    await page.form.signIn();
    await page.reads(page.form.problem, /^Too many tries\. Try again in 15 min\.$/);
    assert.equal(await page.form.password.getAttribute("aria-invalid"), null);
    page.server.accounts.refusals.set("POST /api/admin/sign-in", problem(503, "accounts_unavailable", "Accounts are away"));
    await page.form.go.click();
    await page.reads(page.form.problem, /^Accounts are away$/);
    page.server.accounts.refusals.set("POST /api/admin/sign-in", "cut");
    await page.form.go.click();
    await page.reads(page.form.problem, /^The server cannot be reached\./);
    page.server.accounts.refusals.clear();
    await page.form.go.click();
    await page.server.opened(1);
  });

  test(`${name}: a token opens the door, is sent by itself, and is forgotten by a reload`, async () => {
    await enter({ account: null });
    await page.form.useToken("no token");
    await page.reads(page.form.tokenProblem, /^This is no token/);
    await page.form.useToken("wrong");
    await page.reads(page.form.tokenProblem, /^The token is not valid here\. troika token prints one$/);
    await page.form.useToken(TOKEN);
    await page.server.opened(1);
    const { authorization, credentials } = await stream();
    assert.deepEqual({ authorization, credentials }, { authorization: `Bearer ${TOKEN}`, credentials: "omit" });
    assert.equal(readable(await page.form.account.innerText()), "With a token");
    assert.deepEqual(await kept(), NOTHING);
    assert.equal(await page.form.token.inputValue(), "");
    assert.doesNotMatch(page.page.url(), /token/);
    await page.page.reload();
    await page.form.email.waitFor();
    assert.equal(await inside().isVisible(), false);
  });

  test(`${name}: signing out ends the session on the server and takes everything off the page`, async () => {
    await enter({ account: null });
    await page.form.signIn();
    await page.server.opened(1);
    await page.server.tell();
    await page.isLink("Live");
    await page.form.signOut.click();
    await page.form.email.waitFor();
    assert.equal(await page.form.email.inputValue(), "");
    assert.ok(asked().includes("POST /api/admin/sign-out"));
    assert.equal(page.server.accounts.account, null);
    assert.doesNotMatch(await page.page.evaluate(() => document.body.textContent), /1 ?240|2\.4\.0|ada@/u);
    assert.equal(await page.page.title(), `${name[0].toUpperCase()}${name.slice(1)} – troika`);
    assert.equal(await hasFocus(page.form.email), true);
    await page.page.reload();
    await page.form.email.waitFor();
  });

  test(`${name}: signing out that does not work is told, and the page stays`, async () => {
    page = await live({});
    page.server.accounts.refusals.set("POST /api/admin/sign-out", "cut");
    await page.form.signOut.click();
    await page.reads(page.page.locator("#sign-out-problem"), /^You are still signed in\. The server cannot be reached\./);
    assert.equal(await inside().isVisible(), true);
    page.server.accounts.refusals.set("POST /api/admin/sign-out", problem(401, "token_expired", "Expired"));
    page.server.accounts.account = null;
    await page.form.signOut.click();
    await page.form.email.waitFor();
  });

  test(`${name}: with a token, signing out asks the server nothing`, async () => {
    await enter({ account: null });
    await page.form.useToken(TOKEN);
    await page.server.opened(1);
    await page.form.signOut.click();
    await page.form.email.waitFor();
    assert.ok(!asked().includes("POST /api/admin/sign-out"));
  });

  test(`${name}: a server that cannot say who is signed in is told, and the form is there`, async () => {
    const away = server();
    away.accounts.refusals.set("GET /api/admin/session", problem(503, "accounts_unavailable", "Accounts are away"));
    await enter({ server: away });
    await page.reads(page.form.problem, /^Accounts are away$/);
    await page.form.useToken(TOKEN);
    await page.server.opened(1);
  });

  test(`${name}: a server that takes its time shows the form meanwhile, and lets in who is signed in after all`, async () => {
    const slow = server();
    let answer;
    const answered = new Promise((resolve) => (answer = resolve));
    const { accounts } = slow;
    const soon = accounts.answer.bind(accounts);
    accounts.answer = async (route) => {
      if (route.request().url().endsWith("/api/admin/session")) await answered;
      return soon(route);
    };
    await enter({ server: slow });
    await page.form.email.waitFor();
    answer();
    await page.server.opened(1);
    assert.equal(await page.form.section.isVisible(), false);
  });

  test(`${name}: who signs in at another tab is in at this one, once somebody looks`, async () => {
    await enter({ account: null });
    await page.form.email.waitFor();
    page.server.accounts.account = ADMIN;
    await page.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.server.opened(1);
    assert.equal(await page.form.section.isVisible(), false);
  });

  test(`${name}: who comes in by two ways at once is in once`, async () => {
    await enter({ account: null });
    await page.form.email.waitFor();
    const { accounts } = page.server;
    const soon = accounts.answer.bind(accounts);
    let go;
    const gone = new Promise((resolve) => (go = resolve));
    accounts.answer = async (route) => {
      if (route.request().url().endsWith("/api/admin/sign-in")) await gone;
      return soon(route);
    };
    await page.form.signIn();
    accounts.account = ADMIN;
    await page.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.server.opened(1);
    const [answer] = await Promise.all([page.page.waitForResponse((response) => response.url().endsWith("/api/admin/sign-in")), go()]);
    await answer.finished();
    await page.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    assert.equal(await page.page.evaluate(() => (window.troikaStreams ?? window.troikaWatches).length), 1);
    assert.deepEqual((await heard()).filter((line) => line === "Signed in."), ["Signed in."]);
  });

  test(`${name}: what another site's request is refused for does not sign anybody out`, async () => {
    page = await live({});
    const path = name === "dashboard" ? "/api/metrics/alerts/silences" : `/api/rollouts/${ROLLOUT_ID}/pause`;
    page.server.refusals.set(`POST ${path}`, problem(403, "cross_site", "This request came from another site"));
    await page.page.getByRole("button", { name: name === "dashboard" ? "Silence all for 1 h" : "Pause" }).click();
    await page.dialog.getByLabel("Reason").fill("Looks odd");
    await page.dialog.getByLabel("Reason").press("Enter");
    await page.reads(page.dialog.getByRole("alert"), /^This request came from another site$/);
    assert.equal(await page.form.section.isVisible(), false);
  });
}

// ---- in the middle ---------------------------------------------------------------------------------

test("a session that ends while a reason is sent keeps the reason, and what was meant to be done can be done", async () => {
  for (const name of ["dashboard", "rollouts"]) {
    page = await PAGES[name].live({});
    const path = name === "dashboard" ? "/api/metrics/alerts/silences" : `/api/rollouts/${ROLLOUT_ID}/pause`;
    const open = page.page.getByRole("button", { name: name === "dashboard" ? "Silence all for 1 h" : "Pause" });
    page.server.refusals.set(`POST ${path}`, problem(401, "token_expired", "The token has expired"));
    await open.click();
    await page.dialog.getByLabel("Reason").fill("I am on it");
    await page.dialog.getByLabel("Reason").press("Enter");
    await page.reads(page.form.problem, /^Your session has ended\. Sign in again\.$/);
    assert.equal(await page.dialog.count(), 0, "nothing covers the form");
    assert.equal(await PAGES[name].inside().isVisible(), true, "what was on the page stays");
    assert.equal(await hasFocus(page.form.password), true);
    assert.equal(await page.form.email.inputValue(), ADMIN.email);
    assert.equal(await page.form.signOut.isVisible(), false);

    await open.click();
    assert.equal(await page.dialog.count(), 0, "who is not signed in is asked to, first");
    assert.equal(await hasFocus(page.form.password), true);

    page.server.refusals.clear();
    page.server.changes = [];
    await page.form.signIn();
    await page.dialog.waitFor();
    assert.equal(await page.dialog.getByLabel("Reason").inputValue(), "I am on it");
    await page.dialog.getByLabel("Reason").press("Enter");
    await page.dialog.waitFor({ state: "hidden" });
    assert.deepEqual(page.server.changes.map((change) => [change.path, change.body.reason]), [[path, "I am on it"]]);
    assert.equal(await hasFocus(open) || name === "rollouts", true, "the keyboard is back where it was");
    assert.deepEqual(page.faults, []);
    await page.close();
  }
  page = undefined;
});

test("a token that ends, and a right that is missing, are told in the server's words", async () => {
  page = await RolloutsPage.open(browser, { account: null });
  await page.form.useToken(TOKEN);
  await page.server.opened(1);
  page.server.refusals.set("GET /api/flags", problem(401, "token_expired", "The token has expired. troika token prints another"));
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await page.reads(page.form.problem, /^The token has expired\. troika token prints another$/);
  assert.equal(await hasFocus(page.form.email), true);
  page.server.refusals.clear();
  await page.form.signIn();
  await page.server.opened(2);
  assert.equal(readable(await page.form.account.innerText()), ADMIN.email);
  page.server.refusals.set("GET /api/flags", problem(403, "admin_required", "This needs an administrator"));
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await page.reads(page.form.problem, /^This needs an administrator$/);
});

test("rollouts: a session that ends keeps the rollout on the page, and it goes on after signing in", async () => {
  page = await RolloutsPage.live(browser);
  await page.button("Pause").focus();
  page.server.accounts.account = null;
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await page.form.password.waitFor();
  assert.equal(readable(await page.percentage.innerText()), "25 %");
  await page.reads(page.detail.locator(".stale"), /^Not live: Sign in again\. Shown as of/);
  assert.equal(await page.link.isVisible(), false);
  assert.deepEqual((await heard()).filter((line) => /Connection/.test(line)), []);
  assert.equal((await page.server.lastWatch()).left, true);
  await page.form.signIn();
  await page.server.opened(2);
  await page.server.tell({ step: 4, percentage: 50 });
  await page.reads(page.percentage, /^50 %$/);
  await page.isLink("Live");
  assert.equal(await page.page.locator("#board-problem").isVisible(), false);
  assert.equal(await hasFocus(page.button("Pause")), true);
});

test("no inline script or style stands on the pages, and the form is built without any", async () => {
  for (const [path, open] of [["dashboard", PAGES.dashboard.open], ["rollouts", PAGES.rollouts.open]]) {
    const html = await (await fetch(`${TROIKA_URL}/${path}`)).text();
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
    page = await open({ account: null });
    await page.form.email.waitFor();
    assert.equal(await page.page.locator("#sign-in [style], #sign-in script, #sign-in style").count(), 0);
    assert.deepEqual(page.faults, []);
    await page.close();
  }
  page = undefined;
});

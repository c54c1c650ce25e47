//! The rollout page: live, through cuts, and whatever the server says.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { launch } from "./page.mjs";
import { RolloutsPage, readable } from "./rollouts_page.mjs";
import { BAKING, CRITERIA, FLAGS, ScriptedRollouts, before, decision, flag, problem, rollout } from "./scripted_rollouts.mjs";

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

const server = (options) => new ScriptedRollouts(options);
const live = async (options) => (page = await RolloutsPage.live(browser, options));
const open = async (options) => (page = await RolloutsPage.open(browser, options));

// ---- live ------------------------------------------------------------------------------------------

test("what the stream tells is shown at once, and a screen reader hears changes of state alone", async () => {
  await live();
  const watch = await page.server.lastWatch();
  assert.deepEqual([watch.authorization, watch.credentials], [null, "same-origin"]);
  await page.server.tell({ lastDecision: { ...BAKING, at: before(0) } });
  await page.server.tell({ step: 4, percentage: 50, stepStartedAt: before(0), note: "Advanced from 25 % to 50 %" });
  await page.reads(page.percentage, /^50 %$/);
  await page.reads(page.steps, /Step 5 of 8: baked \d s of at least 4 h/);
  await page.server.tell({ state: "rolled_back", percentage: 0, endedAt: before(0), note: "Rolled back from 50 % to 0 %" });
  await page.reads(page.state, /^Rolled back$/);
  await page.isLink("Up to date");
  const heard = (await page.announcer.locator("p").allInnerTexts()).map(readable);
  assert.deepEqual(heard, ["streaming 2.4.0: step 5 of 8, now at 50 %.", "streaming 2.4.0: Rolled back, now at 0 %. Rolled back from 50 % to 0 %."]);
  assert.equal((await page.server.lastWatch()).left, true);
});

test("a watch that is cut is said to be, and comes back with what it missed", async () => {
  await live();
  await page.server.refuseStreams(0);
  await page.server.breakOff();
  await page.isLink("Reconnecting");
  await page.reads(page.detail.locator(".stale"), /^Not live: .* Shown as of \d\d:\d\d:\d\d\.$/);
  await page.reads(page.announcer, /Connection lost, reconnecting\./);

  page.server.decisions = [{ ...BAKING, at: before(5_000), verdict: "advance", reasons: [{ code: "criteria_met", message: "Decided while nobody listened" }] }];
  await page.server.refuseStreams(null);
  await page.server.opened(2);
  await page.server.tell({ step: 4, percentage: 50 });
  await page.isLink("Live");
  assert.equal(await page.detail.locator(".stale").isVisible(), false);
  assert.equal(readable(await page.percentage.innerText()), "50 %");
  await page.reads(page.announcer, /Connected again\./);
  await page.detail.getByText("Decided while nobody listened").waitFor();
});

test("what is older than what is known changes nothing", async () => {
  await live();
  await page.server.tell({ step: 4, percentage: 50 });
  await page.reads(page.percentage, /^50 %$/);
  await page.server.write(`event: rollout\ndata: ${JSON.stringify(rollout({ revision: 2, percentage: 5, step: 1 }))}\n\n: comment\n\nevent: other\ndata: {}\n\nevent: rollout\ndata: {broken\n\n`);
  await page.server.tell({ note: "Told last" });
  await page.detail.getByText("Told last").waitFor();
  assert.equal(readable(await page.percentage.innerText()), "50 %");
});

test("a server that is away from the start is told, and found when it is back", async () => {
  const away = server();
  away.refusals.set("GET /api/rollouts", "cut");
  away.refusals.set("GET /api/flags", problem(503, "flags_unavailable", "The flags service is starting"));
  await open({ server: away });
  await page.reads(page.page.locator("#board-problem"), /^The server cannot be reached\.$/);
  await page.isLink("Reconnecting");
  assert.equal(await page.form.section.isVisible(), false, "a server that is away is no reason to sign anybody out");
  away.refusals.clear();
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await page.detail.waitFor();
  assert.equal(await page.page.locator("#board-problem").isVisible(), false);
});

test("news do not take the keyboard away from where it is", async () => {
  await live();
  await page.button("Abort").focus();
  await page.server.tell({ step: 4, percentage: 50, lastDecision: { ...BAKING, at: before(0) } });
  await page.reads(page.percentage, /^50 %$/);
  assert.equal(await page.button("Abort").evaluate((button) => button === document.activeElement), true);
  await page.active.first().focus();
  await page.server.tell({ step: 5, percentage: 75 });
  await page.reads(page.active, /75 %/);
  assert.equal(await page.active.first().evaluate((row) => row === document.activeElement), true);
});

// ---- hostile and strange ---------------------------------------------------------------------------

const HOSTILE = `<img src=x onerror="window.owned = true"><b>bold</b>`;

test("text of the server is text, wherever it stands", async () => {
  const strange = rollout({
    id: "../<i>",
    flag: HOSTILE,
    candidate: HOSTILE,
    note: HOSTILE,
    startedBy: { name: HOSTILE, reason: HOSTILE },
    lastDecision: decision(HOSTILE, [[HOSTILE, HOSTILE, 1, 2], ["error_rate", HOSTILE, 1, 2]]),
  });
  const refusing = server({
    rollouts: [strange, rollout({ id: "two", state: HOSTILE })],
    flags: [flag(HOSTILE, { description: HOSTILE, updatedBy: HOSTILE, offVariant: HOSTILE }), flag("__proto__"), ...FLAGS],
    decisions: [decision("hold", [["x", HOSTILE]])],
  });
  refusing.refusals.set("POST /api/rollouts/..%2F%3Ci%3E/abort", problem(409, "x", HOSTILE, [{ field: HOSTILE, message: HOSTILE }]));
  await open({ server: refusing, hash: "#..%2F%3Ci%3E" });
  await page.detail.waitFor();
  assert.equal(await page.detail.getByRole("heading", { level: 2 }).innerText(), HOSTILE);
  await page.button("Abort").click();
  await page.dialog.getByLabel("Reason").fill("x");
  await page.dialog.getByRole("button", { name: /^Abort/ }).click();
  await page.reads(page.dialog.getByRole("alert"), /<img src=x onerror=/);
  await page.page.keyboard.press("Escape");
  await page.page.getByRole("button", { name: "Switch off: <img" }).click();
  assert.match(await page.dialog.innerText(), /<b>bold<\/b>/);
  await page.page.keyboard.press("Escape");
  await page.page.getByRole("button", { name: "Start a rollout" }).click();
  assert.equal(await page.page.locator("main img, main b, dialog img, dialog b, #announcer img").count(), 0);
  assert.equal(await page.page.evaluate(() => window.owned), undefined);
});

test("a rollout without most of its fields is shown as far as it goes", async () => {
  await open({ server: server({ rollouts: [{ id: "bare", flag: "tts", candidate: "x", state: "resting" }, { nothing: true }, null], flags: [{ key: "bare" }, null] }) });
  await page.detail.waitFor();
  assert.equal(await page.state.innerText(), "resting");
  assert.equal(await page.percentage.innerText(), "–");
  assert.match(await page.detail.innerText(), /This rollout has no steps\./);
  assert.match(await page.detail.innerText(), /No figures yet/);
  assert.equal(await page.active.count(), 1);
});

test("a criterion that the plan does not have is not judged", async () => {
  const { rollbackOverload: _, advanceErrorRate: __, ...criteria } = CRITERIA;
  await live({ server: server({ rollouts: [rollout({ plan: { criteria: { ...criteria, advanceErrorRate: null } } })] }) });
  assert.deepEqual((await page.row("Overload").getByRole("cell").allInnerTexts()).map(readable), ["0.2 %", "–", "–", "Good"]);
  assert.deepEqual((await page.row("Error rate").getByRole("cell").allInnerTexts()).map(readable).slice(2), ["–", "above 2 %", "Good"]);
});

//! The rollout page: its lists, and what can be done.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { launch } from "./page.mjs";
import { RolloutsPage, readable } from "./rollouts_page.mjs";
import { HOUR, ROLLOUT_ID, ScriptedRollouts, arm, before, decision, flag, problem, rollout } from "./scripted_rollouts.mjs";

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

// ---- lists -----------------------------------------------------------------------------------------

test("the list shows what is under way first, and the one that needs a person is opened", async () => {
  await live({
    server: server({
      rollouts: [
        rollout({ id: "a", state: "completed", percentage: 100, candidate: "2.3.0", startedAt: before(2 * HOUR), endedAt: before(HOUR) }),
        rollout({ id: "b", startedAt: before(3 * HOUR) }),
        rollout({ id: "c", flag: "tts", candidate: "voices-7", state: "awaiting_approval", percentage: 10, step: 2, plan: { manualApproval: true }, startedAt: before(30 * HOUR) }),
      ],
    }),
  });
  assert.deepEqual((await page.active.allInnerTexts()).map(readable), ["streaming 25 % 2.4.0 Running 3 h ago", "tts 10 % voices-7 Awaiting approval 1 d ago"]);
  const earlier = page.page.getByRole("list", { name: "Earlier" }).getByRole("link");
  assert.deepEqual((await earlier.allInnerTexts()).map(readable), ["streaming 100 % 2.3.0 Completed 1 h ago"]);
  assert.equal(await page.active.nth(1).getAttribute("aria-current"), "true");
  assert.equal((await page.server.lastWatch()).path, "/api/rollouts/c/watch");

  await page.active.first().click();
  await page.server.opened(2);
  assert.equal((await page.server.lastWatch()).path, "/api/rollouts/b/watch");
  assert.equal(new URL(page.page.url()).hash, "#b");
  await page.reads(page.detail.getByRole("heading", { level: 2 }), /^streaming$/);
  await page.page.goBack();
  await page.reads(page.detail.getByRole("heading", { level: 2 }), /^tts$/);
});

test("an address names a rollout, and one that is not there is told", async () => {
  const two = [rollout(), rollout({ id: "b", flag: "tts", startedAt: before(HOUR) })];
  await live({ server: server({ rollouts: two }), hash: "#b" });
  assert.equal(await page.detail.getByRole("heading", { level: 2 }).innerText(), "tts");
  await page.server.refuseStreams(404);
  await page.page.evaluate(() => (location.hash = "gone"));
  await page.reads(page.page.locator("#board-problem"), /^There is no rollout with this id\.$/);
  assert.equal(await page.detail.count(), 0);
  await page.server.refuseStreams(null);
  await page.active.first().click();
  await page.detail.waitFor();
  assert.equal(await page.page.locator("#board-problem").isVisible(), false);
});

test("nothing rolled out yet leaves the flags and the way to start", async () => {
  await open({ server: server({ rollouts: [] }) });
  await page.page.getByText("Nothing is being rolled out.").waitFor();
  assert.equal(await page.flag("tts").isVisible(), true);
  assert.equal(await page.page.getByRole("button", { name: "Start a rollout" }).isEnabled(), true);
  await page.isLink("Up to date");
});

test("a flag tells its state and who changed it, and is switched off after a reason", async () => {
  await live();
  assert.equal(readable(await page.flag("streaming").innerText()), "streaming 25 % Answers stream word by word; off, they come in one piece. On Switch off Changed 1 h 20 min ago by rollout");
  assert.equal(readable(await page.flag("abTest").innerText()), "abTest 0 % Which of two experiences a visitor gets. Off for all Switch on Never changed");

  await page.flag("streaming").getByRole("button", { name: "Switch off: streaming" }).click();
  assert.match(await page.dialog.innerText(), /Everybody gets the variant “off” at once/);
  const go = page.dialog.getByRole("button", { name: "Switch off for everybody" });
  await go.click();
  assert.match(await page.dialog.getByRole("alert").innerText(), /Say why/);
  assert.deepEqual(page.server.changes, []);
  await page.dialog.getByLabel("Reason").fill("  Answers are cut off  ");
  await go.click();
  await page.reads(page.flag("streaming"), /Off for all Switch on Changed just now by grace/);
  assert.deepEqual(page.server.changes, [{ path: "/api/flags/streaming/switch", body: { enabled: false, reason: "Answers are cut off" } }]);
  await page.reads(page.alert, /^Switched off\. The flag is switched off for everybody/);
  await page.reads(page.announcer, /streaming is switched off for everybody\./);
});

// ---- what can be done ------------------------------------------------------------------------------

async function decide(action, confirm, reason) {
  await page.button(action).click();
  await page.dialog.getByLabel("Reason").fill(reason);
  await page.dialog.getByRole("button", { name: confirm, exact: true }).click();
}

test("pause and resume ask for a reason and show what has become of it", async () => {
  await live();
  await decide("Pause", "Pause", "Support asks for a break");
  await page.reads(page.state, /^Paused$/);
  assert.deepEqual(await page.actions(), { Pause: false, Resume: true, Abort: true });
  assert.equal(await page.dialog.count(), 0);
  await page.reads(page.announcer, /streaming 2\.4\.0: Paused, now at 25 %\. Pause: Support asks for a break\./);
  await decide("Resume", "Resume", "All quiet");
  await page.reads(page.state, /^Running$/);
  assert.deepEqual(page.server.changes, [
    { path: `/api/rollouts/${ROLLOUT_ID}/pause`, body: { reason: "Support asks for a break" } },
    { path: `/api/rollouts/${ROLLOUT_ID}/resume`, body: { reason: "All quiet" } },
  ]);
});

test("a step that awaits approval says where it leads, and is approved", async () => {
  await live({ server: server({ rollouts: [rollout({ state: "awaiting_approval", plan: { manualApproval: true } })] }) });
  assert.equal(readable(await page.health.innerText()), "Waits for your approval to go to 50 %.");
  assert.deepEqual(await page.actions(), { "Approve step": true, Pause: true, Resume: false, Abort: true });
  await page.server.tell({ lastDecision: decision("hold", [["error_rate_not_shown", "3 % fail"]], { at: before(0), candidate: arm({ failures: 37 }) }) });
  await page.reads(page.health, /^Waits for your approval to go to 50 %, and is not well\. 3 % fail\.$/);
  await page.button("Approve step").click();
  assert.match(readable(await page.dialog.innerText()), /It goes from 25 % to 50 %\./);
  await page.page.keyboard.type("Figures are fine");
  await page.page.keyboard.press("Enter");
  await page.reads(page.percentage, /^50 %$/);
  assert.deepEqual(page.server.changes, [{ path: `/api/rollouts/${ROLLOUT_ID}/approve`, body: { reason: "Figures are fine" } }]);
});

test("abort says what will happen before it does", async () => {
  await live();
  await page.button("Abort").click();
  assert.match(readable(await page.dialog.innerText()), /This sets streaming to 0 %, now at 25 %, and ends the rollout\. It cannot be resumed\./);
  await page.page.keyboard.press("Escape");
  assert.equal(await page.dialog.count(), 0);
  assert.equal(await page.button("Abort").evaluate((button) => button === document.activeElement), true);
  assert.deepEqual(page.server.changes, []);
  await decide("Abort", "Abort, set to 0 %", "Wrong build");
  await page.reads(page.state, /^Aborted$/);
  assert.equal(readable(await page.percentage.innerText()), "0 %");
  assert.deepEqual(page.server.changes, [{ path: `/api/rollouts/${ROLLOUT_ID}/abort`, body: { reason: "Wrong build" } }]);
  assert.equal(await page.detail.getByRole("heading", { level: 2 }).evaluate((title) => title === document.activeElement), true, "the keyboard is not lost with the button");
});

test("a dry run's abort does not claim to change the flag", async () => {
  await live({ server: server({ rollouts: [rollout({ plan: { dryRun: true, rollbackPercentage: 5 } })] }) });
  assert.match(await page.detail.innerText(), /Dry run: the flag stays as it is/);
  await page.button("Abort").click();
  assert.match(await page.dialog.innerText(), /streaming stays as it is/);
  await page.page.keyboard.press("Escape");
  await page.server.tell({ state: "rolled_back", endedAt: before(0) });
  await page.reads(page.health, /^The dry run ended: this would have been rolled back\./);
});

test("what the server refuses stands in the dialog in its own words, and can be tried again", async () => {
  const refusing = server();
  const path = `POST /api/rollouts/${ROLLOUT_ID}/pause`;
  refusing.refusals.set(path, problem(409, "rollout_ended", "This rollout was rolled back a moment ago", [{ field: "id", message: "Only a running rollout can be paused", type: "state" }]));
  await live({ server: refusing });
  await decide("Pause", "Pause", "Too fast");
  const told = page.dialog.getByRole("alert");
  await page.reads(told, /^This rollout was rolled back a moment ago Only a running rollout can be paused$/);
  assert.equal(await page.dialog.getByLabel("Reason").inputValue(), "Too fast");
  refusing.refusals.set(path, "cut");
  await page.dialog.getByRole("button", { name: "Pause" }).click();
  await page.reads(told, /^The server cannot be reached\. Whether it did what was asked is not known\.$/);
  refusing.refusals.delete(path);
  await page.dialog.getByRole("button", { name: "Pause" }).click();
  await page.reads(page.state, /^Paused$/);
});

test("a refusal is seen even when its dialog was closed meanwhile, and nothing is sent twice", async () => {
  await live();
  let answer;
  await page.page.route(`**/api/rollouts/${ROLLOUT_ID}/abort`, (route) => (answer = route));
  await decide("Abort", "Abort, set to 0 %", "Wrong build");
  await page.page.waitForFunction(() => document.querySelector("#reason-go").disabled);
  await page.dialog.getByLabel("Reason").press("Enter");
  await page.dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await page.dialog.count(), 0);
  await answer.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(problem(503, "store_unavailable", "The store is away")) });
  await page.reads(page.dialog.getByRole("alert"), /^The store is away$/);
});

// ---- starting --------------------------------------------------------------------------------------

const startForm = async () => {
  await page.page.getByRole("button", { name: "Start a rollout" }).click();
  const form = page.dialog;
  return {
    form,
    flag: form.getByLabel("Flag", { exact: true }),
    candidate: form.getByLabel("Candidate", { exact: true }),
    steps: form.getByLabel("Steps"),
    reason: form.getByLabel("Reason"),
    go: form.getByRole("button", { name: "Start" }),
    told: form.getByRole("alert"),
  };
};

test("a rollout is started with the default plan, and opened", async () => {
  await open({ server: server({ rollouts: [] }) });
  await page.page.getByText("Nothing is being rolled out.").waitFor();
  const { form, flag: key, candidate, steps, reason, go } = await startForm();
  assert.equal(await key.evaluate((field) => field === document.activeElement), true);
  assert.deepEqual(await key.locator("option").allInnerTexts(), ["Choose a flag", "abTest", "metrics", "streaming", "tts"]);
  assert.match(await steps.inputValue(), /^1@2h, 5@4h, 10@.*100@/);
  await key.selectOption("tts");
  await candidate.fill("voices-7");
  await reason.fill("New voices");
  await form.getByLabel("Manual approval").check();
  await go.click();
  await page.reads(page.detail.getByRole("heading", { level: 2 }), /^tts$/);
  assert.equal(new URL(page.page.url()).hash, "#started");
  const [{ path, body }] = page.server.changes;
  assert.equal(path, "/api/rollouts");
  const { plan, ...rest } = body;
  assert.deepEqual(rest, { flag: "tts", candidate: "voices-7", reason: "New voices", overrideRejection: false });
  assert.equal(plan.manualApproval, true);
  assert.equal(plan.dryRun, false);
  assert.deepEqual(plan.steps.slice(0, 2), [
    { percentage: 1, bakeSeconds: 7_200 },
    { percentage: 5, bakeSeconds: 14_400 },
  ]);
  assert.equal(plan.steps.at(-1).percentage, 100);
  await page.server.opened(1);
});

test("steps are read as they are written, and what is wrong with them is said before anything is sent", async () => {
  await live();
  const { flag: key, candidate, steps, reason, go, told, form } = await startForm();
  await key.selectOption("tts");
  await candidate.fill("x");
  await reason.fill("y");
  for (const [text, wrong] of [
    ["", /Name at least one step/],
    ["5", /“5” is no step/],
    ["5@soon", /“soon” is no time/],
    ["5@1h, 5@2h", /5 must be more than 5/],
    ["0@1h", /0 is no percentage/],
    ["101@1h", /101 is no percentage/],
  ]) {
    await steps.fill(text);
    await go.click();
    await page.reads(told, wrong);
    assert.equal(await steps.getAttribute("aria-invalid"), "true");
  }
  assert.deepEqual(page.server.changes, []);
  await steps.fill("0.5@90s; 10% @ 1h30m\n100@1d");
  await page.reads(form.locator("#start-steps-sum"), /^3 steps to 100 %, at least 1 d 1 h in all\.$/);
  await go.click();
  await page.dialog.waitFor({ state: "hidden" });
  assert.deepEqual(page.server.changes[0].body.plan.steps, [
    { percentage: 0.5, bakeSeconds: 90 },
    { percentage: 10, bakeSeconds: 5_400 },
    { percentage: 100, bakeSeconds: 86_400 },
  ]);
});

test("a candidate that was rolled back before is tried again only when a person says so", async () => {
  const refusing = server();
  refusing.refusals.set("POST /api/rollouts", problem(409, "candidate_rejected", "2.4.0 was rolled back yesterday: name another candidate, or override the rejection"));
  await live({ server: refusing });
  const { form, flag: key, candidate, reason, go, told } = await startForm();
  const again = form.getByLabel("Try this candidate again");
  await key.selectOption("streaming");
  await candidate.fill("2.4.0");
  await reason.fill("Fixed the provider");
  assert.equal(await again.isVisible(), false);
  await go.click();
  await page.reads(told, /^2\.4\.0 was rolled back yesterday/);
  await again.check();
  await candidate.fill("2.4.1");
  assert.equal(await again.isVisible(), false, "another candidate was not rejected");
  await candidate.fill("2.4.0");
  await go.click();
  await again.check();
  refusing.refusals.clear();
  await go.click();
  await page.dialog.waitFor({ state: "hidden" });
  assert.deepEqual(
    page.server.changes.map(({ body }) => body.overrideRejection),
    [false, false, true],
  );
});

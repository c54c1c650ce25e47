//! The rollout page: what an operator sees and can do, and what they are told when something is wrong.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { TROIKA_URL, launch } from "./page.mjs";
import { RolloutsPage, readable } from "./rollouts_page.mjs";
import {
  BAKING,
  CRITERIA,
  FLAGS,
  HOUR,
  MINUTE,
  ROLLOUT_ID,
  ScriptedRollouts,
  TOKEN,
  arm,
  before,
  decision,
  flag,
  problem,
  rollout,
} from "./scripted_rollouts.mjs";

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

const kept = () => page.page.evaluate(() => ({ session: sessionStorage.getItem("troika.admin"), local: localStorage.length, cookies: document.cookie }));
const server = (options) => new ScriptedRollouts(options);
const live = async (options) => (page = await RolloutsPage.live(browser, options));
const open = async (options) => (page = await RolloutsPage.open(browser, options));

// ---- served -----------------------------------------------------------------------------------------

test("the binary serves the page under the policy of the chat page, and its own scripts alone", async () => {
  const [chat, served] = await Promise.all([fetch(`${TROIKA_URL}/`), fetch(`${TROIKA_URL}/rollouts`)]);
  assert.equal(served.status, 200);
  assert.match(served.headers.get("content-type"), /^text\/html/);
  const policy = served.headers.get("content-security-policy");
  assert.equal(policy, chat.headers.get("content-security-policy"));
  assert.doesNotMatch(policy, /unsafe/);
  const html = await served.text();
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?:\/\//);
});

test("an address with a slash too many leads to the page", async () => {
  for (const path of ["/rollouts/", "/rollouts/index.html"]) {
    const answer = await fetch(TROIKA_URL + path);
    assert.equal(answer.url, `${TROIKA_URL}/rollouts`);
    assert.equal(answer.status, 200);
  }
});

// ---- signing in -------------------------------------------------------------------------------------

test("signed out, the page shows the field alone and asks the server nothing", async () => {
  await open({ token: null });
  await page.field.waitFor();
  const asked = [];
  page.page.on("request", (request) => asked.push(request.url()));
  assert.equal(await page.detail.count(), 0);
  assert.equal(await page.page.getByRole("heading", { name: "Flags" }).isVisible(), false);
  assert.equal(await page.signOut.isVisible(), false);
  assert.equal(await page.field.evaluate((field) => field === document.activeElement), true);
  assert.equal(await page.field.getAttribute("type"), "password");
  assert.equal(await page.field.getAttribute("name"), null);
  await page.signIn.click();
  assert.match(await page.page.locator("#sign-in-problem").innerText(), /Paste the token first/);
  assert.deepEqual(asked, []);
});

test("a wrong token is refused in the server's words and kept nowhere", async () => {
  await open({ token: null });
  await page.field.fill("wrong");
  await page.field.press("Enter");
  await page.reads(page.page.locator("#sign-in-problem"), /^The token is not valid here\. troika token prints one$/);
  assert.equal((await kept()).session, null);
  await page.field.fill(TOKEN);
  await page.field.press("Enter");
  await page.detail.waitFor();
  assert.deepEqual(await kept(), { session: TOKEN, local: 0, cookies: "" });
  assert.equal(new URL(page.page.url()).search, "");
});

test("a reload keeps the token, and signing out forgets it and everything it showed", async () => {
  await live();
  await page.page.reload();
  await page.detail.waitFor();
  await page.server.opened(1);
  await page.signOut.click();
  await page.field.waitFor();
  assert.equal((await kept()).session, null);
  assert.equal((await page.server.lastWatch()).left, true);
  assert.doesNotMatch(await page.page.evaluate(() => document.body.textContent), /2\.4\.0|ada/);
  assert.equal(await page.page.title(), "Rollouts – troika");
});

test("a token that stops being good brings the field back with the server's words", async () => {
  await open({ token: "expired" });
  await page.reads(page.page.locator("#sign-in-problem"), /not valid here/);
  assert.equal((await kept()).session, null);
  await page.close();

  const refusing = server();
  await live({ server: refusing });
  refusing.refusals.set(`POST /api/rollouts/${ROLLOUT_ID}/pause`, problem(403, "forbidden", "This token may look at rollouts, not change them"));
  await page.button("Pause").click();
  await page.dialog.getByLabel("Reason").fill("Looks odd");
  await page.dialog.getByRole("button", { name: "Pause" }).click();
  await page.reads(page.page.locator("#sign-in-problem"), /may look at rollouts, not change them/);
  assert.equal(await page.dialog.count(), 0);
});

// ---- one glance -------------------------------------------------------------------------------------

test("a running rollout tells what, how far, how well, and its steps", async () => {
  await live();
  assert.equal(await page.detail.getByRole("heading", { level: 2 }).innerText(), "streaming");
  assert.equal(await page.detail.locator(".candidate").innerText(), "2.4.0");
  assert.equal(await page.state.innerText(), "Running");
  assert.equal(readable(await page.percentage.innerText()), "25 %");
  assert.match(await page.health.innerText(), /^Well so far; holds\. The step has baked/);
  assert.equal(readable(await page.page.title()), "25 % streaming · Running – troika");
  const steps = await page.steps.getByRole("listitem").evaluateAll((items) => items.map((item) => [item.querySelector(".step-percentage").textContent, item.dataset.place, item.getAttribute("aria-current")]));
  assert.deepEqual(
    steps.map(([percentage, ...rest]) => [readable(percentage), ...rest]),
    [
      ["1 %", "done", null],
      ["5 %", "done", null],
      ["10 %", "done", null],
      ["25 %", "current", "step"],
      ["50 %", "coming", null],
      ["75 %", "coming", null],
      ["90 %", "coming", null],
      ["100 %", "coming", null],
    ],
  );
  assert.match(readable(await page.steps.innerText()), /Step 4 of 8: baked 1 h 20 min of at least 8 h, 6 h (39|40) min to go/);
  assert.match(readable(await page.detail.innerText()), /Started 16 h ago by ada: Release 2\.4\.0\./);
  assert.deepEqual(await page.actions(), { Pause: true, Resume: false, Abort: true });
  assert.equal(await page.alert.count(), 0);
});

test("figures stand against both limits, for both arms, with a mark in words and shape", async () => {
  await live();
  const cells = async (name) => (await page.row(name).getByRole("cell").allInnerTexts()).map(readable);
  assert.deepEqual(await cells("Error rate"), ["0.32 % 0.19 to 0.58 %", "0.39 % 0.23 to 0.68 %", "below 1 %", "above 2 %", "Good"]);
  assert.deepEqual(await cells("Success rate"), ["99.68 % 99.42 to 99.81 %", "99.61 % 99.32 to 99.77 %", "above 95 %", "below 90 %", "Good"]);
  assert.deepEqual(await cells("First token"), ["640 ms 614 to 666 ms 95 of 100 in 1 280 ms", "655 ms 629 to 681 ms 95 of 100 in 1 310 ms", "below 1 000 ms", "above 2 000 ms", "Good"]);
  assert.deepEqual(await cells("Samples"), ["1 240 31 cancelled by users", "3 610 31 cancelled by users", "at least 300", "–", "Good"]);
  assert.deepEqual(await cells("Critical errors"), ["0", "0", "none", "any", "Good"]);
  assert.deepEqual(await cells("Overload"), ["0.2 %", "–", "above 5 %", "Good"]);

  const worse = { candidate: arm({ samples: 200, failures: 3, firstTokenMs: 1_400, critical: 2 }), overload: 0.09 };
  await page.server.tell({ lastDecision: decision("hold", [["error_rate", "Not yet below 1 %"]], { at: before(0), ...worse }) });
  await page.reads(page.health, /^Holds, and is not well\./);
  const marks = await page.figures.locator(".figure-mark").evaluateAll((found) => found.map((mark) => [mark.textContent, mark.querySelector("use").getAttribute("href")]));
  assert.deepEqual(marks, [
    ["Too high", "#icon-warn"],
    ["Good", "#icon-good"],
    ["Too high", "#icon-warn"],
    ["Too few yet", "#icon-unsure"],
    ["Past the limit", "#icon-bad"],
    ["Past the limit", "#icon-bad"],
  ]);
});

test("a good figure that is not certain yet is not called good", async () => {
  const unsure = decision("hold", [["error_rate_unproven", "0.7 % fail; up to 1.2 % cannot be ruled out"]], { candidate: arm({ samples: 420, failures: 3 }) });
  await live({ server: server({ rollouts: [rollout({ lastDecision: unsure })] }) });
  assert.equal(await page.row("Error rate").locator(".figure-mark").innerText(), "Not certain yet");
});

test("both arms failing is told as such, and not blamed on the candidate", async () => {
  const alike = decision("hold", [["both_arms", "Both arms fail alike: the fault is not the candidate’s"]], {
    candidate: arm({ samples: 410, failures: 81 }),
    control: arm({ samples: 1_410, failures: 281 }),
  });
  await live({ server: server({ rollouts: [rollout({ lastDecision: alike })] }) });
  assert.equal(await page.health.innerText(), "Holds, and is not well. Both arms fail alike: the fault is not the candidate’s.");
  assert.match(await page.row("Error rate").getByRole("cell").nth(1).innerText(), /past the limit, too/);
});

test("stalled is an alert, and goes when data come", async () => {
  const none = arm({ samples: 0, failures: 0, cancelled: 0 });
  const blind = decision("inconclusive", [["no_data", "No turns were reported for 40 min"]], { candidate: none, control: none, overload: null });
  await live({ server: server({ rollouts: [rollout({ stalled: true, lastDecision: blind })] }) });
  assert.match(await page.alert.innerText(), /^Stalled\. No data for longer than the plan allows/);
  assert.match(await page.health.innerText(), /^Cannot be judged\. No turns were reported/);
  assert.match(await page.active.innerText(), /Stalled/);
  assert.match(await page.page.title(), /Stalled/);
  assert.deepEqual([...new Set(await page.figures.locator(".figure-mark").allInnerTexts())], ["No data"]);
  await page.server.tell({ stalled: false, lastDecision: { ...BAKING, at: before(0) } });
  await page.alert.waitFor({ state: "detached" });
});

test("a rollout rolled back says why, and offers nothing more", async () => {
  const bad = decision("roll_back", [["error_rate", "5.2 % of the candidate’s answers fail; the limit is 2 %", 0.052, 0.02], ["critical", "1 critical error"]], {
    candidate: arm({ samples: 410, failures: 21, critical: 1 }),
  });
  await open({
    server: server({ rollouts: [rollout({ state: "rolled_back", percentage: 0, endedAt: before(3 * MINUTE), lastDecision: bad, note: "Rolled back to 0 %" })], decisions: [bad] }),
  });
  await page.isLink("Up to date");
  assert.equal(readable(await page.health.innerText()), "Rolled back to 0 %. 5.2 % of the candidate’s answers fail; the limit is 2 %. 1 critical error.");
  assert.deepEqual((await page.reasons.getByRole("listitem").allInnerTexts()).map(readable), ["5.2 % of the candidate’s answers fail; the limit is 2 %", "1 critical error"]);
  assert.deepEqual(await page.actions(), { Pause: false, Resume: false, Abort: false });
  assert.equal(await page.steps.locator('[data-place="stopped"]').count(), 1);
  assert.equal(await page.page.getByText("Nothing is being rolled out.").isVisible(), true);
  assert.equal(await page.page.evaluate(() => window.troikaWatches.length), 0, "what has ended is not watched");
});

test("the history folds a run of the same decision into one line", async () => {
  const at = (minutes, verdict, step, code, message) => decision(verdict, [[code, message]], { at: before(minutes * MINUTE), step });
  const decisions = [
    ...[5, 10, 15].map((minutes) => at(minutes, "hold", 3, "baking", `Baked ${80 - minutes} min of 8 h`)),
    at(80, "advance", 2, "criteria_met", "All criteria are met"),
    at(85, "inconclusive", 2, "too_few_samples", "120 of 300 samples"),
  ];
  await live({ server: server({ rollouts: [rollout({ lastDecision: { ...decisions[0] } })], decisions }) });
  await page.runs.nth(2).waitFor();
  const lines = (await page.runs.allInnerTexts()).map(readable);
  assert.equal(lines.length, 3);
  assert.match(lines[0], /at 25 % Hold 3 times Baked 75 min of 8 h$/);
  assert.match(lines[1], /at 10 % Advance All criteria are met$/);
  assert.match(lines[2], /at 10 % Inconclusive 120 of 300 samples$/);

  await page.server.tell({ lastDecision: at(0, "hold", 3, "baking", "Baked 80 min of 8 h") });
  await page.reads(page.runs, /Hold 4 times Baked 80 min of 8 h$/);
  assert.equal(await page.runs.count(), 3);
});

test("a long history is shown on demand", async () => {
  const decisions = Array.from({ length: 30 }, (_, at) => decision(at % 2 === 0 ? "hold" : "inconclusive", [["code", `Reason ${at}`]], { at: before((at + 1) * MINUTE) }));
  await live({ server: server({ decisions, rollouts: [rollout({ lastDecision: decisions[0] })] }) });
  const more = page.detail.getByRole("button", { name: "Show 22 more" });
  await more.click();
  assert.equal(await page.runs.count(), 30);
  assert.equal(await more.isVisible(), false);
});

test("decisions that cannot be read are told, and the rest of the page stands", async () => {
  const refusing = server();
  refusing.refusals.set(`GET /api/rollouts/${ROLLOUT_ID}/decisions`, problem(503, "store_unavailable", "The store is away"));
  await live({ server: refusing });
  await page.detail.getByText("Earlier decisions could not be read: The store is away").waitFor();
  assert.match(await page.health.innerText(), /Well so far/);
});

// ---- lists ------------------------------------------------------------------------------------------

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

// ---- what can be done -------------------------------------------------------------------------------

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
  await page.reads(page.announcer, /streaming 2\.4\.0: Paused, now at 25 %\. pause: Support asks for a break\./);
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

// ---- starting ---------------------------------------------------------------------------------------

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

// ---- live -------------------------------------------------------------------------------------------

test("what the stream tells is shown at once, and a screen reader hears changes of state alone", async () => {
  await live();
  assert.equal((await page.server.lastWatch()).authorization, `Bearer ${TOKEN}`);
  await page.server.tell({ lastDecision: { ...BAKING, at: before(0) } });
  await page.server.tell({ step: 4, percentage: 50, stepStartedAt: before(0), note: "Advanced from 25 % to 50 %" });
  await page.reads(page.percentage, /^50 %$/);
  await page.reads(page.steps, /Step 5 of 8: baked \d s of at least 12 h/);
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
  assert.equal((await kept()).session, TOKEN, "a server that is away is no reason to forget a token");
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

// ---- hostile and strange ----------------------------------------------------------------------------

const HOSTILE = `<img src=x onerror="window.owned = true"><b>bold</b>`;

test("text of the server is text, wherever it stands", async () => {
  const strange = rollout({
    id: "../<i>",
    flag: HOSTILE,
    candidate: HOSTILE,
    note: HOSTILE,
    startedBy: { name: HOSTILE, reason: HOSTILE },
    lastDecision: decision(HOSTILE, [[HOSTILE, HOSTILE, 1, 2]]),
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

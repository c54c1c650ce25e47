//! The rollout page: how one comes in, and what an operator sees at a glance.

import assert from "node:assert/strict";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { TROIKA_URL, launch } from "./page.mjs";
import { RolloutsPage, readable } from "./rollouts_page.mjs";
import { BAKING, HOUR, MINUTE, ROLLOUT_ID, ScriptedRollouts, arm, before, decision, problem, rollout } from "./scripted_rollouts.mjs";

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

// ---- served ----------------------------------------------------------------------------------------

test("the binary serves the page with its own scripts alone, to be framed by nobody", async () => {
  const served = await fetch(`${TROIKA_URL}/rollouts`);
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
  for (const path of ["/rollouts/", "/rollouts/index.html"]) {
    const answer = await fetch(TROIKA_URL + path);
    assert.equal(answer.url, `${TROIKA_URL}/rollouts`);
    assert.equal(answer.status, 200);
  }
});

// ---- one glance ------------------------------------------------------------------------------------

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
  assert.match(readable(await page.steps.innerText()), /Step 4 of 8: baked 1 h 20 min of at least 4 h, 2 h (39|40) min or more to go/);
  assert.match(readable(await page.detail.innerText()), /Started 16 h ago by ada: “Release 2\.4\.0” Advanced from 10 % to 25 %\./);
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
  assert.deepEqual(await cells("Overload"), ["0.2 %", "–", "above 1 %", "Good"]);

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
  await page.server.tell({ stalled: false });
  await page.alert.waitFor({ state: "detached" });
  assert.match(await page.health.innerText(), /^Cannot be judged yet\. No turns were reported/);
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

test("one that has ended keeps the decision that ended it in sight", async () => {
  const bad = decision("roll_back", [["error_rate", "5.2 % fail; the limit is 2 %"]], { candidate: arm({ samples: 410, failures: 21 }) });
  await open({ server: server({ rollouts: [rollout({ state: "rolled_back", percentage: 0, endedAt: before(0), lastDecision: null })], decisions: [bad, BAKING] }) });
  await page.reads(page.health, /^Rolled back to 0 %\. 5\.2 % fail; the limit is 2 %\.$/);
  assert.equal(await page.row("Error rate").locator(".figure-mark").innerText(), "Past the limit");
});

test("the history folds a run of the same decision into one line", async () => {
  const at = (minutes, verdict, step, code, message) => decision(verdict, [[code, message]], { at: before(minutes * MINUTE), step });
  const decisions = [
    ...[5, 10, 15].map((minutes) => at(minutes, "hold", 3, "baking", `Baked ${80 - minutes} min of 4 h`)),
    at(80, "advance", 2, "criteria_met", "All criteria are met"),
    at(85, "inconclusive", 2, "too_few_samples", "120 of 300 samples"),
  ];
  await live({ server: server({ rollouts: [rollout({ lastDecision: { ...decisions[0] } })], decisions }) });
  await page.runs.nth(2).waitFor();
  const lines = (await page.runs.allInnerTexts()).map(readable);
  assert.equal(lines.length, 3);
  assert.match(lines[0], /at 25 % Hold 3 times Baked 75 min of 4 h$/);
  assert.match(lines[1], /at 10 % Advance All criteria are met$/);
  assert.match(lines[2], /at 10 % Inconclusive 120 of 300 samples$/);

  await page.server.tell({ lastDecision: at(0, "hold", 3, "baking", "Baked 80 min of 4 h") });
  await page.reads(page.runs, /Hold 4 times Baked 80 min of 4 h$/);
  assert.equal(await page.runs.count(), 3);
});

test("a reason that names no figures is given those it stands on", async () => {
  const bare = decision("roll_back", [["error_rate", "error rate", 0.052, 0.02], ["first_token", "first token", 2_340.4, 2_000], ["critical_errors", "critical errors", 3], ["no_source", "no source"]]);
  await live({ server: server({ rollouts: [rollout({ lastDecision: bare })] }) });
  assert.deepEqual((await page.reasons.getByRole("listitem").allInnerTexts()).map(readable), ["Error rate: 5.2 %, limit 2 %", "First token: 2 340 ms, limit 2 000 ms", "Critical errors: 3", "No source"]);
  assert.match(readable(await page.health.innerText()), /^Must be rolled back\. Error rate: 5\.2 %, limit 2 %\./);
});

test("time does not count as baked while paused", async () => {
  await live({ server: server({ rollouts: [rollout({ state: "paused" })] }) });
  assert.match(readable(await page.steps.innerText()), /Step 4 of 8: paused; of its 4 h, only time not paused counts$/);
  await page.server.tell({ state: "running", stepStartedAt: before(5 * HOUR) });
  await page.reads(page.steps, /Step 4 of 8: still bakes its 4 h, without the time it was paused$/);
  await page.server.tell({ lastDecision: decision("hold", [["error_rate_not_shown", "not shown"]], { at: before(0) }) });
  await page.reads(page.steps, /Step 4 of 8: baked its 4 h$/);
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

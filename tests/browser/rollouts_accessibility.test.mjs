//! The rollout page for everybody: checked by axe in every state, on a phone and in the dark, and by keyboard alone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before as beforeAll, test } from "node:test";
import { launch } from "./page.mjs";
import { RolloutsPage } from "./rollouts_page.mjs";
import { ADMIN, PASSWORD } from "./scripted_accounts.mjs";
import { HOUR, MINUTE, ScriptedRollouts, arm, before, decision, flag, problem, rollout } from "./scripted_rollouts.mjs";

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
const BAD = decision("roll_back", [["error_rate", "5.2 % of the candidate’s answers fail; the limit is 2 %"]], {
  candidate: arm({ samples: 410, failures: 61, critical: 1, firstTokenMs: 1_210 }),
  control: arm({ samples: 12_345_678, failures: 4_000_000, firstTokenMs: 123_456 }),
});
const BLIND = decision("inconclusive", [["no_data", "No turns were reported for 40 min"]], { candidate: arm({ samples: 0, failures: 0 }), overload: null });

const everything = () =>
  new ScriptedRollouts({
    rollouts: [
      rollout({ stalled: true, lastDecision: BLIND, candidate: LONG, note: LONG, plan: { dryRun: true, manualApproval: true }, startedBy: { name: LONG, reason: LONG } }),
      rollout({ id: "b", flag: "tts", state: "awaiting_approval", plan: { manualApproval: true }, startedAt: before(30 * HOUR) }),
      rollout({ id: "c", flag: "tts", state: "paused", startedAt: before(31 * HOUR) }),
      rollout({ id: "d", state: "rolled_back", percentage: 0, lastDecision: BAD, startedAt: before(32 * HOUR), endedAt: before(MINUTE) }),
      rollout({ id: "e", state: "completed", step: 7, percentage: 100, startedAt: before(300 * HOUR), endedAt: before(200 * HOUR) }),
      rollout({ id: "f", state: "aborted", percentage: 0, startedAt: before(400 * HOUR), endedAt: before(399 * HOUR) }),
    ],
    flags: [flag("streaming", { enabled: false }), flag(LONG, { description: LONG, updatedBy: LONG })],
    decisions: Array.from({ length: 20 }, (_, at) => decision(["hold", "advance"][at % 2], [["x", LONG]], { at: before(at * MINUTE) })),
  });

async function findings() {
  await page.page.evaluate(axe);
  const { violations } = await page.page.evaluate(() => window.axe.run(document));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

/** A phone's browser makes room for what sticks out: its own width is the measure. */
const overflow = async () => Math.max(0, (await page.page.evaluate(() => document.documentElement.scrollWidth)) - page.page.viewportSize().width);

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const NARROW = { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true };
const DESK = { viewport: { width: 1280, height: 900 } };

for (const [place, context] of Object.entries({ "a desk": DESK, "a phone": PHONE, "a narrow phone": NARROW })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing and nothing sticks out, on ${place}, ${colorScheme}`, async () => {
      const look = { ...context, colorScheme, reducedMotion: "reduce" };
      const check = async (what) => {
        assert.deepEqual(await findings(), [], what);
        assert.equal(await overflow(), 0, what);
      };
      page = await RolloutsPage.open(browser, { account: null, ...look });
      await page.form.section.waitFor();
      await check("signed out");
      await page.form.signIn(LONG, "wrong");
      await page.reads(page.form.problem, /is wrong/);
      await page.form.useToken("wrong");
      await page.reads(page.form.tokenProblem, /not valid/);
      await check("refused");
      await page.close();

      const server = everything();
      page = await RolloutsPage.live(browser, { server, ...look });
      await page.runs.nth(7).waitFor();
      await page.page.locator("#earlier").evaluate((earlier) => (earlier.open = true));
      await check("stalled");
      for (const id of ["b", "c", "d", "e", "f"]) {
        await page.page.evaluate((wanted) => (location.hash = wanted), id);
        await page.page.locator(`a[href="#${id}"][aria-current]`).waitFor();
        await check(id);
      }
      await page.page.evaluate(() => (location.hash = "b"));
      await page.page.locator('a[href="#b"][aria-current]').waitFor();
      server.refusals.set("POST /api/rollouts/b/abort", problem(409, "x", LONG));
      await page.button("Abort").click();
      await page.dialog.getByLabel("Reason").fill("x");
      await page.dialog.getByRole("button", { name: /^Abort/ }).click();
      await page.reads(page.dialog.getByRole("alert"), /averyvery/);
      await check("abort refused");
      await page.page.keyboard.press("Escape");
      await page.page.getByRole("button", { name: "Start a rollout" }).click();
      await page.dialog.getByRole("button", { name: "Start" }).click();
      await page.reads(page.dialog.getByRole("alert"), /Choose the flag/);
      await check("start refused");
      await page.page.keyboard.press("Escape");
      server.accounts.account = { email: `${LONG}@example.com`, role: "admin" };
      await page.page.reload();
      await page.reads(page.form.account, /averyvery/);
      await check("an address too long for the bar");
      server.accounts.account = null;
      await page.page.evaluate(() => dispatchEvent(new Event("online")));
      await page.form.section.waitFor();
      await check("signed out over what was shown");
    });
  }
}

test("nothing at all is fine, too", async () => {
  page = await RolloutsPage.open(browser, { server: new ScriptedRollouts({ rollouts: [], flags: [] }), ...PHONE });
  await page.page.getByText("There are no flags.").waitFor();
  assert.deepEqual(await findings(), []);
});

test("a rollout can be stopped with the keyboard alone, from signing in to the reason", async () => {
  page = await RolloutsPage.open(browser, { account: null });
  await page.form.email.waitFor();
  const { keyboard } = page.page;
  const focused = () => page.page.evaluate(() => document.activeElement.textContent.trim());
  await keyboard.type(ADMIN.email);
  await keyboard.press("Tab");
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await page.detail.waitFor();
  for (let tabs = 0; (await focused()) !== "Abort"; tabs += 1) {
    assert.ok(tabs < 12, `the button is within reach, and not ${await focused()}`);
    await keyboard.press("Tab");
  }
  await keyboard.press("Enter");
  assert.equal(await page.dialog.getByLabel("Reason").evaluate((field) => field === document.activeElement), true);
  await keyboard.type("Wrong build");
  await keyboard.press("Tab");
  assert.equal(await focused(), "Cancel");
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await page.reads(page.state, /^Aborted$/);
  assert.equal(page.server.changes[0].body.reason, "Wrong build");
});

test("figures keep their meaning as a table on a phone", async () => {
  page = await RolloutsPage.live(browser, PHONE);
  assert.equal(await page.figures.getByRole("row").count(), 7);
  assert.deepEqual(await page.figures.getByRole("columnheader").allTextContents(), ["Figure", "Candidate", "Control", "To advance", "Rolls back", "Mark"]);
  const [cell] = await page.row("Error rate").getByRole("cell").all();
  assert.equal(await cell.evaluate((found) => getComputedStyle(found, "::before").content), '"Candidate"');
});

test("reduced motion is respected while the page reconnects", async () => {
  page = await RolloutsPage.live(browser, { reducedMotion: "reduce" });
  await page.server.refuseStreams(0);
  await page.server.breakOff();
  await page.isLink("Reconnecting");
  assert.equal(await page.page.evaluate(() => document.getAnimations().length), 0);
});

test("the page needs no favours of a machine whose clock is wrong", async () => {
  page = await RolloutsPage.open(browser, { server: new ScriptedRollouts() });
  await page.detail.waitFor();
  await page.page.route("**/api/flags", async (route) =>
    route.fulfill({ json: { success: true, flags: [] }, headers: { date: new Date(Date.now() + 2 * HOUR).toUTCString() } }),
  );
  await page.page.evaluate(() => dispatchEvent(new Event("online")));
  await page.reads(page.steps, /baked 3 h 20 min of at least 4 h/);
});

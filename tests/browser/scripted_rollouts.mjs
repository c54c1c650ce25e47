//! Stands in for the server's flags and rollouts, so that a test decides what is under way and how it goes. Its streams
//! are written inside the page, because a routed answer cannot come in pieces.

import { ScriptedAccounts, problem, refuse, strangers } from "./scripted_accounts.mjs";

export { TOKEN, problem } from "./scripted_accounts.mjs";

export const ROLLOUT_ID = "0199aa00-0000-7000-8000-000000000001";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const before = (milliseconds) => new Date(Date.now() - milliseconds).toISOString();

export const CRITERIA = {
  advanceErrorRate: 0.01,
  advanceSuccessRate: 0.95,
  advanceFirstTokenMs: 1000,
  rollbackErrorRate: 0.02,
  rollbackSuccessRate: 0.9,
  rollbackFirstTokenMs: 2000,
  rollbackOverload: 0.01,
  minSamples: 300,
  confidence: 0.95,
  falseRollback: 0.01,
  windowSeconds: 3600,
  stallAfterSeconds: 1800,
};

const STEPS = [
  [1, 2],
  [5, 4],
  [10, 6],
  [25, 4],
  [50, 4],
  [75, 4],
  [90, 4],
  [100, 24],
].map(([percentage, hours]) => ({ percentage, bakeSeconds: hours * 3600 }));

/** An arm of `samples` answers, `failures` of which failed. */
export function arm({ samples = 1_240, failures = 4, firstTokenMs = 640, critical = 0, cancelled = 31 } = {}) {
  const errorRate = samples === 0 ? null : failures / samples;
  return {
    successes: samples - failures,
    failures,
    cancelled,
    critical,
    errorRate,
    errorRateLower: errorRate === null ? null : errorRate * 0.6,
    errorRateUpper: errorRate === null ? null : errorRate * 1.5 + 0.001,
    firstTokenMs: samples === 0 ? null : firstTokenMs,
    firstTokenLowerMs: samples === 0 ? null : firstTokenMs * 0.96,
    firstTokenUpperMs: samples === 0 ? null : firstTokenMs * 1.04,
    firstTokenP95Ms: samples === 0 ? null : firstTokenMs * 2,
  };
}

export function decision(verdict, reasons, changes = {}) {
  return {
    at: before(20_000),
    step: 3,
    verdict,
    reasons: reasons.map(([code, message, figure = null, threshold = null]) => ({ code, message, figure, threshold })),
    candidate: arm(),
    control: arm({ samples: 3_610, failures: 14, firstTokenMs: 655 }),
    overload: 0.002,
    ...changes,
  };
}

export const BAKING = decision("hold", [["baking", "The step has baked 1 h 20 min of at least 4 h"]]);

/** A rollout at its fourth step, 25 %, with good figures. */
export function rollout(changes = {}) {
  const { plan, ...rest } = changes;
  return {
    id: ROLLOUT_ID,
    flag: "streaming",
    candidate: "2.4.0",
    state: "running",
    step: 3,
    percentage: 25,
    plan: { steps: STEPS, criteria: CRITERIA, manualApproval: false, dryRun: false, rollbackPercentage: 0, ...plan },
    startedAt: before(16 * HOUR),
    stepStartedAt: before(80 * MINUTE),
    endedAt: null,
    startedBy: { name: "ada", reason: "Release 2.4.0" },
    lastDecision: BAKING,
    stalled: false,
    note: "advanced from 10 % to 25 %",
    revision: 7,
    ...rest,
  };
}

export function flag(key, changes = {}) {
  return {
    key,
    type: "boolean",
    description: "",
    enabled: true,
    percentage: 100,
    onVariant: "on",
    offVariant: "off",
    revision: 3,
    updatedAt: before(3 * HOUR),
    updatedBy: "ada",
    ...changes,
  };
}

export const FLAGS = [
  flag("abTest", { enabled: false, percentage: 0, updatedAt: null, updatedBy: "", description: "Which of two experiences a visitor gets." }),
  flag("metrics", { description: "Outcomes of turns are reported." }),
  flag("streaming", { percentage: 25, updatedAt: before(80 * MINUTE), updatedBy: "rollout", description: "Answers stream word by word; off, they come in one piece." }),
  flag("tts", { description: "Answers are spoken; off, they are text alone." }),
];

/** Flags and rollouts as the page under test sees them. */
export class ScriptedRollouts {
  #page;
  accounts = new ScriptedAccounts();
  rollouts;
  flags;
  decisions;
  /** What changed something: method, path and body, in order. */
  changes = [];
  /** Answers that are refused: "METHOD /path" to a problem, or to "cut". */
  refusals = new Map();

  constructor({ rollouts = [rollout()], flags = FLAGS, decisions = [] } = {}) {
    this.rollouts = rollouts;
    this.flags = flags;
    this.decisions = decisions;
  }

  /** Takes the server's place; pass as `prepare`. */
  async stand(page) {
    this.#page = page;
    await page.addInitScript(scriptStreams);
    await page.route("**/api/**", (route) => this.#answer(route));
  }

  async #answer(route) {
    const request = route.request();
    if (await this.accounts.answer(route)) return undefined;
    const path = new URL(request.url()).pathname;
    const body = request.postDataJSON();
    if (request.method() !== "GET") this.changes.push({ path, body });
    const refusal = this.refusals.get(`${request.method()} ${path}`);
    if (refusal === "cut") return route.abort("connectionrefused");
    if (refusal !== undefined) return refuse(route, refusal);
    if (!this.accounts.admits(request.headers())) return refuse(route, strangers(request.headers()));
    const answer = this.#of(request.method(), path, body);
    if (answer === undefined) return refuse(route, problem(404, "path_not_found", "There is nothing at this path."));
    return route.fulfill({ json: { success: true, ...answer } });
  }

  #of(method, path, body) {
    if (method === "GET" && path === "/api/rollouts") return { rollouts: this.rollouts };
    if (method === "GET" && path === "/api/flags") return { revision: 9, flags: this.flags };
    if (method === "GET" && path.endsWith("/decisions")) return { decisions: this.decisions };
    if (method === "POST" && path === "/api/rollouts") {
      const started = rollout({ ...body, id: "started", state: "running", step: 0, percentage: body.plan.steps[0].percentage, startedAt: before(0), lastDecision: null, plan: { ...body.plan, criteria: CRITERIA } });
      this.rollouts = [started, ...this.rollouts];
      return { rollout: started };
    }
    const [, id, action] = /^\/api\/rollouts\/([^/]+)\/(\w+)$/.exec(path) ?? [];
    const changed = { pause: { state: "paused" }, resume: { state: "running" }, approve: { state: "running", step: 4, percentage: 50 }, abort: { state: "aborted", percentage: 0, endedAt: before(0) } }[action];
    if (changed) return { rollout: this.change(id, { ...changed, note: `${action}: ${body.reason}` }) };
    const [, key] = /^\/api\/flags\/([^/]+)\/switch$/.exec(path) ?? [];
    if (key === undefined) return undefined;
    this.flags = this.flags.map((known) => (known.key === decodeURIComponent(key) ? { ...known, enabled: body.enabled, updatedAt: before(0), updatedBy: "grace" } : known));
    return { flag: this.flags.find((known) => known.key === decodeURIComponent(key)) };
  }

  /** Changes one rollout in the server's memory and tells nobody. */
  change(id, changes) {
    this.rollouts = this.rollouts.map((known) => (known.id === decodeURIComponent(id) ? { ...known, ...changes, revision: known.revision + 1 } : known));
    return this.rollouts.find((known) => known.id === decodeURIComponent(id));
  }

  /** Waits until the page has opened its `number`th stream. */
  async opened(number) {
    await this.#page.waitForFunction((wanted) => window.troikaWatches.length >= wanted, number);
  }

  /** The newest stream: what was asked for it. */
  lastWatch() {
    return this.#page.evaluate(() => {
      const { path, authorization, credentials, left } = window.troikaWatches.at(-1);
      return { path, authorization, credentials, left };
    });
  }

  /** Changes a rollout and tells it on the newest stream. */
  async tell(changes) {
    const { path } = await this.lastWatch();
    const [, id] = /^\/api\/rollouts\/([^/]+)\/watch$/.exec(path);
    const told = this.change(id, changes);
    await this.write(`event: rollout\ndata: ${JSON.stringify(told)}\n\n`);
  }

  async write(text) {
    await this.#page.evaluate((bytes) => window.troikaWatches.at(-1).controller.enqueue(new TextEncoder().encode(bytes)), text);
  }

  /** The connection of the newest stream breaks. */
  async breakOff() {
    await this.#page.evaluate(() => window.troikaWatches.at(-1).controller.error(new TypeError("network error")));
  }

  /** From now on, streams are refused: with a status, or with no answer (0). Null: they are opened again. */
  async refuseStreams(status) {
    await this.#page.evaluate((wanted) => (window.troikaRefuseWatches = wanted), status);
  }
}

/** Runs in the page. */
function scriptStreams() {
  const real = window.fetch.bind(window);
  window.troikaWatches = [];
  window.troikaRefuseWatches = null;
  window.fetch = async (address, options = {}) => {
    const path = new URL(address, location.href).pathname;
    if (!path.endsWith("/watch")) return real(address, options);
    if (window.troikaRefuseWatches === 0) throw new TypeError("network error");
    if (window.troikaRefuseWatches !== null) {
      return new Response(JSON.stringify({ detail: "There is no rollout with this id." }), { status: window.troikaRefuseWatches });
    }
    const watch = { path, authorization: options.headers.authorization ?? null, credentials: options.credentials, left: false, controller: null };
    window.troikaWatches.push(watch);
    const body = new ReadableStream({
      start(controller) {
        watch.controller = controller;
        options.signal.addEventListener("abort", () => {
          watch.left = true;
          try {
            controller.error(options.signal.reason);
          } catch {
            // It had ended before.
          }
        });
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

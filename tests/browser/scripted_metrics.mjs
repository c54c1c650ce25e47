//! Stands in for the server's metrics, so that a test decides what is measured and what fires. Its stream is written
//! inside the page, because a routed answer cannot come in pieces.

import { ScriptedAccounts, refuse, strangers } from "./scripted_accounts.mjs";
import { MINUTE, before, problem, rollout } from "./scripted_rollouts.mjs";

export { HOUR, MINUTE, TOKEN, before, problem } from "./scripted_rollouts.mjs";

const SECOND = 1_000;
const STEPS = { "1h": [3_600, 60], "24h": [86_400, 900], "7d": [604_800, 7_200], "30d": [2_592_000, 21_600] };
const WINDOWS = { "1m": 60, "5m": 300, "60m": 3_600, lifetime: 86_400 * 3 };

/** Chance that is the same in every run. */
export function chance(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

export const latency = (p50, count = 100) => ({ count, mean: p50 * 1.1, p50, p95: p50 * 2.1, p99: p50 * 3.3 });
const NOT_MEASURED = { count: 0, mean: 0, p50: 0, p95: 0, p99: 0 };

/** The figures of `turns` turns. */
export function figures({ turns = 1_240, failures = 7, cancelled = 31, firstToken = 420, ...changes } = {}) {
  const successes = turns - failures - cancelled;
  const measured = (p50) => (turns === 0 ? NOT_MEASURED : latency(p50, successes));
  return {
    successes,
    failures,
    cancelled,
    critical: 0,
    refused: 0,
    errors: { openai: Math.ceil(failures / 2), tts: Math.floor(failures / 4), network: failures - Math.ceil(failures / 2) - Math.floor(failures / 4), validation: 0, other: 0 },
    firstToken: measured(firstToken),
    firstAudio: measured(firstToken * 1.7),
    complete: measured(firstToken * 6),
    gap: measured(28),
    queued: measured(3),
    promptTokens: turns * 812,
    completionTokens: turns * 143,
    cost: turns * 0.000208,
    words: successes * 96,
    sentences: successes * 6,
    characters: successes * 540,
    audioChunks: successes * 11,
    retries: failures,
    fallbacks: 2,
    knowledge: { hits: Math.round(turns * 0.62), misses: turns - Math.round(turns * 0.62) },
    speech: { hits: Math.round(turns * 1.9), misses: Math.round(turns * 4.1) },
    dropped: 0,
    ...changes,
  };
}

export const NO_FIGURES = figures({ turns: 0, failures: 0, cancelled: 0, retries: 0, fallbacks: 0 });

export function source(role, changes = {}) {
  return {
    name: `${role}-7c9f4`,
    role,
    version: "2.4.0",
    startedAt: before(26 * 3_600 * SECOND),
    activeStreams: role === "chat" ? 12 : role === "gateway" ? 12 : 0,
    dependencies: [],
    breakers: [],
    ...changes,
  };
}

export const SOURCES = [
  source("gateway", { breakers: [{ name: "chat", state: "closed" }, { name: "flags", state: "closed" }] }),
  source("chat", {
    dependencies: [
      { name: "mongodb", state: "up" },
      { name: "redis", state: "up" },
      { name: "openai", state: "up" },
    ],
    breakers: [{ name: "openai", state: "closed" }, { name: "tts", state: "closed" }],
  }),
  source("tts", { activeStreams: 3, dependencies: [{ name: "redis", state: "up" }, { name: "google", state: "unused" }] }),
  source("flags", { dependencies: [{ name: "mongodb", state: "up" }] }),
  source("metrics", { dependencies: [{ name: "redis", state: "up" }] }),
];

export function health(changes = {}) {
  const { checks, ...rest } = changes;
  return {
    success: true,
    status: "healthy",
    timestamp: before(0),
    checks: {
      errorRate: { status: "pass", value: "0.58%", threshold: "2%" },
      latency: { status: "pass", value: "462ms", threshold: "1000ms" },
      redis: { status: "pass", value: "up" },
      mongodb: { status: "pass", value: "up" },
      openai: { status: "pass", value: "up" },
      tts: { status: "pass", value: "up" },
      flags: { status: "pass", value: "up" },
      activeStreams: { status: "pass", value: 12 },
      ...checks,
    },
    changes: [{ at: before(130 * 60 * SECOND), from: "degraded", to: "healthy" }],
    ...rest,
  };
}

/** As it is when the model's provider fails. */
export const SICK = health({
  status: "unhealthy",
  checks: { errorRate: { status: "fail", value: "8.20%", threshold: "5%" }, openai: { status: "fail", value: "down" }, latency: { status: "warn", value: "1340ms", threshold: "1000ms" } },
  issues: ["8.2 % of the turns of the last 5 minutes failed; the limit is 5 %", "openai is down"],
  changes: [{ at: before(4 * 60 * SECOND), from: "healthy", to: "unhealthy" }],
});

export function alert(name, changes = {}) {
  return {
    name,
    severity: "critical",
    state: "firing",
    since: before(4 * 60 * SECOND),
    value: 0.082,
    threshold: 0.05,
    summary: "8.2 % of the turns of the last 5 minutes failed",
    silenced: false,
    sentAt: before(3 * 60 * SECOND),
    ...changes,
  };
}

export function success(at, changes = {}) {
  return {
    type: "success",
    timestamp: before(at),
    data: { sessionId: "3f0c…", turnId: `turn-${at}`, chatbotId: "000000000000000000000001", firstTokenLatency: 412, firstAudioLatency: 780, duration: 2_480, wordCount: 96, audioChunks: 11, ...changes },
  };
}

export const failure = (at, changes = {}) => ({ type: "error", errorType: "openai", code: "model_unavailable", timestamp: before(at), message: "The model did not answer", ...changes });

export const EVENTS = [success(2_000), success(9_000, { firstAudioLatency: null, audioChunks: 0 }), failure(31_000), { ...success(44_000), type: "cancelled" }, success(61_000)];

/** An entry of an audit log. */
export function entry(number, changes = {}) {
  return {
    number,
    time: before((200 - number) * MINUTE),
    subject: "0199aa00-0000-7000-8000-00000000000a",
    name: "ada@example.com",
    role: "admin",
    action: "flag.update",
    target: "streaming",
    before: JSON.stringify({ percentage: 10 }),
    after: JSON.stringify({ percentage: 25 }),
    requestId: `request-${number}`,
    ...changes,
  };
}

/** A history with a way of its own: a night without turns, a bad quarter of an hour. */
export function history(range, { seed = 7, turns = 40 } = {}) {
  const [length, step] = STEPS[range];
  const to = Math.floor(Date.now() / 1_000 / step) * step + step;
  const from = to - length;
  const random = chance(seed);
  const points = [];
  for (let at = from; at < to; at += step) {
    const place = (at - from) / length;
    const [busy, slow] = [random(), random()];
    if (place > 0.3 && place < 0.38) continue;
    const bad = place > 0.7 && place < 0.76;
    const many = Math.round(turns * (0.5 + place / 2) * (0.7 + busy * 0.6));
    points.push({ at: new Date(at * 1_000).toISOString(), figures: figures({ turns: many, failures: bad ? Math.round(many * 0.12) : busy > 0.8 ? 1 : 0, cancelled: Math.round(many * 0.03), firstToken: (bad ? 900 : 380) * (0.85 + slow * 0.3) }) });
  }
  return { range, from: new Date(from * 1_000).toISOString(), to: new Date(to * 1_000).toISOString(), stepSeconds: step, points };
}

/** Metrics, alerts and rollouts as the page under test sees them. */
export class ScriptedMetrics {
  #page;
  accounts = new ScriptedAccounts();
  health;
  total;
  sources;
  events;
  alerts;
  silences;
  rollouts;
  groups;
  histories;
  /** Entries of each source's audit log, the newest first. */
  audit;
  /** With what streams are refused from the start, as by `refuseStreams`. */
  streamRefusal;
  activeStreams = 12;
  deliveries = [{ receiver: "webhook", delivered: true, problem: "" }, { receiver: "mail", delivered: false, problem: "connection refused" }];
  /** What was asked by GET, in order: path and search. */
  asked = [];
  /** What changed something: method, path and body, in order. */
  changes = [];
  /** Answers that are refused: "METHOD /path" to a problem, or to "cut". */
  refusals = new Map();

  constructor({ health: well = health(), total = figures(), sources = SOURCES, events = EVENTS, alerts = [], silences = [], rollouts = [rollout()], groups = GROUPS, histories = {}, audit = {}, streamRefusal = null } = {}) {
    Object.assign(this, { audit, health: well, total, sources, events, alerts, silences, rollouts, groups, histories, streamRefusal });
  }

  /** Takes the server's place. */
  async stand(page) {
    this.#page = page;
    await page.addInitScript(scriptStreams, this.streamRefusal);
    await page.route("**/api/**", (route) => this.#answer(route));
  }

  /** What one event of the stream says of `window`. */
  told(window = "5m", events = this.events) {
    const checks = { ...this.health.checks, activeStreams: { status: "pass", value: this.activeStreams } };
    return { summary: this.summary(), snapshot: this.snapshot(window), health: { ...this.health, checks }, events };
  }

  summary() {
    const { successes, failures, cancelled, errors, knowledge, speech, firstToken, complete } = this.total;
    const rate = ({ hits, misses }) => (hits + misses === 0 ? 0 : (hits / (hits + misses)) * 100);
    return {
      uptime: 93_600,
      totalRequests: successes + failures + cancelled,
      successRate: successes + failures === 0 ? 100 : (successes / (successes + failures)) * 100,
      activeStreams: this.activeStreams,
      avgFirstTokenLatency: firstToken.mean,
      avgCompleteLatency: complete.mean,
      cacheHitRate: { kb: rate(knowledge), tts: rate(speech) },
      errorCount: Object.values(errors).reduce((sum, many) => sum + many, 0),
    };
  }

  snapshot(window, groups = []) {
    return {
      countingSince: before(WINDOWS.lifetime * SECOND),
      from: before(WINDOWS[window] * SECOND),
      to: before(0),
      total: this.total,
      groups,
      activeStreams: this.activeStreams,
      activeSessions: 318,
      totalSessions: 20_417,
      uptimeSeconds: 93_600,
      sources: this.sources,
    };
  }

  async #answer(route) {
    if (await this.accounts.answer(route)) return undefined;
    const request = route.request();
    const { pathname: path, search, searchParams } = new URL(request.url());
    const method = request.method();
    if (method === "GET") this.asked.push(path + search);
    else this.changes.push({ method, path, body: request.postDataJSON() });
    const refusal = this.refusals.get(`${method} ${path}`);
    if (refusal === "cut") return route.abort("connectionrefused");
    if (refusal !== undefined) return refuse(route, refusal);
    if (!this.accounts.admits(request.headers())) return refuse(route, strangers(request.headers()));
    const [status, answer] = this.#of(method, path, searchParams, request.postDataJSON());
    return status === 204 ? route.fulfill({ status }) : route.fulfill({ status, json: answer });
  }

  #of(method, path, search, body) {
    const [, id] = /^\/api\/metrics\/alerts\/silences\/([^/]+)$/.exec(path) ?? [];
    switch (`${method} ${path}`) {
      case "GET /api/rollouts":
        return [200, { rollouts: this.rollouts }];
      case "GET /api/audit": {
        const before = Number(search.get("before") ?? 0);
        const older = (this.audit[search.get("source")] ?? []).filter((kept) => before === 0 || kept.number < before);
        return [200, { success: true, entries: older.slice(0, Number(search.get("limit"))) }];
      }
      case "GET /api/metrics/alerts":
        return [200, { alerts: this.alerts, silences: this.silences }];
      case "GET /api/metrics/history":
        return [200, this.histories[search.get("range")] ?? history(search.get("range"))];
      case "GET /api/metrics/figures":
        return [200, this.snapshot(search.get("window"), this.groups[search.get("by")] ?? [])];
      case "POST /api/metrics/alerts/test":
        return [200, { deliveries: this.deliveries }];
      case "POST /api/metrics/alerts/silences": {
        const silence = { id: `s${this.silences.length + 1}`, alert: body.alert, until: before(-body.seconds * SECOND), author: "ada", reason: body.reason };
        this.silences = [...this.silences, silence];
        this.alerts = this.alerts.map((known) => (body.alert === "" || known.name === body.alert ? { ...known, silenced: true } : known));
        return [201, silence];
      }
      default:
        if (method !== "DELETE" || id === undefined) return [404, problem(404, "path_not_found", "There is nothing at this path.")];
        this.silences = this.silences.filter((silence) => silence.id !== id);
        this.alerts = this.alerts.map((known) => ({ ...known, silenced: false }));
        return [204];
    }
  }

  /** Waits until the page has opened its `number`th stream. */
  async opened(number) {
    await this.#page.waitForFunction((wanted) => window.troikaStreams.length >= wanted, number);
  }

  /** The newest stream: what was asked for it. */
  lastStream() {
    return this.#page.evaluate(() => {
      const { address, authorization, credentials, left } = window.troikaStreams.at(-1);
      return { address, authorization, credentials, left };
    });
  }

  /** Tells the figures as they are now on the newest stream, after `changes`. */
  async tell(changes = {}, events = []) {
    Object.assign(this, changes);
    const { address } = await this.lastStream();
    const told = this.told(new URL(address).searchParams.get("window"), events);
    await this.#page.evaluate((figures) => window.troikaStreams.at(-1).tell(figures), told);
  }

  /** Whether streams that have told something go on telling it, as the server does each second. */
  async mute(muted) {
    await this.#page.evaluate((wanted) => (window.troikaMuted = wanted), muted);
  }

  async write(text) {
    await this.#page.evaluate((bytes) => window.troikaStreams.at(-1).controller.enqueue(new TextEncoder().encode(bytes)), text);
  }

  /** The connection of the newest stream breaks. */
  async breakOff() {
    await this.#page.evaluate(() => {
      const stream = window.troikaStreams.at(-1);
      stream.told = null;
      stream.controller.error(new TypeError("network error"));
    });
  }

  /** From now on, streams are refused: with a problem, or with no answer (0). Null: they are opened again. */
  async refuseStreams(refusal) {
    await this.#page.evaluate((wanted) => (window.troikaRefuseStreams = wanted), refusal);
  }
}

export const GROUPS = {
  endpoint: [
    { value: "query", figures: figures({ turns: 1_100, failures: 6, cancelled: 31 }) },
    { value: "answer", figures: figures({ turns: 140, failures: 1, cancelled: 0, firstToken: 510 }) },
  ],
  model: [
    { value: "gpt-4o-mini", figures: figures({ turns: 1_238, failures: 7, cancelled: 31 }) },
    { value: "gpt-4o", figures: figures({ turns: 2, failures: 0, cancelled: 0, firstToken: 690 }) },
  ],
  variant: [
    { value: "streaming=on", figures: figures({ turns: 310, failures: 2, cancelled: 8 }) },
    { value: "streaming=off", figures: figures({ turns: 930, failures: 5, cancelled: 23 }) },
  ],
};

/** Runs in the page. */
function scriptStreams(refused) {
  const real = window.fetch.bind(window);
  window.troikaStreams = [];
  window.troikaRefuseStreams = refused;
  window.troikaMuted = false;
  setInterval(() => {
    const stream = window.troikaStreams.at(-1);
    if (stream === undefined || stream.told === null || stream.left || window.troikaMuted) return;
    stream.tell(stream.told);
  }, 2_000);
  window.fetch = async (address, options = {}) => {
    const url = new URL(address, location.href);
    if (url.pathname !== "/api/metrics/live") return real(address, options);
    const refusal = window.troikaRefuseStreams;
    if (refusal === 0) throw new TypeError("network error");
    if (refusal !== null) return new Response(JSON.stringify(refusal), { status: refusal.status });
    const stream = { address: url.href, authorization: options.headers.authorization ?? null, credentials: options.credentials, left: false, controller: null, told: null };
    stream.tell = (told) => {
      stream.told = { ...told, events: [] };
      stream.controller.enqueue(new TextEncoder().encode(`event: figures\ndata: ${JSON.stringify(told)}\n\n`));
    };
    window.troikaStreams.push(stream);
    const body = new ReadableStream({
      start(controller) {
        stream.controller = controller;
        options.signal.addEventListener("abort", () => {
          stream.left = true;
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

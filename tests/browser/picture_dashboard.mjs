//! Takes the pictures of the dashboard that the documentation shows, with figures that are written here:
//! `TROIKA_URL=http://127.0.0.1:5000 node picture_dashboard.mjs [FOLDER]`, by itself ../../docs.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DashboardPage } from "./dashboard_page.mjs";
import { launch } from "./page.mjs";
import { EVENTS, ScriptedMetrics, alert, before, chance, failure, figures, health, success } from "./scripted_metrics.mjs";

const folder = process.argv[2] ?? join(import.meta.dirname, "../../docs");
const PICTURES = [
  ["dashboard-light.png", { colorScheme: "light", viewport: { width: 1280, height: 1240 } }],
  ["dashboard-dark.png", { colorScheme: "dark", viewport: { width: 1280, height: 1240 } }],
  ["dashboard-phone.png", { colorScheme: "light", viewport: { width: 390, height: 1100 }, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true }],
];
/** What a README can bear. */
const MOST_BYTES = 200_000;

const server = () =>
  new ScriptedMetrics({
    total: figures({ turns: 1_240, failures: 38, cancelled: 31, firstToken: 640 }),
    health: health({
      status: "degraded",
      checks: { errorRate: { status: "warn", value: "3.14%", threshold: "2%" } },
      issues: ["3.1 % of the turns of the last 5 minutes failed; the limit is 2 %"],
      changes: [{ at: before(4 * 60_000), from: "healthy", to: "degraded" }],
    }),
    alerts: [
      alert("error_rate_high", { severity: "warning", value: 0.031, threshold: 0.02, summary: "3.1 % of the turns of the last 5 minutes failed" }),
      alert("first_token_slow", { state: "pending", severity: "warning", since: before(50_000), value: 1_340, threshold: 1_000, summary: "The first token takes 1340 ms at the 95th percentile", sentAt: null }),
    ],
    events: [failure(1_000), ...EVENTS, ...Array.from({ length: 12 }, (_, at) => success(70_000 + at * 9_000))],
  });

const browser = await launch();
for (const [name, context] of PICTURES) {
  const page = await DashboardPage.live(browser, { server: server(), reducedMotion: "reduce", ...context });
  const random = chance(3);
  // A while of streams, as if somebody had looked for it.
  for (let second = 0; second < 4; second += 1) await page.server.tell({ activeStreams: 10 + Math.round(random() * 6) });
  await page.active.first().waitFor();
  await page.page.evaluate(() => document.fonts.ready);
  const path = join(folder, name);
  await page.page.screenshot({ path });
  const { size } = await stat(path);
  console.log(`${name}: ${size} bytes`);
  if (size > MOST_BYTES) process.exitCode = 1;
  await page.close();
}
await browser.close();

//! Opens the dashboard and names its parts. Knows the page's labels, not its classes where a label will do.

import { TROIKA_URL } from "./page.mjs";
import { readable } from "./rollouts_page.mjs";
import { ADMIN } from "./scripted_accounts.mjs";
import { ScriptedMetrics } from "./scripted_metrics.mjs";
import { SignInForm } from "./sign_in_form.mjs";

/** The dashboard in a browser context of its own. */
export class DashboardPage {
  constructor(page, server) {
    this.page = page;
    this.server = server;
    this.form = new SignInForm(page);
    this.link = page.locator("#link");
    this.announcer = page.locator("#announcer");
    this.stale = page.locator("#stale");
    this.health = page.locator("#health");
    this.status = this.health.getByRole("heading", { level: 2 });
    this.checks = this.health.getByRole("list", { name: "Checks" }).getByRole("listitem");
    this.facts = this.health.getByRole("list", { name: "Parts" }).getByRole("link");
    this.alerts = page.getByRole("region", { name: "Alerts" });
    this.active = page.getByRole("list", { name: "Alerts under way" }).getByRole("listitem");
    this.silences = page.getByRole("list", { name: "Silences" }).getByRole("listitem");
    this.table = page.getByRole("table", { name: "Breakdown" });
    this.processes = page.getByRole("region", { name: "Processes" }).locator(".process");
    this.turns = page.getByRole("region", { name: "Recent turns" });
    this.audit = page.locator("#audit");
    this.entries = page.locator("#audit-rows > li");
    this.more = page.getByRole("button", { name: "More", exact: true });
    this.dialog = page.getByRole("dialog");
    /** What the page threw or its security policy refused. */
    this.faults = [];
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) this.faults.push(message.text());
    });
  }

  /**
   * @param {import("playwright-core").Browser} browser
   * @param {{ server?: ScriptedMetrics | null, account?: object | null, hash?: string } &
   *   import("playwright-core").BrowserContextOptions} [options] `account` is whom the cookie names; without a `server`
   *   the running one answers
   */
  static async open(browser, { server = new ScriptedMetrics(), account = ADMIN, hash = "", ...context } = {}) {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context })).newPage();
    page.setDefaultTimeout(15_000);
    await server?.stand(page);
    const opened = new DashboardPage(page, server);
    if (server !== null) server.accounts.account = account;
    await page.goto(`${TROIKA_URL}/dashboard${hash}`);
    return opened;
  }

  /** Opens the page with its stream open and told, and everything else read. */
  static async live(browser, options = {}) {
    const opened = await DashboardPage.open(browser, options);
    await opened.server.opened(1);
    await opened.server.tell({}, opened.server.events);
    await opened.isLink("Live");
    await opened.page.locator("#charts[data-range]").waitFor();
    return opened;
  }

  /** The large figure of this name. */
  tile(name) {
    return this.page.locator("#tiles > div").filter({ has: this.page.locator("dt").getByText(name, { exact: true }) });
  }

  async figure(name) {
    return readable(await this.tile(name).locator(".tile-value").innerText());
  }

  chart(name) {
    return this.page.locator("#charts").getByRole("article", { name: new RegExp(`^${name}`) });
  }

  choose(group, option) {
    return this.page.getByRole("group", { name: group }).getByRole("radio", { name: option, exact: true }).check();
  }

  /**
   * What stands on a chart's canvas: how many pixels, and of how many colours of the kind that no grey has; and a mark that
   * changes with any of them.
   */
  drawn(name) {
    return this.chart(name)
      .locator("canvas")
      .evaluate((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let pixels = 0;
        let coloured = 0;
        let mark = 0;
        for (let at = 0; at < data.length; at += 4) {
          if (data[at + 3] === 0) continue;
          pixels += 1;
          const [red, green, blue] = data.subarray(at, at + 3);
          if (Math.max(red, green, blue) - Math.min(red, green, blue) > 40) coloured += 1;
          mark = (mark * 31 + at + red * 7 + green * 3 + blue) % 1_000_000_007;
        }
        return { pixels, coloured, mark };
      });
  }

  /** Waits until the bar says so. */
  async isLink(words) {
    await this.link.filter({ hasText: words }).waitFor();
  }

  /** Waits until `place` reads as `pattern` says, and returns what it reads. */
  async reads(place, pattern) {
    return this.until(async () => ((await place.count()) > 0 ? readable(await place.first().innerText()) : ""), (text) => pattern.test(text), pattern);
  }

  /** Waits until what `look` sees is `wanted`, and returns it. */
  async until(look, wanted, what = "what was expected") {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const seen = await look();
      if (wanted(seen)) return seen;
      if (Date.now() > deadline) throw new Error(`never became ${what}: ${JSON.stringify(seen)}`);
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  async close() {
    await this.page.context().close();
  }
}

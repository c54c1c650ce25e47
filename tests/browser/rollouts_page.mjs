//! Opens the rollout page and names its parts. Knows the page's labels, not its classes where a label will do.

import { TROIKA_URL } from "./page.mjs";
import { ADMIN } from "./scripted_accounts.mjs";
import { ScriptedRollouts } from "./scripted_rollouts.mjs";
import { SignInForm } from "./sign_in_form.mjs";

/** The rollout page in a browser context of its own. */
export class RolloutsPage {
  constructor(page, server) {
    this.page = page;
    this.server = server;
    this.form = new SignInForm(page);
    this.link = page.locator("#link");
    this.announcer = page.locator("#announcer");
    this.active = page.getByRole("list", { name: "Under way" }).getByRole("link");
    this.detail = page.getByRole("article");
    this.health = this.detail.locator(".health");
    this.percentage = this.detail.locator(".percentage");
    this.state = this.detail.locator(".hero-top .badge");
    this.steps = this.detail.getByRole("region", { name: "Steps" });
    this.figures = this.detail.getByRole("table", { name: "Figures against criteria" });
    this.reasons = this.detail.getByRole("list", { name: "Reasons of the last decision" });
    this.runs = this.detail.getByRole("list", { name: "Decisions, newest first" }).getByRole("listitem");
    this.alert = this.detail.getByRole("alert");
    this.dialog = page.getByRole("dialog");
    /** What the page threw or its security policy refused. */
    this.faults = [];
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
        this.faults.push(message.text());
      }
    });
  }

  /**
   * @param {import("playwright-core").Browser} browser
   * @param {{ server?: ScriptedRollouts, account?: object | null, hash?: string } &
   *   import("playwright-core").BrowserContextOptions} [options] `account` is whom the cookie names
   */
  static async open(browser, { server = new ScriptedRollouts(), account = ADMIN, hash = "", ...context } = {}) {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context })).newPage();
    page.setDefaultTimeout(15_000);
    await server.stand(page);
    const opened = new RolloutsPage(page, server);
    server.accounts.account = account;
    await page.goto(`${TROIKA_URL}/rollouts${hash}`);
    return opened;
  }

  /** Opens the page at its rollout, with the stream open and told. */
  static async live(browser, options = {}) {
    const opened = await RolloutsPage.open(browser, options);
    await opened.server.opened(1);
    await opened.server.tell({});
    await opened.isLink("Live");
    return opened;
  }

  button(name) {
    return this.detail.getByRole("button", { name, exact: true });
  }

  flag(key) {
    return this.page.getByRole("region", { name: "Flags" }).getByRole("listitem").filter({ has: this.page.getByRole("heading", { name: key, exact: true }) });
  }

  /** The cells of one row of the figures. */
  row(name) {
    return this.figures.getByRole("row").filter({ has: this.page.getByRole("rowheader", { name }) });
  }

  /** Waits until the bar says so. */
  async isLink(words) {
    await this.link.filter({ hasText: words }).waitFor();
  }

  /** Waits until `place` reads as `pattern` says, and returns what it reads. */
  async reads(place, pattern) {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const text = (await place.count()) > 0 ? readable(await place.first().innerText()) : "";
      if (pattern.test(text)) return text;
      if (Date.now() > deadline) throw new Error(`${place} never read as ${pattern}: ${JSON.stringify(text)}`);
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  /** The rollout's buttons, and which of them can be pressed. */
  async actions() {
    const group = this.detail.getByRole("group", { name: "Actions" }).getByRole("button");
    const buttons = await group.evaluateAll((found) => found.map((button) => [button.textContent, !button.disabled]));
    return Object.fromEntries(buttons);
  }

  async close() {
    await this.page.context().close();
  }
}

/** Text as people read it: all spaces alike. */
export const readable = (text) => text.replace(/\s+/gu, " ").trim();


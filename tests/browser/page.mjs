//! Starts the browser, opens the chat page and names its parts. Knows the page's labels, not its classes where a label will do.

import { chromium } from "playwright-core";

/** Where the running service is, without a slash at the end. */
export const TROIKA_URL = (process.env.TROIKA_URL ?? "").replace(/\/+$/, "");
if (TROIKA_URL === "") throw new Error("TROIKA_URL must name a running troika, such as http://127.0.0.1:5000");

export const DEMO_BOT = "000000000000000000000001";

/** Starts a browser that talks to nobody but the page. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** The chat page in a browser context of its own. */
export class ChatPage {
  constructor(page) {
    this.page = page;
    this.field = page.getByLabel("Your question");
    this.send = page.getByRole("button", { name: "Send question" });
    this.stop = page.getByRole("button", { name: "Stop the answer" });
    this.newConversation = page.getByRole("button", { name: "New conversation" });
    this.retry = page.getByRole("button", { name: "Try again" });
    this.log = page.getByRole("log");
    this.exchanges = this.log.getByRole("article");
    this.suggestions = this.log.getByRole("list", { name: "Suggested questions" }).getByRole("button");
    this.greeting = page.getByRole("heading", { level: 1 });
    this.announcer = page.locator("#announcer");
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
   * @param {{ prepare?: (page: import("playwright-core").Page) => Promise<void>, query?: string } &
   *   import("playwright-core").BrowserContextOptions} [options]
   */
  static async open(browser, { prepare, query = "", ...context } = {}) {
    const page = await (await browser.newContext(context)).newPage();
    page.setDefaultTimeout(15_000);
    await prepare?.(page);
    const chat = new ChatPage(page);
    await page.goto(`${TROIKA_URL}/${query}`);
    await chat.greeting.or(chat.exchanges.first()).first().waitFor();
    return chat;
  }

  async ask(question) {
    await this.field.fill(question);
    await this.field.press("Enter");
  }

  /** The newest answer's text. */
  get answer() {
    return this.exchanges.last().locator(".prose");
  }

  /** Waits until no answer is coming. */
  async settled() {
    await this.stop.waitFor({ state: "hidden" });
  }

  /** Waits until `predicate` holds for the newest answer's text, and returns it. */
  async answerThat(predicate) {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const text = (await this.answer.count()) > 0 ? await this.answer.innerText() : "";
      if (predicate(text)) return text;
      if (Date.now() > deadline) throw new Error(`the answer never became what was expected: ${JSON.stringify(text)}`);
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  async close() {
    await this.page.context().close();
  }
}

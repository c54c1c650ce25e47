//! Stands in for the server's event stream inside the page, so that a test decides every byte and moment of it.

/** Replaces the page's way to the stream and stop endpoints; pass as `prepare` to ChatPage.open. */
export async function scripted(page) {
  await page.addInitScript(() => {
    const real = window.fetch.bind(window);
    const script = { questions: [], headers: [], stops: [], stopHeaders: [], left: 0, controller: null, refusals: [], sessionToken: null };
    window.troikaScript = script;
    window.fetch = async (address, options) => {
      const path = new URL(address, location.href).pathname;
      if (path === "/api/chat/stop") {
        script.stops.push(JSON.parse(options.body));
        script.stopHeaders.push(options.headers);
        return new Response(JSON.stringify({ stopped: 1 }));
      }
      if (path !== "/api/chat/query/stream") return real(address, options);
      script.questions.push(JSON.parse(options.body));
      script.headers.push(options.headers);
      const refusal = script.refusals.shift();
      if (refusal !== undefined) return new Response(JSON.stringify(refusal.body), { status: refusal.body.status, headers: { "content-type": "application/problem+json", ...refusal.headers } });
      const body = new ReadableStream({
        start(controller) {
          script.controller = controller;
          options.signal.addEventListener("abort", () => {
            script.left += 1;
            try {
              controller.error(options.signal.reason);
            } catch {
              // It had ended before.
            }
          });
        },
      });
      const headers = { "content-type": "text/event-stream" };
      if (script.sessionToken !== null) headers["x-session-token"] = script.sessionToken;
      return new Response(body, { headers });
    };
  });
}

/** One event on the wire. */
export const frame = (type, data) => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

export const TURN_ID = "01890a5d-ac96-774b-bcce-b302099a8057";
export const SESSION_ID = "6f1ed002-ab5e-4c6b-9a36-2d7c1f9a4c11";

/** The stream of the question asked last. */
export class ScriptedStream {
  #page;

  constructor(page) {
    this.#page = page;
  }

  /** Sends text as it is. */
  async write(text) {
    await this.writeBytes([...new TextEncoder().encode(text)]);
  }

  async writeBytes(bytes) {
    await this.#page.evaluate((values) => window.troikaScript.controller.enqueue(new Uint8Array(values)), bytes);
  }

  async send(type, data) {
    await this.write(frame(type, data));
  }

  /** The events that open every stream. */
  async connect() {
    await this.send("connected", { clientId: TURN_ID, sessionId: SESSION_ID, turnId: TURN_ID, message: "Connected" });
    await this.send("status", { status: "thinking", message: "Thinking…" });
  }

  async text(content) {
    await this.send("text", { content });
  }

  /** The events that end every stream, and its end. */
  async complete(data = {}) {
    await this.send("complete", { success: true, finishReason: "stop", truncated: false, sessionId: SESSION_ID, ...data });
    await this.send("close", { reason: "complete" });
    await this.end();
  }

  async end() {
    await this.#page.evaluate(() => {
      try {
        window.troikaScript.controller.close();
      } catch {
        // The page has left already.
      }
    });
  }

  /** The connection breaks. */
  async breakOff() {
    await this.#page.evaluate(() => window.troikaScript.controller.error(new TypeError("network error")));
  }

  /** The bodies of the questions that the page sent. */
  questions() {
    return this.#page.evaluate(() => window.troikaScript.questions);
  }

  /** The headers of the questions that the page sent. */
  headers() {
    return this.#page.evaluate(() => window.troikaScript.headers);
  }

  /** The headers of the stop requests that the page sent. */
  stopHeaders() {
    return this.#page.evaluate(() => window.troikaScript.stopHeaders);
  }

  /** The next questions are refused, one after the other, each with a problem. */
  async refuse(...refusals) {
    await this.#page.evaluate((wanted) => (window.troikaScript.refusals = wanted), refusals);
  }

  /** From now on streams come with this token of their session; null: with none. */
  async giveSessionToken(token) {
    await this.#page.evaluate((wanted) => (window.troikaScript.sessionToken = wanted), token);
  }

  /** The bodies of the stop requests that the page sent. */
  stops() {
    return this.#page.evaluate(() => window.troikaScript.stops);
  }

  /** Waits until the page has left the stream. */
  async left() {
    await this.#page.waitForFunction(() => window.troikaScript.left > 0);
  }
}

//! Stands in for the server's accounts: who the browser's cookie says, and what opens the door. A cookie that scripts
//! cannot see is, for the page, a server that knows it.

export const TOKEN = "an.admin.token";
export const ADMIN = { email: "ada@example.com", role: "admin" };
export const PASSWORD = "correct horse battery";

/** A problem document. */
export const problem = (status, code, message, details = []) => ({ status, code, title: "Refused", detail: message, message, error: message, details });

/** Who may come in. */
export class ScriptedAccounts {
  /** Whom the cookie names; null: there is none. */
  account;
  /** What was asked under /api/admin, in order. */
  asked = [];
  /** Answers that are refused: "METHOD /path" to a problem with `retryAfter`, or to "cut". */
  refusals = new Map();

  constructor(account = ADMIN) {
    this.account = account;
  }

  /** Answers what concerns accounts; false when `route` asks for something else. */
  async answer(route) {
    const request = route.request();
    const { pathname: path } = new URL(request.url());
    if (!path.startsWith("/api/admin/")) return false;
    const asked = `${request.method()} ${path}`;
    const body = request.method() === "POST" ? request.postDataJSON() : undefined;
    this.asked.push({ asked, body, authorization: request.headers().authorization });
    const refusal = this.refusals.get(asked);
    if (refusal === "cut") await route.abort("connectionrefused");
    else if (refusal !== undefined) await refuse(route, refusal);
    else if (asked === "GET /api/admin/session") await this.#tell(route, problem(401, "auth_required", "Nobody is signed in."));
    else if (asked === "POST /api/admin/sign-in") {
      const right = body.email === ADMIN.email && body.password === PASSWORD;
      this.account = right ? ADMIN : null;
      await this.#tell(route, problem(401, "wrong_credentials", "There is no account with this email and password."));
    } else {
      this.account = null;
      await route.fulfill({ json: { success: true } });
    }
    return true;
  }

  /** Whether a request with these headers is an administrator's. */
  admits({ authorization }) {
    return authorization === undefined ? this.account !== null : authorization === `Bearer ${TOKEN}`;
  }

  #tell(route, otherwise) {
    return this.account === null ? refuse(route, otherwise) : route.fulfill({ json: { success: true, account: this.account } });
  }
}

/** Answers with a problem. */
export function refuse(route, { retryAfter, ...body }) {
  const headers = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  return route.fulfill({ status: body.status, contentType: "application/problem+json", headers, body: JSON.stringify(body) });
}

/** What the server says to whom it does not know. */
export const strangers = ({ authorization }) =>
  authorization === undefined ? problem(401, "auth_required", "Nobody is signed in.") : problem(401, "invalid_token", "The token is not valid here. troika token prints one");

//! The routes of who is signed in. The only file that knows their addresses. Knows nothing of the page.

import { Server } from "../rollouts/asking.js";

/** @typedef {{ email: string, role: string }} Account */

/** Asks as whoever the browser's cookie says; scripts never see the cookie. */
const server = new Server(null);

/**
 * Who is signed in.
 * @returns {Promise<Account>} throws a Refusal with the status 401 when nobody is
 */
export const whoIsSignedIn = async () => accountOf(await server.ask("api/admin/session"));

/** @returns {Promise<Account>} */
export const signIn = async (email, password) => accountOf(await server.ask("api/admin/sign-in", { body: { email, password } }));

/** Ends the session on the server, which takes the cookie back. */
export const signOut = () => server.ask("api/admin/sign-out", { body: {} });

function accountOf(answer) {
  const { email, role } = Object(answer?.account);
  return { email: String(email ?? ""), role: String(role ?? "") };
}

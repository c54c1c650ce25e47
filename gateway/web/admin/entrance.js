//! Who looks at a page for administrators: whoever the browser's cookie says, or whoever pasted a token, which stays in
//! this page's memory alone. Tells the page when someone comes in and when someone leaves; knows nothing of what it shows.

import { setText } from "../rollouts/keyed.js";
import { showLines } from "../rollouts/refusal_text.js";
import { signIn, signOut, whoIsSignedIn } from "./api.js";
import { SignIn } from "./sign_in.js";

/** After so many milliseconds the form is there, whether it will be needed or not. */
const PATIENCE_MS = 1_500;

/**
 * `entered`: someone came in, with a token or, where it is null, with the cookie. `left`: someone signed out. `tried`
 * throws a Refusal when a token does not open the door.
 * @typedef {{ entered: (token: string | null) => void, left: () => void, tried: (token: string) => Promise<unknown> }} Reactions
 */

/** The door of one page. */
export class Entrance {
  #places;
  #announcer;
  #reactions;
  #view;
  #state = "unknown";
  #token = null;
  #email = "";
  #cameFrom = null;

  /**
   * @param {{ section: HTMLElement, account: HTMLElement, signOut: HTMLButtonElement, problem: HTMLElement, inside: HTMLElement }} places
   *   `account` and `signOut` stand in the bar, `problem` says why signing out did not work; `inside` is what lies
   *   behind the door
   * @param {import("../app/announcer.js").Announcer} announcer
   * @param {Reactions} reactions
   */
  constructor(places, announcer, reactions) {
    this.#places = places;
    this.#announcer = announcer;
    this.#reactions = reactions;
    this.#view = new SignIn(places.section, {
      signIn: async (email, password) => this.#enter(null, (await signIn(email, password)).email, "Signed in."),
      useToken: async (token) => {
        await reactions.tried(token);
        this.#enter(token, "", "Signed in.");
      },
    });
    places.signOut.addEventListener("click", () => void this.#leave());
    // Someone may have signed in at another tab meanwhile.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#state === "outside") void this.#lookAgain();
    });
    this.#showBar();
  }

  /** Lets in whoever signed in before, and asks everybody else. */
  async open() {
    const slow = setTimeout(() => this.#standOutside([]), PATIENCE_MS);
    try {
      const { email } = await whoIsSignedIn();
      this.#enter(null, email, "");
    } catch (refusal) {
      const why = refusal.status === 401 ? [] : refusal.lines;
      if (this.#state === "unknown" || (this.#state === "outside" && why.length > 0)) this.#standOutside(why);
    } finally {
      clearTimeout(slow);
    }
  }

  /**
   * The server wants to know again who asks; what is on the page stays there.
   * @param {import("../rollouts/asking.js").Refusal | null} refusal null: someone wants to do something meanwhile
   */
  turnedAway(refusal) {
    if (refusal === null || this.#state !== "inside") {
      this.#view.focus();
      return;
    }
    // Of sessions the server speaks as of tokens, which nobody has seen.
    const why = this.#token === null && refusal.status === 401 ? ["Your session has ended. Sign in again."] : refusal.lines;
    this.#state = "outside";
    this.#token = null;
    this.#cameFrom = document.activeElement;
    showLines(this.#places.problem, []);
    this.#showBar();
    this.#view.show(why, this.#email);
    scrollTo({ top: 0, behavior: "instant" });
  }

  #standOutside(why) {
    this.#state = "outside";
    this.#view.show(why);
  }

  async #lookAgain() {
    try {
      const { email } = await whoIsSignedIn();
      this.#enter(null, email, "Signed in.");
    } catch {
      // Still nobody, or nobody knows: the form is there.
    }
  }

  #enter(token, email, words) {
    // Two ways in at the same time: the first one counts.
    if (this.#state === "inside") return;
    this.#state = "inside";
    this.#token = token;
    this.#email = email;
    // A button that is dark while it is waited for loses the focus to the page, and so does whatever is hidden, later.
    const isNowhere = () => document.activeElement === document.body || this.#places.section.contains(document.activeElement);
    this.#view.hide();
    this.#showBar();
    // A dialog that comes back gives the focus back to where it was, in its turn.
    if (isNowhere() && this.#cameFrom?.isConnected) this.#cameFrom.focus({ preventScroll: true });
    this.#cameFrom = null;
    this.#reactions.entered(token);
    if (isNowhere() && words !== "") this.#places.inside.focus({ preventScroll: true });
    if (words !== "") this.#announcer.say(words);
  }

  async #leave() {
    const { signOut: button, problem } = this.#places;
    showLines(problem, []);
    if (this.#token === null) {
      button.disabled = true;
      try {
        await signOut();
      } catch (refusal) {
        // Whoever is not signed in any more is signed out, too.
        if (refusal.status !== 401) {
          showLines(problem, ["You are still signed in.", ...refusal.lines]);
          return;
        }
      } finally {
        button.disabled = false;
      }
    }
    this.#state = "outside";
    this.#token = null;
    this.#email = "";
    this.#cameFrom = null;
    this.#reactions.left();
    this.#showBar();
    this.#view.forget();
    this.#view.show();
    this.#announcer.say("Signed out.");
  }

  #showBar() {
    const { account, signOut: button } = this.#places;
    const inside = this.#state === "inside";
    const name = this.#token === null ? this.#email : "With a token";
    account.hidden = !inside || name === "";
    setText(account, inside ? name : "");
    account.title = account.textContent;
    button.hidden = !inside;
  }
}

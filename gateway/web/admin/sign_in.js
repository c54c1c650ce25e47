//! The way in, as administrators see it: email and password, or a token for who has nothing else. Shows and hands on what
//! was entered; knows neither the server nor what lies behind.

import { element } from "../app/elements.js";
import { Refusal } from "../rollouts/asking.js";
import { duration } from "../rollouts/format.js";
import { showLines } from "../rollouts/refusal_text.js";

/** What no token has: anything but printed ASCII. */
const TOKEN = /^[\x21-\x7e]+$/;

/** The form in front of the page. */
export class SignIn {
  #section;
  #account;
  #token;

  /**
   * @param {HTMLElement} section hidden and empty
   * @param {{ signIn: (email: string, password: string) => Promise<void>, useToken: (token: string) => Promise<void> }} reactions
   *   each throws a Refusal when the door stays shut
   */
  constructor(section, { signIn, useToken }) {
    this.#section = section;
    this.#account = this.#accountForm(signIn);
    this.#token = this.#tokenForm(useToken);
    const title = element("h2", { id: "sign-in-title" }, "Sign in");
    const other = element("details", { class: "other-way" }, element("summary", {}, "Use a token instead"), this.#token.form);
    // Whoever opens it wants to paste.
    other.addEventListener("toggle", () => {
      if (other.open) this.#token.fields[0].focus();
    });
    section.append(title, this.#account.form, other);
  }

  /**
   * @param {readonly string[]} why the server's words; none when nobody was turned away
   * @param {string} email who it was, when that is known
   */
  show(why = [], email = "") {
    const [address, password] = this.#account.fields;
    this.#section.hidden = false;
    password.value = "";
    if (email !== "") address.value = email;
    this.#say(this.#account, why, address.value === "" ? address : password, false);
  }

  /** Someone wants to do what needs an administrator. */
  focus() {
    const [address, password] = this.#account.fields;
    (address.value === "" ? address : password).focus();
  }

  hide() {
    this.#section.hidden = true;
    for (const { fields, problem } of [this.#account, this.#token]) {
      showLines(problem, []);
      for (const field of fields) field.removeAttribute("aria-invalid");
    }
    // What opens doors does not stay on the page.
    this.#account.fields[1].value = "";
    this.#token.fields[0].value = "";
  }

  /** Someone else may be the next one here. */
  forget() {
    this.#account.fields[0].value = "";
  }

  #accountForm(signIn) {
    // Names and "autocomplete" are what password managers look for; POST, so that no address can carry a password.
    const email = element("input", { id: "sign-in-email", name: "email", type: "email", autocomplete: "username", autocapitalize: "off", autocorrect: "off", spellcheck: "false", "aria-describedby": "sign-in-problem" });
    const password = element("input", { id: "sign-in-password", name: "password", type: "password", autocomplete: "current-password", "aria-describedby": "sign-in-problem" });
    const problem = element("p", { class: "refusal", id: "sign-in-problem", role: "alert", hidden: true });
    const go = element("button", { type: "submit", class: "primary", id: "sign-in-go" }, "Sign in");
    const form = element("form", { id: "sign-in-form", method: "post", novalidate: true }, label(email, "Email"), email, label(password, "Password"), password, problem, go);
    const parts = { form, fields: [email, password], problem, go };
    this.#onSubmit(parts, async () => {
      if (email.value.trim() === "") return this.#say(parts, ["Enter your email address."], email);
      if (password.value === "") return this.#say(parts, ["Enter your password."], password);
      return this.#trying(parts, password, () => signIn(email.value.trim(), password.value));
    });
    return parts;
  }

  #tokenForm(useToken) {
    // The field has no name: whatever happens to the script, no address can carry the token.
    const field = element("input", { id: "token", type: "password", autocomplete: "off", autocapitalize: "off", autocorrect: "off", spellcheck: "false", "aria-describedby": "token-help token-problem" });
    const help = element("p", { id: "token-help" }, element("code", {}, "troika token --role admin"), " prints one on the server. It is kept in this page alone: a reload forgets it.");
    const problem = element("p", { class: "refusal", id: "token-problem", role: "alert", hidden: true });
    const go = element("button", { type: "submit", class: "secondary", id: "token-go" }, "Use the token");
    const form = element("form", { id: "token-form", method: "post", novalidate: true }, help, label(field, "Admin token"), field, problem, go);
    const parts = { form, fields: [field], problem, go };
    this.#onSubmit(parts, async () => {
      const token = field.value.trim();
      if (token === "") return this.#say(parts, ["Paste the token first."], field);
      if (!TOKEN.test(token)) return this.#say(parts, ["This is no token: it has characters that no token has."], field);
      return this.#trying(parts, field, () => useToken(token));
    });
    return parts;
  }

  #onSubmit({ form, go }, submitted) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!go.disabled) await submitted();
    });
  }

  async #trying(parts, field, enter) {
    showLines(parts.problem, []);
    parts.go.disabled = true;
    try {
      await enter();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#say(parts, wordsOf(error), field, error.status === 401 || error.status === 403);
      field.select();
    } finally {
      parts.go.disabled = false;
    }
  }

  /** @param {boolean} blamed whether it is the field that is wrong */
  #say({ fields, problem }, lines, field, blamed = lines.length > 0) {
    showLines(problem, lines);
    for (const known of fields) known.removeAttribute("aria-invalid");
    if (blamed) field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

const label = ({ id }, words) => element("label", { for: id }, words);

/** What people can do about it; the server's own words where nothing better is known. */
function wordsOf(refusal) {
  if (refusal.code === "wrong_credentials") return ["The email address or the password is wrong."];
  if (refusal.status !== 429) return refusal.lines;
  const wait = refusal.retryAfter > 0 ? `in ${duration(refusal.retryAfter)}` : "later";
  return [refusal.code === "too_many_tries" ? `Too many tries. Try again ${wait}.` : `${refusal.message} Try again ${wait}.`];
}

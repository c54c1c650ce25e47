//! Names the parts of the form in front of the pages for administrators.

import { ADMIN, PASSWORD } from "./scripted_accounts.mjs";

/** The form on one page. */
export class SignInForm {
  constructor(page) {
    this.page = page;
    this.section = page.getByRole("region", { name: "Sign in" });
    this.email = page.getByLabel("Email");
    this.password = page.getByLabel("Password");
    this.go = page.getByRole("button", { name: "Sign in", exact: true });
    this.problem = page.locator("#sign-in-problem");
    this.other = page.getByText("Use a token instead");
    this.token = page.getByLabel("Admin token");
    this.useIt = page.getByRole("button", { name: "Use the token" });
    this.tokenProblem = page.locator("#token-problem");
    this.account = page.locator("#account");
    this.signOut = page.getByRole("button", { name: "Sign out" });
  }

  async signIn(email = ADMIN.email, password = PASSWORD) {
    await this.email.fill(email);
    await this.password.fill(password);
    await this.password.press("Enter");
  }

  async useToken(token) {
    if (!(await this.token.isVisible())) await this.other.click();
    await this.token.fill(token);
    await this.token.press("Enter");
  }
}

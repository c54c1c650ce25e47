//! Keeps the newest text in view as long as the reader is at the end of the page, and leaves them in peace once they
//! scrolled up; a button brings them back.

/** How near the end counts as being there, in pixels. */
const NEAR = 96;

/** Follows the end of the document. */
export class EndFollower {
  #button;
  #following = true;

  /** @param {HTMLElement} button goes to the end; shown only while the end is out of sight */
  constructor(button) {
    this.#button = button;
    addEventListener("scroll", () => this.#look(), { passive: true });
    addEventListener("resize", () => this.#look(), { passive: true });
    button.addEventListener("click", () => {
      this.#following = true;
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.#toEnd(calm ? "instant" : "smooth");
    });
  }

  /** The page grew. */
  grew() {
    if (this.#following) this.#toEnd("instant");
    else this.#showButton();
  }

  /** The reader did something whose result is at the end. */
  resume() {
    this.#following = true;
    this.#toEnd("instant");
  }

  #toEnd(behavior) {
    scrollTo({ top: document.documentElement.scrollHeight, behavior });
    this.#showButton();
  }

  #look() {
    this.#following = distance() < NEAR;
    this.#showButton();
  }

  #showButton() {
    this.#button.hidden = distance() < NEAR;
  }
}

const distance = () => document.documentElement.scrollHeight - scrollY - innerHeight;

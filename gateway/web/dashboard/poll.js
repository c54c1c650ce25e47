//! Asks the same again and again while someone looks, and drops answers to questions that were asked before the newest
//! one. Knows nothing of what is asked.

/** A question that is repeated until it is ended. */
export class Poll {
  #ask;
  #told;
  #failed;
  #every;
  #asked = 0;
  #timer = 0;
  #ended = false;

  /**
   * @template Answer
   * @param {() => Promise<Answer>} ask throws a Refusal
   * @param {{ told: (answer: Answer) => void, failed: (refusal: import("../rollouts/asking.js").Refusal) => void }} reactions
   * @param {() => number} every milliseconds until it is asked again
   */
  constructor(ask, { told, failed }, every) {
    this.#ask = ask;
    this.#told = told;
    this.#failed = failed;
    this.#every = every;
    void this.now();
  }

  /** Asks at once. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    this.#asked += 1;
    const question = this.#asked;
    const outcome = await this.#ask().then(
      (answer) => () => this.#told(answer),
      (refusal) => () => this.#failed(refusal),
    );
    if (this.#ended || question !== this.#asked) return;
    this.#later();
    outcome();
  }

  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #later() {
    this.#timer = setTimeout(() => {
      if (document.hidden) this.#later();
      else void this.now();
    }, this.#every());
  }
}

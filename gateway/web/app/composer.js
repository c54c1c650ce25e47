//! Where the question is written: sends on Enter, grows with its text, counts near the limit, turns into a stop button
//! while an answer comes. Knows nothing of answers.

/** The longest question the server takes, in characters. */
const LIMIT = 5_000;
/** From here on the reader is told how much is left. */
const COUNT_FROM = 4_500;

/** The form at the foot of the page. */
export class Composer {
  #form;
  #field;
  #send;
  #stop;
  #counter;
  #announcer;
  #busy = false;
  #wasTooLong = false;

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLElement} counter
   * @param {import("./announcer.js").Announcer} announcer
   * @param {{ send: (question: string, origin: Event) => void, stop: (origin: Event) => void }} reactions
   */
  constructor(form, counter, announcer, reactions) {
    this.#form = form;
    this.#field = form.querySelector("textarea");
    this.#send = form.querySelector(".send");
    this.#stop = form.querySelector(".stop");
    this.#counter = counter;
    this.#announcer = announcer;

    this.#field.addEventListener("input", () => this.#refresh());
    this.#field.addEventListener("keydown", (event) => {
      // While an input method composes a word, Enter belongs to it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit(event, reactions.send);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    this.#send.addEventListener("click", (event) => this.#submit(event, reactions.send));
    this.#stop.addEventListener("click", reactions.stop);
    this.#refresh();
  }

  /** While an answer comes, the stop button stands where the send button was. */
  set busy(busy) {
    this.#busy = busy;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    this.#form.dataset.busy = String(busy);
  }

  /** Nobody can be asked. */
  disable() {
    this.#field.disabled = true;
    this.#send.disabled = true;
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  #submit(origin, send) {
    const question = this.#field.value.trim();
    if (this.#busy || question === "" || characters(question) > LIMIT) return;
    this.#field.value = "";
    this.#refresh();
    send(question, origin);
  }

  #refresh() {
    const question = this.#field.value.trim();
    const count = characters(question);
    const tooLong = count > LIMIT;
    this.#send.disabled = question === "" || tooLong;
    this.#field.setAttribute("aria-invalid", String(tooLong));
    this.#counter.dataset.over = String(tooLong);
    this.#counter.textContent = tooLong ? excess(count) : count >= COUNT_FROM ? `${count} of ${LIMIT} characters` : "";
    if (tooLong && !this.#wasTooLong) this.#announcer.say(`The question is ${excess(count)}.`);
    this.#wasTooLong = tooLong;
    if (!CSS.supports("field-sizing", "content")) {
      this.#field.style.height = "auto";
      this.#field.style.height = `${this.#field.scrollHeight}px`;
    }
  }
}

const excess = (count) => {
  const many = count - LIMIT;
  return many === 1 ? "1 character too long" : `${many} characters too long`;
};

/** Characters as the server counts them: an emoji outside the basic plane is one, not two. */
function characters(text) {
  if (text.length < COUNT_FROM) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

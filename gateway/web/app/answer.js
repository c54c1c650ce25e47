//! Shows one answer from its first sign of life to its end: the waiting, the streaming text, notes, a problem with its
//! retry, and what can be done with it. Is told what to show; never talks to the server.

import { copyText } from "./clipboard.js";
import { button, element, icon } from "./elements.js";
import { MarkdownView } from "./markdown.js";
import { SpokenMark } from "./spoken.js";

/** How long the copy button says that it worked. */
const COPIED_MS = 2_000;

/**
 * @typedef {{ retry: (origin: Event) => void, ask: (question: string, origin: Event) => void, grew: () => void }} Reactions
 *   what an answer may ask of the page: to be asked again, to ask a follow-up, to keep the newest text in view
 */

/** One answer in the log. */
export class AnswerView {
  #root;
  #thinking;
  #thinkingText;
  #prose;
  #notes;
  #foot;
  #markdown;
  #reading;
  #announcer;
  #reactions;
  #text = "";
  #model = "";
  #noteTexts = [];
  #problem = null;
  #frame = 0;
  #countdown = 0;
  #spoken = null;
  #hushed = false;
  #heldBack = [];

  /**
   * @param {import("./announcer.js").Announcer} announcer
   * @param {Reactions} reactions
   */
  constructor(announcer, reactions) {
    this.#announcer = announcer;
    this.#reactions = reactions;
    this.#reading = announcer.follow();
    this.#thinkingText = element("span", {}, "Sending");
    this.#thinking = element("p", { class: "thinking" }, icon("mark", "mark"), this.#thinkingText);
    this.#prose = element("div", { class: "prose" });
    this.#notes = element("ul", { class: "notes", hidden: true });
    this.#foot = element("div", { class: "foot" });
    this.#root = element(
      "div",
      { class: "answer", "data-state": "waiting" },
      element("h2", { class: "hidden-label" }, "Answer"),
      this.#thinking,
      this.#prose,
      this.#notes,
      this.#foot,
    );
    this.#markdown = new MarkdownView(this.#prose);
  }

  get root() {
    return this.#root;
  }

  get text() {
    return this.#text;
  }

  /** What a session keeps of this answer. */
  record(state, seconds) {
    return { answer: this.#text, state, model: this.#model, notes: [...this.#noteTexts], problem: this.#problem, seconds };
  }

  /** Says what the server is doing while there is no text. */
  status(message) {
    if (message) this.#thinkingText.textContent = message.replace(/(?:\.{3}|…)$/, "");
  }

  /** Names the model that answers. */
  model(name) {
    if (name) this.#model = name;
  }

  /** Adds a piece of the answer; it is drawn with the next frame. */
  append(content) {
    if (content === "") return;
    this.#text += content;
    this.#root.dataset.state = "streaming";
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw(true);
    });
  }

  /** The voice reads this answer: a screen reader is given nothing of it until `unhush`. */
  hush() {
    this.#hushed = true;
  }

  /**
   * The voice is through with this answer.
   * @param {{ unheard: boolean }} options `unheard`: nothing was heard, so that the screen reader reads all of it
   */
  unhush({ unheard }) {
    if (!this.#hushed) return;
    this.#hushed = false;
    if (unheard) this.#reading.update(this.#prose, { finished: this.#root.dataset.state !== "streaming" });
    else this.#reading.skip(this.#prose);
    for (const line of this.#heldBack.splice(0)) this.#announcer.say(line);
  }

  /**
   * Marks the sentence that is heard.
   * @param {string | null} sentence null: none is
   */
  showSpoken(sentence) {
    this.#spoken ??= new SpokenMark(this.#prose);
    this.#spoken.show(sentence);
  }

  /** Something is missing, and the answer goes on. */
  note(message) {
    if (!message || this.#noteTexts.includes(message)) return;
    this.#addNote(message);
    this.#say(message);
    this.#reactions.grew();
  }

  /** Offers follow-up questions. */
  suggest(questions) {
    this.#foot.querySelector(".suggestions")?.remove();
    const items = questions.map((question) => {
      const choice = button("suggestion", "arrow", question, (event) => this.#reactions.ask(question, event));
      return element("li", {}, choice);
    });
    if (items.length === 0) return;
    this.#foot.append(element("ul", { class: "suggestions", "aria-label": "Suggested questions" }, ...items));
    this.#say(items.length === 1 ? "One suggested question." : `${items.length} suggested questions.`);
    this.#reactions.grew();
  }

  /** Offers a meeting on a booking page. */
  offerBooking(url) {
    if (!/^https?:\/\//i.test(url) || this.#foot.querySelector(".booking")) return;
    const link = element("a", { class: "booking", href: url, target: "_blank", rel: "noopener noreferrer" });
    link.append(icon("calendar"), element("span", {}, "Book a meeting"));
    this.#foot.append(link);
  }

  /**
   * The whole answer is there.
   * @param {object} complete the data of the `complete` event
   * @param {number | null} seconds how long it took
   */
  finish(complete, seconds) {
    if (typeof complete.fullAnswer === "string" && complete.fullAnswer !== "") this.#text = complete.fullAnswer;
    this.model(complete.model);
    this.#end("complete");
    this.#say("Answer complete.");
    if (complete.truncated) this.note("This answer was cut at its length limit.");
    if (this.#text.trim() === "") this.note("The answer was empty.");
    this.#addMeta(seconds);
  }

  /** The reader stopped it. */
  stopped(seconds) {
    this.#end("stopped");
    this.note("You stopped this answer.");
    this.#addMeta(seconds);
  }

  /**
   * There is no whole answer.
   * @param {import("./problems.js").Problem} problem
   */
  fail(problem) {
    this.#end("failed");
    this.#addProblem(problem);
    if (this.#text !== "") this.#addMeta(null);
    const wait = problem.canRetry && problem.retryAfter > 0 ? ` You can try again in ${waiting(problem.retryAfter)}.` : "";
    this.#say(problem.message + wait);
    this.#reactions.grew();
  }

  /** Shows an answer of an earlier visit. */
  restore({ answer, state, model, notes, problem, seconds }) {
    this.#text = answer;
    this.#model = model;
    this.#reading = { update() {} }; // it was read aloud when it came
    this.#end(state);
    for (const note of notes) this.#addNote(note);
    if (problem) this.#addProblem({ ...problem, retryAfter: 0 });
    if (answer !== "") this.#addMeta(seconds);
  }

  /** Takes back what can only be done with the newest answer. */
  retire() {
    clearInterval(this.#countdown);
    for (const offer of this.#foot.querySelectorAll(".suggestions, .retry")) offer.remove();
  }

  #draw(unfinished) {
    this.#thinking.hidden = this.#text !== "";
    this.#markdown.show(this.#text, { unfinished });
    if (!this.#hushed) this.#reading.update(this.#prose, { finished: !unfinished });
    this.#spoken?.redraw();
    this.#reactions.grew();
  }

  #say(line) {
    if (this.#hushed) this.#heldBack.push(line);
    else this.#announcer.say(line);
  }

  #end(state) {
    cancelAnimationFrame(this.#frame);
    this.#draw(false);
    this.#thinking.hidden = true;
    this.#root.dataset.state = state;
  }

  #addNote(message) {
    this.#noteTexts.push(message);
    this.#notes.append(element("li", {}, icon("note"), element("span", {}, message)));
    this.#notes.hidden = false;
  }

  #addProblem(problem) {
    this.#problem = problem;
    const words = element("p", {}, icon("error"), element("span", {}, problem.message));
    const box = element("div", { class: "problem" }, words);
    if (problem.canRetry) box.append(this.#retryButton(problem.retryAfter));
    this.#foot.prepend(box);
  }

  #addMeta(seconds) {
    const facts = [];
    if (this.#model === "knowledge") facts.push("Quoted from the bot’s knowledge");
    else if (this.#model) facts.push(this.#model);
    if (typeof seconds === "number") facts.push(`${seconds.toFixed(1)} s`);
    const meta = element("div", { class: "meta" });
    if (this.#text !== "") meta.append(this.#copyButton());
    if (facts.length > 0) meta.append(element("p", { class: "facts" }, facts.join(" · ")));
    if (meta.childElementCount > 0) this.#foot.prepend(meta);
    this.#reactions.grew();
  }

  #copyButton() {
    const label = element("span", {}, "Copy");
    const copy = element("button", { type: "button", class: "copy", "aria-label": "Copy answer" }, icon("copy"), label);
    copy.addEventListener("click", async () => {
      const copied = await copyText(this.#text);
      label.textContent = copied ? "Copied" : "Not allowed here";
      copy.firstElementChild.replaceWith(icon(copied ? "done" : "error"));
      this.#announcer.say(copied ? "Answer copied." : "This browser does not allow copying here.");
      setTimeout(() => {
        label.textContent = "Copy";
        copy.firstElementChild.replaceWith(icon("copy"));
      }, COPIED_MS);
    });
    return copy;
  }

  #retryButton(wait) {
    const retry = button("retry", "retry", "Try again", (event) => this.#reactions.retry(event));
    let left = wait;
    const label = retry.lastElementChild;
    const tick = () => {
      retry.disabled = left > 0;
      label.textContent = left > 0 ? `Try again in ${waiting(left)}` : "Try again";
      if (left <= 0) clearInterval(this.#countdown);
      left -= 1;
    };
    if (wait > 0) this.#countdown = setInterval(tick, 1_000);
    tick();
    return retry;
  }
}

/** How long is left, roughly where it is long. */
function waiting(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds / 3_600)} h`;
}

//! Tells a screen reader what arrives: the sentences of an answer as they are finished, and what happens around it.
//! Speaks through one polite live region; knows nothing of turns.

/** Spoken lines kept in the region; older ones have long been read. */
const KEPT = 12;

/** Says lines through `region`, which carries aria-live. */
export class Announcer {
  #region;

  /** @param {HTMLElement} region */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} line */
  say(line) {
    if (line.trim() === "") return;
    const element = document.createElement("p");
    element.textContent = line.trim();
    this.#region.append(element);
    while (this.#region.childElementCount > KEPT) this.#region.firstElementChild.remove();
  }

  /** Starts following one answer's text. */
  follow() {
    return new Reading(this);
  }
}

class Reading {
  #announcer;
  #said = 0;

  constructor(announcer) {
    this.#announcer = announcer;
  }

  /**
   * Says what is new and whole.
   * @param {Element} answer the rendered answer
   * @param {{ finished: boolean }} options `finished`: the last sentence is whole, too
   */
  update(answer, { finished }) {
    if (!answer.isConnected) return; // a new conversation took it away
    const sentences = sentencesOf(answer);
    const whole = finished ? sentences.length : sentences.length - 1;
    if (whole <= this.#said) return;
    this.#announcer.say(sentences.slice(this.#said, whole).join(" "));
    this.#said = whole;
  }

  /**
   * What is there was heard in another way: it is not said.
   * @param {Element} answer the rendered answer
   */
  skip(answer) {
    this.#said = sentencesOf(answer).length;
  }
}

function sentencesOf(answer) {
  const parts = answer.querySelectorAll("p, li, h3, h4, h5, h6, pre, td, th");
  return [...parts].flatMap((part) => split(ownText(part)));
}

/** The text of `part` without that of the parts inside it, which are read by themselves. */
function ownText(part) {
  const own = [...part.childNodes].filter((node) => !["UL", "OL", "P", "PRE"].includes(node.nodeName));
  return own.map((node) => node.textContent).join("");
}

const segmenter = "Segmenter" in Intl ? new Intl.Segmenter(undefined, { granularity: "sentence" }) : null;

function split(text) {
  const sentences = segmenter ? [...segmenter.segment(text)].map(({ segment }) => segment) : [text];
  return sentences.map((sentence) => sentence.trim()).filter((sentence) => sentence !== "");
}

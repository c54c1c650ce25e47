//! Marks in a rendered answer the sentence that is heard. What is spoken is plain text and what is shown was Markdown,
//! so only letters and digits are compared, across all elements, onwards from the sentence before. What cannot be found
//! is not marked. Marks by the CSS Custom Highlight API, which leaves the elements alone; without it by boxes behind
//! the text.

/** The name of the highlight in the style sheets. */
const NAME = "spoken";
/** So many letters at both ends stand for a sentence whose middle is spoken otherwise than written. */
const ANCHOR = 14;
const WORD = /[\p{L}\p{M}\p{N}]/u;

/** The mark in one answer. */
export class SpokenMark {
  #prose;
  #paint;
  #letters = "";
  /** Where the search begins, and where the marked sentence ends, in letters of the answer. */
  #from = 0;
  #end = 0;

  /** @param {HTMLElement} prose the rendered answer */
  constructor(prose) {
    this.#prose = prose;
    this.#paint = "highlights" in CSS ? new Highlighting() : new Boxes(prose);
  }

  /**
   * Marks the next sentence in place of the one before.
   * @param {string | null} sentence null: none
   */
  show(sentence) {
    this.#from = this.#end;
    this.#letters = sentence === null ? "" : lettersOf(sentence);
    this.redraw();
  }

  /** The answer was rendered anew. */
  redraw() {
    if (this.#letters === "") {
      this.#paint.clear();
      return;
    }
    const shown = shownLetters(this.#prose);
    const found = find(shown, this.#letters, this.#from);
    if (found === null) {
      this.#paint.clear();
      return;
    }
    this.#end = found.end;
    const first = shown.places[found.start];
    const last = shown.places[found.end - 1];
    const range = document.createRange();
    range.setStart(first.node, first.offset);
    range.setEnd(last.node, last.offset + last.length);
    this.#paint.show(range);
  }
}

/** What of a text is compared: letters, their marks and digits, in one case and one form. */
function lettersOf(text) {
  return [...text].map(lettersOfCharacter).join("");
}

function lettersOfCharacter(character) {
  if (!WORD.test(character)) return "";
  return character < "\u0080" ? character.toLowerCase() : character.toLowerCase().normalize("NFKD");
}

/**
 * The letters of `root` with the place of each, and whether a word starts there.
 * @returns {{ letters: string, places: { node: Text, offset: number, length: number, starts: boolean }[] }}
 */
function shownLetters(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let letters = "";
  const places = [];
  let block = null;
  let inWord = false;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const around = node.parentElement.closest("p, li, h3, h4, h5, h6, pre, td, th, blockquote, div");
    if (around !== block) inWord = false;
    block = around;
    let offset = 0;
    for (const character of node.data) {
      const compared = lettersOfCharacter(character);
      for (let at = 0; at < compared.length; at += 1) {
        places.push({ node, offset, length: character.length, starts: at === 0 && !inWord });
      }
      inWord = compared !== "";
      letters += compared;
      offset += character.length;
    }
  }
  return { letters, places };
}

/** Where `sentence` stands, from `from` on: as it is, else by its two ends. */
function find(shown, sentence, from) {
  const whole = search(shown, sentence, from);
  if (whole >= 0) return { start: whole, end: whole + sentence.length };
  // The number of a list's item is spoken, and stands in no text.
  const unnumbered = sentence.replace(/^\p{N}+/u, "");
  if (unnumbered !== sentence) return unnumbered === "" ? null : find(shown, unnumbered, from);
  if (sentence.length < 2 * ANCHOR) return null;
  const start = search(shown, sentence.slice(0, ANCHOR), from, { ends: false });
  if (start < 0) return null;
  const tail = sentence.slice(-ANCHOR);
  const end = shown.letters.indexOf(tail, start + ANCHOR);
  const tooFar = start + 2 * sentence.length + 4 * ANCHOR;
  return end < 0 || end > tooFar ? null : { start, end: end + tail.length };
}

/** The first place where `letters` begin with a word and, unless told otherwise, end with one. */
function search({ letters: shown, places }, letters, from, { ends = true } = {}) {
  let at = shown.indexOf(letters, from);
  while (at >= 0) {
    const after = places[at + letters.length];
    if (places[at].starts && (!ends || after === undefined || after.starts)) return at;
    at = shown.indexOf(letters, at + 1);
  }
  return -1;
}

class Highlighting {
  #highlight = new Highlight();

  show(range) {
    this.#highlight.clear();
    this.#highlight.add(range);
    CSS.highlights.set(NAME, this.#highlight);
  }

  clear() {
    this.#highlight.clear();
    if (CSS.highlights.get(NAME) === this.#highlight) CSS.highlights.delete(NAME);
  }
}

/** Boxes behind the text, laid over the lines of the range; they move nothing. */
class Boxes {
  #prose;
  #range = null;
  #layer = document.createElement("div");

  constructor(prose) {
    this.#prose = prose;
    this.#layer.className = "spoken-boxes";
    this.#layer.setAttribute("aria-hidden", "true");
    new ResizeObserver(() => this.#lay()).observe(prose);
  }

  show(range) {
    this.#range = range;
    this.#prose.before(this.#layer);
    this.#lay();
  }

  clear() {
    this.#range = null;
    this.#layer.remove();
  }

  #lay() {
    if (this.#range === null) return;
    const origin = this.#layer.getBoundingClientRect();
    const boxes = [...this.#range.getClientRects()].map((line) => {
      const box = document.createElement("div");
      box.style.left = `${line.left - origin.left}px`;
      box.style.top = `${line.top - origin.top}px`;
      box.style.width = `${line.width}px`;
      box.style.height = `${line.height}px`;
      return box;
    });
    this.#layer.replaceChildren(...boxes);
  }
}

//! Renders an answer's Markdown into harmless elements, block by block. Answers are untrusted: HTML in them is shown
//! as text, images become links, only web, mail and phone links survive, and DOMPurify has the last word.
//! While an answer streams, only the blocks whose text changed are replaced, so nothing flickers and a selection stays.

import { Marked } from "../vendor/marked/marked.esm.js";
import DOMPurify from "../vendor/dompurify/purify.es.mjs";
import { mendTail } from "./mend.js";

const escapeHtml = (text) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["align", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:)/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** One answer's text inside `element`, which must be empty and nobody else's. */
export class MarkdownView {
  #element;
  #shown = [];

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /**
   * Shows `text` in place of what was shown before.
   * @param {string} text
   * @param {{ unfinished?: boolean }} [options] `unfinished`: more is to come, so marks left open at the end are closed
   */
  show(text, { unfinished = false } = {}) {
    const tokens = marked.lexer(unfinished ? mendTail(text) : text);
    const definitions = JSON.stringify(tokens.links);
    const blocks = tokens.filter((token) => token.type !== "space" && token.type !== "def");

    blocks.forEach((token, at) => {
      const source = `${token.type}\0${token.raw}\0${definitions}`;
      if (this.#shown[at]?.source === source) return;
      const element = document.createElement("div");
      element.className = "block";
      element.append(this.#render(token));
      if (this.#shown[at]) this.#shown[at].element.replaceWith(element);
      else this.#element.append(element);
      this.#shown[at] = { source, element };
    });
    for (const { element } of this.#shown.splice(blocks.length)) element.remove();
  }

  #render(token) {
    const fragment = DOMPurify.sanitize(marked.parser([token]), ALLOWED);
    for (const link of fragment.querySelectorAll("a[href]")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    }
    for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) demote(heading);
    for (const code of fragment.querySelectorAll("pre")) makeScrollable(code, "Code");
    for (const table of fragment.querySelectorAll("table")) {
      const frame = document.createElement("div");
      frame.className = "table";
      table.replaceWith(frame);
      frame.append(table);
      makeScrollable(frame, "Table");
    }
    return fragment;
  }
}

/** Headings of an answer stand below those of the page. */
function demote(heading) {
  const level = Math.min(Number(heading.localName[1]) + 2, 6);
  const lower = document.createElement(`h${level}`);
  lower.append(...heading.childNodes);
  heading.replaceWith(lower);
}

/** What may be wider than the page scrolls by itself, by keyboard too. */
function makeScrollable(element, label) {
  element.tabIndex = 0;
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", label);
}

//! Turns the bytes of a `text/event-stream` into events, however the network cut them: inside a line, between CR and
//! LF, inside a UTF-8 character. Follows the parsing rules of the HTML standard. Knows nothing of chat.

/** One event: its type ("message" when the stream names none), its data, and the last id seen. */
/** @typedef {{ type: string, data: string, id: string }} StreamEvent */

/** A parser of one stream. Feed it chunks in order; an unfinished event at the end of the stream is dropped. */
export class EventParser {
  #decoder = new TextDecoder("utf-8");
  #line = "";
  #skipLineFeed = false;
  #type = "";
  #data = [];
  #id = "";

  /**
   * Takes the next bytes.
   * @param {Uint8Array} bytes
   * @returns {StreamEvent[]} the events that these bytes completed, in order
   */
  push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    const events = [];
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const character = text[at];
      if (character !== "\n" && character !== "\r") {
        this.#skipLineFeed = false;
        continue;
      }
      const secondHalfOfCrLf = character === "\n" && this.#skipLineFeed;
      if (!secondHalfOfCrLf) {
        const event = this.#endLine(this.#line + text.slice(start, at));
        if (event) events.push(event);
        this.#line = "";
      }
      this.#skipLineFeed = character === "\r";
      start = at + 1;
    }
    this.#line += text.slice(start);
    return events;
  }

  #endLine(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment: the heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#type = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch() {
    const type = this.#type || "message";
    const lines = this.#data;
    this.#type = "";
    this.#data = [];
    return lines.length === 0 ? null : { type, data: lines.join("\n"), id: this.#id };
  }
}

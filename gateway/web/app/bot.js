//! Which bot this page talks to, from its address, and how the page greets for it.

const DEMO = "000000000000000000000001";

/**
 * @typedef {{ id: string, valid: boolean, name: string, greeting: string, text: string, examples: string[] }} Bot
 */

/**
 * The bot that `?bot=` names; the demo bot when it names none.
 * @param {string} search the query part of the page's address
 * @returns {Bot}
 */
export function botFromAddress(search) {
  const asked = new URLSearchParams(search).get("bot");
  const id = (asked ?? DEMO).trim().toLowerCase();
  if (!/^[0-9a-f]{24}$/.test(id)) {
    return {
      id,
      valid: false,
      name: "",
      greeting: "No bot has this address",
      text: "The address of this page names a bot with ?bot= and its id: 24 digits from 0 to 9 and a to f. Check the id, or leave it out to talk to the demo bot.",
      examples: [],
    };
  }
  return id === DEMO ? demo(id) : other(id);
}

function demo(id) {
  return {
    id,
    valid: true,
    name: "",
    greeting: "What would you like to know?",
    text: "I know troika, the service behind this page. Ask me how it works, how to set it up, or what it does when something breaks.",
    examples: [
      "What is troika?",
      "How does a question stream from the browser to the model?",
      "What happens when the language model is away?",
    ],
  };
}

function other(id) {
  return {
    id,
    valid: true,
    name: `Bot ${id.slice(0, 4)}…${id.slice(-4)}`,
    greeting: "What would you like to know?",
    text: "Ask a question to start the conversation.",
    examples: [],
  };
}

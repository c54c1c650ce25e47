//! How many tokens a turn may use, told before its prompt is known: the question and the bot's persona by their length,
//! history and knowledge by the room that the settings give them, the answer by its limit. Pure.
//!
//! It is meant to be more than a turn uses. A turn that uses more all the same is settled by what it used: by so much
//! a limit can be passed, for each turn that was under way when it was reached.

use crate::bots::Bot;

/// The instructions that stand around a persona.
const INSTRUCTIONS: u64 = 250;
/// A persona that is not at hand.
const PERSONA: u64 = 1_000;
/// A message of the history.
const MESSAGE: u64 = 150;
/// A word of a passage, in the languages that need the most for it.
const WORD: u64 = 2;
/// Bytes of a text that are one token or less: three letters of English, one of Hindi.
const BYTES: u64 = 3;

/// The room that the settings give to a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    /// Messages of history.
    pub(crate) messages: u32,
    /// Passages of knowledge.
    pub(crate) passages: usize,
    /// Words of a passage.
    pub(crate) words: usize,
    /// Characters of an answer.
    pub(crate) characters: u32,
}

/// The tokens of a turn at most, by what is known of its bot.
pub(crate) fn tokens(question: &str, bot: Option<&Bot>, room: &Room) -> u64 {
    let limits = bot.map(|bot| &bot.limits);
    let narrowed = |own: Option<u32>, most: u32| u64::from(own.map_or(most, |own| own.min(most)));
    let messages = narrowed(
        limits.and_then(|limits| limits.history_messages),
        room.messages,
    );
    // A character is rarely more than a token.
    let characters = narrowed(
        limits.and_then(|limits| limits.answer_characters),
        room.characters,
    );
    let completion = limits
        .and_then(|limits| limits.completion_tokens)
        .map_or(characters, |most| characters.min(u64::from(most)));
    let persona = bot.map_or(PERSONA, |bot| text(&bot.persona));
    let passages = (room.passages as u64)
        .saturating_mul(room.words as u64)
        .saturating_mul(WORD);
    [
        INSTRUCTIONS,
        persona,
        text(question),
        messages.saturating_mul(MESSAGE),
        passages,
        completion,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

fn text(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES)
}

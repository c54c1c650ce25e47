//! One sentence as it is said: plain text on one line, its wording untouched. Must not know where a
//! sentence ends or which voice says it.
//!
//! Sentences are cut before they come here, so a mark may open in one and close in the next: every rule
//! takes a mark without its partner. The rules run until nothing changes any more, since one uncovers
//! work for another (`&lt;b&gt;`); that makes the result stable.
//!
//! Choices: an address of the web is said as its host's name ("example.com"), an image as its
//! alternative text, a link as its text, an e-mail address as it is. The number of a list item is kept:
//! listeners are told of "step 2", and a number at a sentence's beginning may be a date.

mod blocks;
mod brackets;
mod marks;
mod markup;
mod pictures;
mod space;

/// Passes after which what is still uncovered is taken for nonsense.
const MAX_PASSES: usize = 8;
/// Stands where something was left out, until white space is tidied.
const LEFT_OUT: char = '\u{1}';

/// What is to be said of one sentence: plain text on one line, empty when there is nothing to say.
/// `speakable(&speakable(text))` is `speakable(text)`.
#[must_use]
pub fn speakable(text: &str) -> String {
    let mut said = pass(text);
    for _ in 0..MAX_PASSES {
        let next = pass(&said);
        if next == said {
            return said;
        }
        said = next;
    }
    // Markup nested deeper than anybody writes it: without its marks it is words.
    let mut said: String = said.chars().filter(|c| !is_markup(*c)).collect();
    loop {
        let next = pass(&said);
        if next.len() >= said.len() {
            return next;
        }
        said = next;
    }
}

fn is_markup(c: char) -> bool {
    matches!(
        c,
        '<' | '>' | '[' | ']' | '*' | '_' | '~' | '`' | '&' | '\\' | '|' | '#' | ':' | '!'
    )
}

/// Every rule once. Rules that find none of their marks leave the text alone.
fn pass(text: &str) -> String {
    let mut text = space::without_controls(text);
    for rule in [
        blocks::without_code_blocks,
        markup::without_client_tags,
        markup::without_html,
        markup::with_entities_decoded,
        blocks::without_line_marks,
        brackets::without_links,
        brackets::with_plain_addresses,
        marks::without_escapes,
        marks::without_emphasis,
        pictures::without_emoji,
    ] {
        if let Some(changed) = rule(&text) {
            text = changed;
        }
    }
    space::tidied(&text)
}

#[cfg(test)]
mod tests;

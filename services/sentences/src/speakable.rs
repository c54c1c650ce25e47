//! What is to be said of a sentence as it was written: markup, addresses and pictures are left out or put
//! into words, by one rule each; everything else stays as it is, numbers, prices and abbreviations too, which
//! engines read well. Sentences are cut before they come here, so that emphasis may open in one and close in
//! the next: no rule needs a pair. Pure functions.

mod addresses;
mod html;
mod markdown;
mod pictures;
mod tags;

use std::borrow::Cow;

/// The plain text of one sentence, in one line; empty when there is nothing to say. What is speakable already
/// stays as it is.
pub fn speakable(text: &str) -> String {
    let mut said = Cow::Borrowed(text);
    loop {
        let next = once(&said);
        // Leaving one thing out may bring another together, and every round only leaves out.
        if next.len() >= said.len() {
            return if has_words(&next) { next } else { String::new() };
        }
        said = Cow::Owned(next);
    }
}

/// The plain text of a row of a table: its cells with commas between. The row under a table's head says nothing.
pub(crate) fn row(text: &str) -> String {
    let cells = text.trim().trim_matches('|').split('|');
    let said: Vec<String> = cells
        .map(speakable)
        .filter(|cell| !cell.is_empty())
        .collect();
    said.join(", ")
}

/// Every rule, in order: what may hide other markup first.
fn once(text: &str) -> String {
    let text = tags::left_out(text);
    let text = html::left_out(&text);
    let text = html::decoded(&text);
    let text = markdown::line_marks_left_out(&text);
    let text = markdown::links_to_words(&text);
    let text = markdown::footnotes_left_out(&text);
    let text = addresses::to_hosts(&text);
    let text = markdown::emphasis_left_out(&text);
    let text = pictures::left_out(&text);
    in_one_line(&text)
}

/// White space becomes single spaces, and none stands before what closes a clause.
fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let closes = word.chars().all(|mark| matches!(mark, ',' | '.' | '।'));
        if !line.is_empty() && !closes {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Something in it can be said: a letter, a digit, a sign for money.
fn has_words(text: &str) -> bool {
    text.chars()
        .any(|character| character.is_alphanumeric() || matches!(character, '₹' | '$' | '€' | '£' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_prices_and_abbreviations_stay_as_they_are() {
        for text in [
            "It costs ₹1,234.56, or 3.5 % less.",
            "Dr. Rao comes at 10.30 a.m. on 12/05/2026.",
            "5 * 3 is 15 and 2 < 3.",
            "snake_case stays, and me_too@example.com too.",
        ] {
            assert_eq!(speakable(text), text);
        }
    }

    #[test]
    fn marks_alone_say_nothing() {
        for text in ["", " \n", "---", "***", "…", "🎉", "**", "[1]", "|---|:-:|"] {
            assert_eq!(speakable(text), "", "{text}");
        }
    }

    #[test]
    fn rows_are_read_cell_by_cell() {
        assert_eq!(row("| Plan | **Price** | ✅ |\n"), "Plan, Price");
        assert_eq!(row("|---|:--:|\n"), "");
    }
}

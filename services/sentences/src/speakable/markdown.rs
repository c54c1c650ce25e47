//! Markdown in a sentence: marks of a line, links and pictures, footnotes, emphasis.

use std::borrow::Cow;

/// What a line begins with is not said: `#`, `>`, bullets, boxes to tick. A list's number is.
pub(super) fn line_marks_left_out(text: &str) -> Cow<'_, str> {
    let mut rest = text.trim_start();
    loop {
        let before = rest;
        for mark in ["[ ] ", "[x] ", "[X] ", "- ", "+ ", "* ", "• "] {
            rest = rest.strip_prefix(mark).unwrap_or(rest).trim_start();
        }
        rest = rest.strip_prefix('>').unwrap_or(rest).trim_start();
        let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
        if (1..=6).contains(&hashes) && rest[hashes..].starts_with([' ', '\t']) {
            rest = rest[hashes..].trim_start();
        }
        if rest == before {
            return Cow::Borrowed(rest);
        }
    }
}

/// Links are said by their words, pictures by what they show: `[words](address)`, `[words][ref]`,
/// `![words](address)`.
pub(super) fn links_to_words(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('[') {
        let link = &rest[place..];
        let Some((words, length)) = link_words(link) else {
            said.push_str(&rest[..=place]);
            rest = &link[1..];
            continue;
        };
        let before = &rest[..place];
        said.push_str(before.strip_suffix('!').unwrap_or(before));
        said.push_str(words);
        rest = &link[length..];
    }
    said.push_str(rest);
    Cow::Owned(said)
}

/// The words of the link that `text` begins with, and its length.
fn link_words(text: &str) -> Option<(&str, usize)> {
    let close = text.find(']')?;
    let words = &text[1..close];
    if words.contains('[') {
        return None;
    }
    let target = &text[close + 1..];
    let end = match target.chars().next()? {
        '(' => closing_bracket(target)?,
        '[' => target.find(']')?,
        _ => return None,
    };
    Some((words, close + 1 + end + 1))
}

/// The bracket that closes the one that `text` begins with; addresses may hold pairs of their own.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (place, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(place),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `[1]`, `[^note]` are left out.
pub(super) fn footnotes_left_out(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('[') {
        let (before, mark) = rest.split_at(place);
        said.push_str(before);
        let inside = mark.find(']').map(|close| &mark[1..close]);
        match inside {
            Some(inside) if is_footnote(inside) => rest = &mark[inside.len() + 2..],
            _ => {
                said.push('[');
                rest = &mark[1..];
            }
        }
    }
    said.push_str(rest);
    Cow::Owned(said)
}

fn is_footnote(inside: &str) -> bool {
    let is_number = !inside.is_empty() && inside.len() <= 3 && inside.bytes().all(|byte| byte.is_ascii_digit());
    is_number || (inside.starts_with('^') && !inside.contains(char::is_whitespace))
}

/// `*`, `_`, `~~` and backticks around words are left out, each on its own. A star between spaces or digits,
/// and an underscore inside a word, stay.
pub(super) fn emphasis_left_out(text: &str) -> Cow<'_, str> {
    if !text.contains(['*', '_', '~', '`']) {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    let mut rest = text;
    while let Some(mark) = rest.chars().next() {
        let run = rest.chars().take_while(|next| *next == mark).count();
        let (marks, after) = rest.split_at(run * mark.len_utf8());
        let next = after.chars().next();
        let stays = match mark {
            '`' => false,
            '*' => run == 1 && (is_space(before) && is_space(next) || is_digit(before) && is_digit(next)),
            '_' => is_word(before) && is_word(next),
            '~' => run == 1,
            _ => true,
        };
        if stays {
            said.push_str(marks);
        }
        before = Some(mark);
        rest = after;
    }
    Cow::Owned(said)
}

fn is_space(character: Option<char>) -> bool {
    character.is_some_and(char::is_whitespace)
}

fn is_digit(character: Option<char>) -> bool {
    character.is_some_and(char::is_numeric)
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_line_are_left_out() {
        for (line, said) in [
            ("## Prices", "Prices"),
            ("> > quoted", "quoted"),
            ("- [x] done", "done"),
            ("* one", "one"),
            ("1. first", "1. first"),
            ("#hashtag", "#hashtag"),
            ("-5 degrees", "-5 degrees"),
        ] {
            assert_eq!(line_marks_left_out(line), said);
        }
    }

    #[test]
    fn links_are_their_words() {
        for (link, said) in [
            ("see [our page](https://a.b/c_(d)) now", "see our page now"),
            ("![a cat](cat.png) sits", "a cat sits"),
            ("[words][1]", "words"),
            ("[not a link] here", "[not a link] here"),
            ("[open](https://a.b", "[open](https://a.b"),
        ] {
            assert_eq!(links_to_words(link), said);
        }
    }

    #[test]
    fn footnotes_are_left_out() {
        assert_eq!(footnotes_left_out("So it is[12].[^a] [b]"), "So it is. [b]");
    }

    #[test]
    fn emphasis_is_left_out_paired_or_not() {
        for (text, said) in [
            ("**bold** and *light*", "bold and light"),
            ("ends here.**", "ends here."),
            ("__init__ and snake_case", "init and snake_case"),
            ("5 * 3 and 2*3", "5 * 3 and 2*3"),
            ("`code` and ~~gone~~ and ~5", "code and gone and ~5"),
        ] {
            assert_eq!(emphasis_left_out(text), said);
        }
    }
}

//! HTML in an answer: tags, comments, scripts, entities.

use std::borrow::Cow;

/// Elements whose content is for machines.
const SILENT: [&str; 2] = ["script", "style"];

/// Tags and comments are not said, and neither is what scripts and styles hold. A `<` that opens none stays.
pub(super) fn left_out(text: &str) -> Cow<'_, str> {
    if !text.contains('<') {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('<') {
        said.push_str(&rest[..place]);
        rest = &rest[place..];
        match markup(rest) {
            Some(length) => {
                rest = &rest[length..];
                // Words on both sides of a tag stay two: "one<br>two".
                said.push(' ');
            }
            None => {
                said.push('<');
                rest = &rest[1..];
            }
        }
    }
    said.push_str(rest);
    Cow::Owned(said)
}

/// The length of the markup that `text` begins with.
fn markup(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("<!--") {
        return Some(inside.find("-->").map_or(text.len(), |end| end + 7));
    }
    let name = text[1..].trim_start_matches('/');
    let begins_name = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if !begins_name && !text.starts_with("<!") {
        return None;
    }
    // `<https://…>` and `<me@example.com>` are addresses, which are said.
    let close = text.find('>')?;
    let inside = &text[1..close];
    if inside.contains("://") && !inside.contains([' ', '=']) || is_mail(inside) {
        return None;
    }
    let element = inside.split([' ', '\t', '\n', '/']).next().unwrap_or_default();
    let silent = SILENT
        .iter()
        .find(|silent| element.eq_ignore_ascii_case(silent));
    let Some(element) = silent else {
        return Some(close + 1);
    };
    let end = format!("</{element}>");
    let content = text.as_bytes().windows(end.len());
    Some(
        content
            .enumerate()
            .find(|(_, window)| window.eq_ignore_ascii_case(end.as_bytes()))
            .map_or(text.len(), |(place, _)| place + end.len()),
    )
}

fn is_mail(text: &str) -> bool {
    text.contains('@') && !text.contains(char::is_whitespace)
}

/// Entities become the characters they stand for.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    html_escape::decode_html_entities(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_left_out_and_words_stay_apart() {
        assert_eq!(left_out("one<br/>two"), "one two");
        assert_eq!(left_out("<b class=\"x\">bold</b>"), " bold ");
        assert_eq!(left_out("a<!-- b -->c<!-- d"), "a c ");
        assert_eq!(left_out("<script>var x;</SCRIPT>said"), " said");
    }

    #[test]
    fn what_is_no_tag_stays() {
        for text in ["2 < 3", "a <= b", "x <3", "<me@example.com>", "a < b > c"] {
            assert_eq!(left_out(text), text);
        }
    }

    #[test]
    fn entities_are_characters() {
        assert_eq!(decoded("Tom &amp; Jerry &#8377;5 &lt;b"), "Tom & Jerry ₹5 <b");
    }
}

//! Tags: the client's own, HTML, entities. Must not know Markdown.

use crate::html::{Step, TagScanner};

use super::LEFT_OUT;

const CLIENT_TAGS: [&str; 2] = ["[suggestions:", "[kbq:"];

/// `[SUGGESTIONS: …]` and `[KBQ: …]` are left out, also when they do not end.
pub(super) fn without_client_tags(text: &str) -> Option<String> {
    let small = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut at = 0;
    while let Some(start) = CLIENT_TAGS
        .iter()
        .filter_map(|tag| small[at..].find(tag))
        .min()
    {
        out.push_str(&text[at..at + start]);
        out.push(LEFT_OUT);
        at = small[at + start..]
            .find(']')
            .map_or(text.len(), |end| at + start + end + 1);
    }
    (at > 0).then(|| out + &text[at..])
}

/// Tags go, comments, scripts and styles with all they hold. A tag within a word parts nothing, one of a
/// block parts words. What no tag can be ("2 < 3") stays; addresses in angle brackets lose those.
pub(super) fn without_html(text: &str) -> Option<String> {
    if !text.contains('<') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match element(rest) {
            Some((end, parts)) => {
                if parts {
                    out.push(LEFT_OUT);
                }
                &rest[end..]
            }
            None => match autolink(rest) {
                Some(address) => {
                    out.push_str(address);
                    &rest[address.len() + 2..]
                }
                None => {
                    out.push('<');
                    &rest[1..]
                }
            },
        };
    }
    Some(out + rest)
}

/// The length of the element, comment or tag at the beginning of `text`, and whether it parts words.
fn element(text: &str) -> Option<(usize, bool)> {
    let mut scanner = TagScanner::new();
    for (at, c) in text.char_indices().skip(1) {
        let end = at + c.len_utf8();
        match scanner.step(c) {
            Step::More => {}
            Step::Not => return None,
            Step::Comment => return Some((until(text, end, "-->"), true)),
            Step::Done => {
                return Some(match scanner.hidden_until() {
                    Some(closing) => (until(text, end, closing), true),
                    None => (end, scanner.is_block()),
                });
            }
        }
    }
    scanner.is_tag_cut_short().then_some((text.len(), true))
}

/// Behind the next `closing` in `text` from `from`, without regard to capitals; the text's end if there
/// is none.
fn until(text: &str, from: usize, closing: &str) -> usize {
    text.as_bytes()[from..]
        .windows(closing.len())
        .position(|window| window.eq_ignore_ascii_case(closing.as_bytes()))
        .map_or(text.len(), |at| from + at + closing.len())
}

/// The address in `<https://…>` or `<a@b.de>`.
fn autolink(text: &str) -> Option<&str> {
    let inner = &text[1..];
    let end = inner.find(|c: char| c == '<' || c == '>' || c.is_whitespace())?;
    let address = &inner[..end];
    (inner[end..].starts_with('>') && (address.contains("://") || address.contains('@')))
        .then_some(address)
}

/// `&amp;`, `&#8377;` and the other entities become their characters.
pub(super) fn with_entities_decoded(text: &str) -> Option<String> {
    if !text.contains('&') {
        return None;
    }
    Some(html_escape::decode_html_entities(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_tags_are_left_out_also_when_they_do_not_end() {
        let without = |text| without_client_tags(text).unwrap();
        assert_eq!(without("Bye. [SUGGESTIONS: a? | b] x"), "Bye. \u{1} x");
        assert_eq!(without("Bye. [kbq: price"), "Bye. \u{1}");
        assert_eq!(without("ä[KBQ:é]ü[KBQ:]"), "ä\u{1}ü\u{1}");
        assert_eq!(without_client_tags("[SUGGEST]"), None);
    }

    #[test]
    fn html_goes_and_comparisons_stay() {
        for (text, expected) in [
            ("<b>bo</b>ld", "bold"),
            ("a<br/>b", "a\u{1}b"),
            ("a <!-- x > y --> b", "a \u{1} b"),
            ("a<script>x < 1</SCRIPT>b", "a\u{1}b"),
            ("a<style>p{}", "a\u{1}"),
            ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
            (
                "see <https://a.b/c> or <a_b@c.de>",
                "see https://a.b/c or a_b@c.de",
            ),
            (r#"cut <a href="https://a"#, "cut \u{1}"),
            ("i <3 you", "i <3 you"),
        ] {
            assert_eq!(without_html(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn entities_become_their_characters() {
        assert_eq!(
            with_entities_decoded("Q&amp;A &#8377;500 &eacute;").unwrap(),
            "Q&A ₹500 é"
        );
        assert_eq!(with_entities_decoded("R&D").unwrap(), "R&D");
    }
}

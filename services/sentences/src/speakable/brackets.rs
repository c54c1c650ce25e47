//! Links, images, footnote marks and bare addresses. Must not know emphasis.

use super::LEFT_OUT;

/// Longest name of a link that is defined elsewhere, `[text][name]`, in bytes.
const MAX_REFERENCE: usize = 80;

/// Links and images become their texts, footnote marks go. A link that opened in another sentence loses
/// its target.
pub(super) fn without_links(text: &str) -> Option<String> {
    if !text.contains(']') && !text.contains("](") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut open: Vec<usize> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', ']']) {
        out.push_str(&rest[..at]);
        let is_opening = rest[at..].starts_with('[');
        rest = &rest[at + 1..];
        if is_opening {
            open.push(out.len());
            out.push('[');
            continue;
        }
        let start = open.pop();
        let target = target_length(rest);
        match (start, target) {
            (Some(start), Some(length)) => {
                unwrap(&mut out, start);
                rest = &rest[length..];
            }
            (None, Some(length)) => rest = &rest[length..],
            (Some(start), None) if is_footnote(&out[start + 1..]) => {
                out.truncate(start);
                out.push(LEFT_OUT);
            }
            (Some(start), None) => match reference_length(rest) {
                Some(length) => {
                    unwrap(&mut out, start);
                    rest = &rest[length..];
                }
                None => out.push(']'),
            },
            (None, None) => out.push(']'),
        }
    }
    Some(out + rest)
}

/// Takes the bracket at `start` away, and an image's mark before it.
fn unwrap(out: &mut String, start: usize) {
    out.remove(start);
    if out[..start].ends_with('!') {
        out.remove(start - 1);
    }
}

/// The length of a link's target in round brackets; white space in it only before a quoted title.
fn target_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('(')?;
    let mut depth = 0_usize;
    let mut quote = None;
    let mut spaced = false;
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), _) => {}
            (None, ')') if depth == 0 => return Some(at + 2),
            (None, ')') => depth -= 1,
            (None, '(') => depth += 1,
            (None, _) if c.is_whitespace() => spaced = true,
            (None, '"' | '\'') if spaced => quote = Some(c),
            (None, _) if spaced => return None,
            (None, _) => {}
        }
    }
    // The text ended within it.
    (!spaced && inner.contains("://")).then_some(text.len())
}

/// The length of a link's name in a second pair of brackets.
fn reference_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    (end <= MAX_REFERENCE && inner[end..].starts_with(']') && !is_footnote(&inner[..end]))
        .then_some(end + 2)
}

/// `1`, `^1`, `^note`, `1, 2`, `3-5`: what stands in a footnote mark.
fn is_footnote(inner: &str) -> bool {
    if let Some(note) = inner.strip_prefix('^') {
        return !note.is_empty() && !note.contains(char::is_whitespace);
    }
    inner.contains(|c: char| c.is_ascii_digit())
        && inner
            .split([',', '-', '–', ' '])
            .all(|number| number.len() <= 3 && number.chars().all(|c| c.is_ascii_digit()))
}

/// Addresses of the web become their host's name, without "www."; `mailto:` and `tel:` go.
pub(super) fn with_plain_addresses(text: &str) -> Option<String> {
    if !text.contains([':', 'w', 'W']) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at_word = !out.ends_with(char::is_alphanumeric);
        if at_word && let Some((length, plain)) = address(rest) {
            match plain {
                "" => out.push(LEFT_OUT),
                _ => out.push_str(plain),
            }
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(out)
}

/// The length of the address at the beginning of `text`, and what is said of it.
fn address(text: &str) -> Option<(usize, &str)> {
    for prefix in ["mailto:", "tel:"] {
        if starts_with(text, prefix) && !text[prefix.len()..].starts_with(char::is_whitespace) {
            return Some((prefix.len(), "")).filter(|_| text.len() > prefix.len());
        }
    }
    let scheme = scheme_length(text);
    if scheme == 0 && !starts_with(text, "www.") {
        return None;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || ends_address(c))
        .unwrap_or(text.len());
    let whole = &text[..end];
    let mut whole = whole.trim_end_matches(is_trailing);
    // A closing bracket is the address's own when it opened there.
    if !whole.contains('(') {
        whole = whole.split(')').next().unwrap_or(whole);
        whole = whole.trim_end_matches(is_trailing);
    }
    if whole.len() < scheme {
        return Some((scheme, ""));
    }
    let authority = whole[scheme..]
        .split(['/', '?', '#', '\\'])
        .next()
        .unwrap_or_default();
    let mut host = authority.rsplit('@').next().unwrap_or_default();
    host = host.split(':').next().unwrap_or_default();
    while starts_with(host, "www.") {
        host = &host[4..];
    }
    Some((whole.len(), host))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The length of `https://` and the like.
fn scheme_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
        .filter(|at| text[*at..].starts_with("://"))
        .map_or(0, |at| at + 3)
}

/// What no address holds.
fn ends_address(c: char) -> bool {
    matches!(
        c,
        '<' | '>' | '"' | '`' | '|' | '^' | '{' | '}' | '[' | ']' | LEFT_OUT
    ) || crate::class::ender(c) == Some(crate::class::Ender::Final)
        || (!c.is_ascii() && (crate::class::is_closing_quote(c) || crate::class::is_emoji(c)))
}

/// Marks at the end of an address that belong to the sentence.
fn is_trailing(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '…' | '\\'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_images_become_their_texts() {
        for (text, expected) in [
            ("[our page](https://a.b/c?d=1)", "our page"),
            ("[a](https://en.org/X_(y)) b", "a b"),
            (r#"[a](/b "The title. More") c"#, "a c"),
            ("![a chart](x.png) shows", "a chart shows"),
            ("[![logo](l.png)](https://a.b)", "logo"),
            ("[text][ref] x", "text x"),
            ("Read more](https://a.b) now", "Read more now"),
            ("[the rest](https://a.b/c", "the rest"),
            ("[an aside] (really)", "[an aside] (really)"),
            ("[a](not a link)", "[a](not a link)"),
        ] {
            assert_eq!(without_links(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn footnote_marks_go() {
        for (text, expected) in [
            ("fact[1].", "fact\u{1}."),
            ("fact[^note] [1, 2]", "fact\u{1} \u{1}"),
            ("[2024] [a]", "[2024] [a]"),
        ] {
            assert_eq!(without_links(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_said_as_their_hosts() {
        for (text, expected) in [
            ("See https://www.example.com/a?b=1.", "See example.com."),
            ("(www.example.in/offers)", "(example.in)"),
            ("http://user:x@a.b:8080/c।", "a.b।"),
            ("mailto:a_b@c.de", "\u{1}a_b@c.de"),
            ("wow www. then", "wow www. then"),
            ("file:///etc", "\u{1}"),
            ("note: 10:30", "note: 10:30"),
        ] {
            assert_eq!(with_plain_addresses(text).unwrap(), expected, "{text}");
        }
    }
}

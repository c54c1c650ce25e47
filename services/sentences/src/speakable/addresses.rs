//! Addresses of the web: nobody wants to hear a path and a query.

use std::borrow::Cow;

const SCHEMES: [&str; 2] = ["https://", "http://"];

/// An address is said by its host: `https://www.example.com/a?b=c` becomes "example.com". E-mail addresses
/// stay as they are: engines read them.
pub(super) fn to_hosts(text: &str) -> Cow<'_, str> {
    let Some((begins, scheme)) = first(text) else {
        return Cow::Borrowed(text);
    };
    let address = &text[begins + scheme..];
    let end = address
        .find(|character: char| character.is_whitespace() || matches!(character, '>' | '"' | '<' | '`'))
        .unwrap_or(address.len());
    // What closes a sentence or a bracket is no part of the address.
    let whole = address[..end].trim_end_matches(['.', ',', '!', '?', ';', ':', ')', ']', '*', '_', '”', '’', '\'', '।']);
    let host = whole.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    let after = &address[whole.len()..];
    let before = text[..begins].strip_suffix('<').unwrap_or(&text[..begins]);
    let after = if before.len() < begins {
        after.strip_prefix('>').unwrap_or(after)
    } else {
        after
    };
    Cow::Owned(format!("{before}{host}{}", to_hosts(after)))
}

/// Where the first address begins, and the length of what is not its host.
fn first(text: &str) -> Option<(usize, usize)> {
    let found = SCHEMES.iter().filter_map(|scheme| {
        let begins = text
            .as_bytes()
            .windows(scheme.len())
            .position(|window| window.eq_ignore_ascii_case(scheme.as_bytes()))?;
        Some((begins, scheme.len()))
    });
    found.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_host() {
        for (text, said) in [
            ("See https://www.example.com/a/b?c=d#e.", "See example.com."),
            ("(http://docs.example.com:8080/x)", "(docs.example.com)"),
            ("<https://example.com>", "example.com"),
            ("a https://b.c/d and HTTPS://e.f", "a b.c and e.f"),
            ("Write to me@example.com.", "Write to me@example.com."),
        ] {
            assert_eq!(to_hosts(text), said);
        }
    }
}

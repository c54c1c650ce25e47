//! What proxies write about whom they ask for: the elements of `Forwarded` (RFC 7239) and of the `X-Forwarded-` headers,
//! from the right. It must not know whom to believe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderValue, header::GetAll};

use super::Entry;

/// The elements of a list, the last of the last line first; lines of one name are one list. Empty elements are none.
///
/// Read from the right because there stands what is believed: whatever a client wrote into its own part, such as a
/// quotation mark that nothing closes, cannot reach over what the proxies appended.
pub(super) struct FromRight<'a> {
    lines: Vec<&'a [u8]>,
    rest: &'a [u8],
    /// Commas within quotation marks do not part elements.
    quotes: bool,
}

impl<'a> FromRight<'a> {
    pub(super) fn new(lines: GetAll<'a, HeaderValue>, quotes: bool) -> Self {
        Self {
            lines: lines.iter().map(HeaderValue::as_bytes).collect(),
            rest: &[],
            quotes,
        }
    }

    /// Where the last element begins.
    fn start(&self) -> usize {
        let mut quoted = false;
        for (at, byte) in self.rest.iter().enumerate().rev() {
            match byte {
                b'"' if self.quotes && !is_escaped(self.rest, at) => quoted = !quoted,
                b',' if !quoted => return at + 1,
                _ => {}
            }
        }
        0
    }
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.rest.is_empty() {
                self.rest = self.lines.pop()?;
            }
            let start = self.start();
            let element = self.rest[start..].trim_ascii();
            self.rest = &self.rest[..start.saturating_sub(1)];
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// Whether an odd number of backslashes stands before it.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let slashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\');
    slashes.count() % 2 == 1
}

/// An element of `X-Forwarded-For`: an address, in brackets or not, with a port or without.
pub(super) fn plain(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let address = text.parse().ok().or_else(|| node(text));
    address.as_ref().map(IpAddr::to_canonical)
}

/// An element of `X-Forwarded-Proto`, or `proto=` of `Forwarded`.
pub(super) fn scheme(element: &[u8]) -> Option<bool> {
    [("https", true), ("http", false)]
        .into_iter()
        .find(|(name, _)| element.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, secure)| secure)
}

/// An element of `Forwarded`: pairs with semicolons between, each name once. One that is malformed says nothing.
pub(super) fn element(text: &[u8]) -> Entry {
    std::str::from_utf8(text)
        .ok()
        .and_then(pairs)
        .unwrap_or_default()
}

fn pairs(text: &str) -> Option<Entry> {
    let mut entry = Entry::default();
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_ascii().to_ascii_lowercase();
        if !is_token(&name) || names.contains(&name) {
            return None;
        }
        let (value, after) = value(after.trim_ascii_start())?;
        match name.as_str() {
            "for" => entry.address = node(&value).map(|address| address.to_canonical()),
            "proto" => entry.https = scheme(value.as_bytes()),
            _ => {}
        }
        names.push(name);
        let after = after.trim_ascii();
        if after.is_empty() {
            return Some(entry);
        }
        rest = after.strip_prefix(';')?.trim_ascii_start();
        if rest.is_empty() {
            return Some(entry);
        }
    }
}

/// A token or a quoted text, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (token, after) = text.split_at(end);
        // Stricter clients quote an address with a port, others do not; both mean the same.
        let is_known = !token.is_empty() && !token.contains(['"', '\\', '=']);
        return is_known.then(|| (token.to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

fn is_token(name: &str) -> bool {
    let mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
}

/// `192.0.2.43`, `192.0.2.43:47011`, `[2001:db8::17]:4711`; `None` of `unknown` and of names that hide somebody.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let is_whole = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return is_whole.then_some(IpAddr::V6(address));
    }
    let (address, port) = match text.split_once(':') {
        Some((address, port)) => (address, Some(port)),
        None => (text, None),
    };
    let address: Ipv4Addr = address.parse().ok()?;
    port.is_none_or(is_port).then_some(IpAddr::V4(address))
}

/// A number, or a name in its place that hides it.
fn is_port(text: &str) -> bool {
    let hidden = |text: &str| {
        let mark = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !text.is_empty() && text.bytes().all(mark)
    };
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || text.strip_prefix('_').is_some_and(hidden)
}

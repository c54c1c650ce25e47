//! Entity tags: of a revision, and of an answer's bytes. It must not know what is tagged.

use http::{
    HeaderMap, HeaderValue,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use sha2::{Digest as _, Sha256};

use crate::{body::wrong, problem::Problem};

/// Bytes of the hash that a tag is made of.
const HASHED: usize = 16;

/// The tag of a revision: `"7"`.
pub(crate) fn of_revision(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// The tag of an answer: 128 bits of its SHA-256.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("\"{}\"", hex::encode(&hash[..HASHED]))
}

/// A tag as a header's value.
pub(crate) fn value(tag: &str) -> HeaderValue {
    // Tags of ours are digits in quotes.
    HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether the client has the answer of that tag already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// The revision that a change is made on, as `If-Match` and the request itself name it.
///
/// # Errors
/// When the header is no revision, or names another one than the request.
pub(crate) fn expected(headers: &HeaderMap, given: Option<u64>) -> Result<Option<u64>, Problem> {
    let mut sent = headers.get_all(IF_MATCH).iter();
    let Some(tag) = sent.next() else {
        return Ok(given);
    };
    let revision = tag
        .to_str()
        .ok()
        .and_then(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"'))
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|_| sent.next().is_none());
    match (revision, given) {
        (None, _) => Err(wrong(
            "If-Match",
            "any.only",
            "If-Match must be one revision, such as \"7\"",
        )),
        (Some(tagged), Some(given)) if tagged != given => Err(wrong(
            "If-Match",
            "any.only",
            "If-Match and expectedRevision must name the same revision",
        )),
        (tagged, _) => Ok(tagged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(tag: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static(tag))])
    }

    #[test]
    fn the_revision_comes_from_the_header_or_the_request() {
        assert_eq!(expected(&HeaderMap::new(), None).unwrap(), None);
        assert_eq!(expected(&HeaderMap::new(), Some(7)).unwrap(), Some(7));
        assert_eq!(expected(&matching("\"7\""), None).unwrap(), Some(7));
        assert_eq!(expected(&matching("\"7\""), Some(7)).unwrap(), Some(7));
        assert!(expected(&matching("\"7\""), Some(8)).is_err());
        for tag in [
            "7",
            "*",
            "W/\"7\"",
            "\"7\", \"8\"",
            "\"\"",
            "\"+7\"",
            "\"99999999999999999999\"",
        ] {
            assert!(expected(&matching(tag), None).is_err(), "{tag}");
        }
    }

    #[test]
    fn an_answer_that_is_known_is_recognised() {
        let tag = of_bytes(b"{}");
        let known = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            is_known(&HeaderMap::from_iter([(IF_NONE_MATCH, value)]), &tag)
        };
        assert!(known(&tag));
        assert!(known(&format!("W/{tag}")));
        assert!(known(&format!("\"a\", {tag}")));
        assert!(known("*"));
        assert!(!known("\"a\""));
        assert!(!is_known(&HeaderMap::new(), &tag));
        assert_ne!(tag, of_bytes(b"[]"));
    }
}

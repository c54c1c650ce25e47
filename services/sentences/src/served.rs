//! The languages that are served, and which of them a tag means. Source: the language list that existing
//! clients rely on.

/// BCP 47 tags of the served languages.
pub const LANGUAGES: [&str; 14] = [
    "en-IN", "hi-IN", "bn-IN", "ta-IN", "te-IN", "mr-IN", "gu-IN", "kn-IN", "ml-IN", "pa-IN",
    "en-US", "es-ES", "fr-FR", "de-DE",
];

/// What a visitor gets who names none.
pub const DEFAULT: &str = "en-IN";

/// The served language that a tag means: itself in any case, or the first one of its primary subtag
/// ("hi" → "hi-IN"). `None` when it is not served.
#[must_use]
pub fn resolve(tag: &str) -> Option<&'static str> {
    let tag = tag.trim();
    let same = |served: &&&str| served.eq_ignore_ascii_case(tag);
    let same_primary = |served: &&&str| primary(served).eq_ignore_ascii_case(tag);
    LANGUAGES
        .iter()
        .find(same)
        .or_else(|| LANGUAGES.iter().find(same_primary))
        .copied()
}

/// The served language nearest to a tag of any region ("es-MX" → "es-ES"); `None` when there is none.
#[must_use]
pub fn nearest(tag: &str) -> Option<&'static str> {
    resolve(tag).or_else(|| resolve(primary(tag.trim())))
}

/// The language without its region: "hi" of "hi-IN".
#[must_use]
pub fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_resolve_in_any_case_and_by_their_primary_subtag() {
        assert_eq!(resolve("hi-in"), Some("hi-IN"));
        assert_eq!(resolve("en"), Some("en-IN"));
        assert_eq!(resolve("de"), Some("de-DE"));
        assert_eq!(resolve("xx"), None);
        assert_eq!(resolve(""), None);
        assert_eq!(resolve("es-MX"), None);
    }

    #[test]
    fn a_language_of_another_region_has_a_nearest() {
        assert_eq!(nearest("es-MX"), Some("es-ES"));
        assert_eq!(nearest("HI_in"), Some("hi-IN"));
        assert_eq!(nearest("ja-JP"), None);
        assert_eq!(nearest(""), None);
    }
}

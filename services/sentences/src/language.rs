//! The languages that are served. Source: the language list that existing clients rely on.

/// BCP 47 tags of the served languages.
pub const SERVED: [&str; 14] = [
    "en-IN", "hi-IN", "bn-IN", "ta-IN", "te-IN", "mr-IN", "gu-IN", "kn-IN", "ml-IN", "pa-IN",
    "en-US", "es-ES", "fr-FR", "de-DE",
];

/// What a visitor gets who names none.
pub const DEFAULT: &str = "en-IN";

/// The served language that a tag means: itself in any case, or the first one of its primary subtag
/// ("hi" → "hi-IN"). `None` when it is not served.
pub fn resolve(tag: &str) -> Option<&'static str> {
    let tag = tag.trim();
    SERVED
        .iter()
        .find(|served| served.eq_ignore_ascii_case(tag))
        .or_else(|| {
            SERVED
                .iter()
                .find(|served| primary(served).eq_ignore_ascii_case(tag))
        })
        .copied()
}

/// The language without its region: "hi" of "hi-IN".
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
    }
}

//! The languages that are served. Source: the language list that existing clients rely on.

/// BCP 47 tags of the served languages.
pub const SERVED: [&str; 14] = [
    "en-IN", "hi-IN", "bn-IN", "ta-IN", "te-IN", "mr-IN", "gu-IN", "kn-IN", "ml-IN", "pa-IN",
    "en-US", "es-ES", "fr-FR", "de-DE",
];

/// What a visitor gets who names none, from a bot that has none.
pub const DEFAULT: &str = "en-IN";

/// The served language that a tag means: itself in any case, or the first one of its primary subtag
/// ("hi" → "hi-IN"). `None` when it is not served.
pub fn resolve(tag: &str) -> Option<&'static str> {
    let tag = tag.trim();
    SERVED
        .iter()
        .find(|served| served.eq_ignore_ascii_case(tag))
        .or_else(|| {
            SERVED.iter().find(|served| {
                served
                    .split('-')
                    .next()
                    .is_some_and(|primary| primary.eq_ignore_ascii_case(tag))
            })
        })
        .copied()
}

/// The served language nearest to what an existing database says of a bot ("es-MX" → "es-ES"), else the
/// default.
pub(crate) fn nearest(tag: &str) -> &'static str {
    resolve(tag)
        .or_else(|| resolve(tag.split(['-', '_']).next().unwrap_or_default()))
        .unwrap_or(DEFAULT)
}

/// The name of a served language in English, for instructions to a model.
pub(crate) fn name(tag: &str) -> &'static str {
    match tag.split('-').next().unwrap_or_default() {
        "hi" => "Hindi",
        "bn" => "Bengali",
        "ta" => "Tamil",
        "te" => "Telugu",
        "mr" => "Marathi",
        "gu" => "Gujarati",
        "kn" => "Kannada",
        "ml" => "Malayalam",
        "pa" => "Punjabi",
        "es" => "Spanish",
        "fr" => "French",
        "de" => "German",
        _ => "English",
    }
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

    #[test]
    fn a_language_that_is_not_served_becomes_the_nearest_that_is() {
        let nearest = ["hi-IN", "HI_in", "es-MX", "English", "ja-JP", ""].map(nearest);
        assert_eq!(
            nearest,
            ["hi-IN", "hi-IN", "es-ES", DEFAULT, DEFAULT, DEFAULT]
        );
    }
}

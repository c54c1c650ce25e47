//! The languages of conversations: those that are served, and what a prompt calls them.

use troika_sentences::served;
pub use troika_sentences::served::{DEFAULT, LANGUAGES as SERVED, resolve};

/// The served language nearest to what an existing database says of a bot, else the default.
pub(crate) fn nearest(tag: &str) -> &'static str {
    served::nearest(tag).unwrap_or(DEFAULT)
}

/// The name of a served language in English, for instructions to a model.
pub(crate) fn name(tag: &str) -> &'static str {
    match served::primary(tag) {
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
    fn a_language_that_is_not_served_becomes_the_nearest_that_is() {
        let nearest = ["hi-IN", "HI_in", "es-MX", "English", "ja-JP", ""].map(nearest);
        assert_eq!(
            nearest,
            ["hi-IN", "hi-IN", "es-ES", DEFAULT, DEFAULT, DEFAULT]
        );
    }
}

//! The table: which voices each language has. It must not know how names are read.
//!
//! Sources, looked up in November 2026:
//! - Chirp 3 HD: the languages of docs.cloud.google.com/text-to-speech/docs/chirp3-hd, where Punjabi is
//!   marked as a preview; "Leda" is a female voice of every one of them.
//! - WaveNet and Standard: the list of Google's voices with their genders at
//!   twilio.com/docs/voice/twiml/say/text-speech. All of these are female. Telugu has no WaveNet voice. In
//!   2025 Google replaced the letters A to E of French, German and partly Spanish with those that stand here.
//! - espeak-ng: `espeak-ng --voices` of version 1.51. It has no Indian English; its British voice
//!   ("en-gb") is the nearest.

use troika_sentences::served;

/// The names of a served language's voices, the best first.
pub(super) fn names_of(language: &str) -> &'static [&'static str] {
    match language {
        "en-IN" => &[
            "en-IN-Chirp3-HD-Leda",
            "en-IN-Wavenet-A",
            "en-IN-Standard-A",
            "espeak-en-gb",
        ],
        "hi-IN" => &[
            "hi-IN-Chirp3-HD-Leda",
            "hi-IN-Wavenet-A",
            "hi-IN-Standard-A",
            "espeak-hi",
        ],
        "bn-IN" => &[
            "bn-IN-Chirp3-HD-Leda",
            "bn-IN-Wavenet-A",
            "bn-IN-Standard-A",
            "espeak-bn",
        ],
        "ta-IN" => &[
            "ta-IN-Chirp3-HD-Leda",
            "ta-IN-Wavenet-C",
            "ta-IN-Standard-C",
            "espeak-ta",
        ],
        "te-IN" => &["te-IN-Chirp3-HD-Leda", "te-IN-Standard-A", "espeak-te"],
        "mr-IN" => &[
            "mr-IN-Chirp3-HD-Leda",
            "mr-IN-Wavenet-A",
            "mr-IN-Standard-A",
            "espeak-mr",
        ],
        "gu-IN" => &[
            "gu-IN-Chirp3-HD-Leda",
            "gu-IN-Wavenet-A",
            "gu-IN-Standard-A",
            "espeak-gu",
        ],
        "kn-IN" => &[
            "kn-IN-Chirp3-HD-Leda",
            "kn-IN-Wavenet-A",
            "kn-IN-Standard-A",
            "espeak-kn",
        ],
        "ml-IN" => &[
            "ml-IN-Chirp3-HD-Leda",
            "ml-IN-Wavenet-A",
            "ml-IN-Standard-A",
            "espeak-ml",
        ],
        "pa-IN" => &[
            "pa-IN-Chirp3-HD-Leda",
            "pa-IN-Wavenet-A",
            "pa-IN-Standard-A",
            "espeak-pa",
        ],
        "en-US" => &[
            "en-US-Chirp3-HD-Leda",
            "en-US-Wavenet-C",
            "en-US-Standard-C",
            "espeak-en-us",
        ],
        "es-ES" => &[
            "es-ES-Chirp3-HD-Leda",
            "es-ES-Wavenet-F",
            "es-ES-Standard-F",
            "espeak-es",
        ],
        "fr-FR" => &[
            "fr-FR-Chirp3-HD-Leda",
            "fr-FR-Wavenet-F",
            "fr-FR-Standard-F",
            "espeak-fr-fr",
        ],
        "de-DE" => &[
            "de-DE-Chirp3-HD-Leda",
            "de-DE-Wavenet-G",
            "de-DE-Standard-G",
            "espeak-de",
        ],
        _ => &[],
    }
}

/// The served language that a voice of espeak-ng speaks, by that voice's own lower-case name. Dialects
/// speak the language of their primary subtag, English ones that of India unless they are American.
pub(super) fn language_of_espeak(name: &str) -> Option<&'static str> {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if name.is_empty() || !name.chars().all(safe) {
        return None;
    }
    if name == "en-us" || name.starts_with("en-us-") {
        return Some("en-US");
    }
    let primary = name.split('-').next()?;
    served::resolve(primary)
}

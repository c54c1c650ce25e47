//! What a request may ask for, and what is told when it asks for something else.

use troika_chassis::error::{Code, Error, Violation};
use troika_proto::tts::v1::{AudioFormat, Manner};
use troika_sentences::served;

use crate::{
    format::Format,
    voices::{self, Voice},
};

/// Characters of a text that is spoken at once, as existing clients know it.
const MAX_CHARACTERS: usize = 5_000;

/// The speeds that engines take (Google's own bounds for Chirp 3 HD).
const RATES: std::ops::RangeInclusive<f64> = 0.25..=2.0;

/// A manner that is right.
pub(super) struct Wanted {
    pub(super) language: &'static str,
    pub(super) voice: Option<Voice>,
    pub(super) rate: f64,
}

/// Reads a manner; all its faults are told together.
pub(super) fn checked(manner: Manner) -> Result<Wanted, Error> {
    let mut violations = Vec::new();
    let language = match language_of(&manner.language) {
        Ok(language) => language,
        Err(violation) => {
            violations.push(violation);
            served::DEFAULT
        }
    };
    let voice = match manner.voice.as_str() {
        "" => None,
        name => match Voice::named(name) {
            Some(voice) if voice.language == language => Some(voice),
            Some(voice) => {
                let message = format!("voice speaks {}, not {language}", voice.language);
                violations.push(fault("voice", "any.invalid", message));
                None
            }
            None => {
                let message = "voice is not known: GET /api/tts/voices lists them";
                violations.push(fault("voice", "any.only", message));
                None
            }
        },
    };
    let rate = manner.rate.unwrap_or(1.0);
    if !RATES.contains(&rate) {
        violations.push(fault(
            "rate",
            "number.base",
            format!("rate must be from {} to {}", RATES.start(), RATES.end()),
        ));
    }
    if violations.is_empty() {
        Ok(Wanted {
            language,
            voice,
            rate,
        })
    } else {
        Err(invalid(violations))
    }
}

/// The text of a request, trimmed.
pub(super) fn text(text: &str) -> Result<&str, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(violation("text", "string.empty", "text is required"));
    }
    if text.chars().count() > MAX_CHARACTERS {
        return Err(violation(
            "text",
            "string.max",
            format!("text must be at most {MAX_CHARACTERS} characters long"),
        ));
    }
    Ok(text)
}

/// The format of a request.
pub(super) fn format(format: AudioFormat) -> Format {
    match format {
        AudioFormat::Unspecified | AudioFormat::Pcm => Format::Pcm,
        AudioFormat::Wav => Format::Wav,
        AudioFormat::Mp3 => Format::Mp3,
        AudioFormat::Opus => Format::Opus,
    }
}

/// A served language.
pub(super) fn language(tag: &str) -> Result<&'static str, Error> {
    language_of(tag).map_err(|violation| invalid(vec![violation]))
}

/// One thing that is wrong.
pub(super) fn violation(field: &str, kind: &str, message: impl Into<String>) -> Error {
    invalid(vec![fault(field, kind, message)])
}

fn language_of(tag: &str) -> Result<&'static str, Violation> {
    if tag.is_empty() {
        return Ok(served::DEFAULT);
    }
    voices::resolve(tag).ok_or_else(|| {
        let message = format!("language must be one of {}", voices::LANGUAGES.join(", "));
        fault("language", "any.only", message)
    })
}

fn fault(field: &str, kind: &str, message: impl Into<String>) -> Violation {
    Violation {
        field: field.into(),
        kind: kind.into(),
        message: message.into(),
    }
}

fn invalid(violations: Vec<Violation>) -> Error {
    let message = violations
        .iter()
        .map(|violation| violation.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    Error::new(Code::InvalidArgument, "invalid_argument", message).with_violations(violations)
}

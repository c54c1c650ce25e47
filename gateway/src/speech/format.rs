//! Which file a client wants: named in the request's body, or by its `Accept` header. It must not know how
//! files are made.

use http::{HeaderMap, header::ACCEPT};
use serde::{Deserializer, Serialize, de::Error as _};
use troika_proto::tts::v1::AudioFormat;
use utoipa::ToSchema;

use crate::request::optional_text;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// MP3, 24 kHz, mono.
    Mp3,
    /// WAV, signed 16 bit, 24 kHz, mono.
    Wav,
    /// Opus in Ogg.
    Opus,
    /// Samples alone: signed 16 bit, little-endian, 24 kHz, mono.
    Pcm,
}

impl Format {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mp3" => Self::Mp3,
            "wav" => Self::Wav,
            "opus" => Self::Opus,
            "pcm" => Self::Pcm,
            _ => return None,
        })
    }

    /// The format that a media type of an `Accept` header stands for; any audio is the default one.
    fn of_type(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "audio/mpeg" | "audio/mp3" | "audio/*" => Self::Mp3,
            "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Self::Wav,
            "audio/ogg" | "audio/opus" => Self::Opus,
            "audio/pcm" => Self::Pcm,
            _ => return None,
        })
    }
}

impl From<Format> for AudioFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Mp3 => Self::Mp3,
            Format::Wav => Self::Wav,
            Format::Opus => Self::Opus,
            Format::Pcm => Self::Pcm,
        }
    }
}

/// Reads the body's `format`; null and an empty text name none.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Format>, D::Error> {
    let Some(name) = optional_text(deserializer)? else {
        return Ok(None);
    };
    match Format::named(&name) {
        Some(format) => Ok(Some(format)),
        // The name itself is not repeated: bodies are personal.
        None => Err(D::Error::custom("expected one of mp3, wav, opus, pcm")),
    }
}

/// The audio format that a client wants most, when it wants audio more than JSON: the one of the highest
/// quality, the first among equals (RFC 9110, 12.5.1). Types that cannot be served are read over.
pub(super) fn preferred(headers: &HeaderMap) -> Option<Format> {
    let mut best: (f32, Option<Format>) = (0.0, None);
    let items = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for item in items {
        let (media_type, parameters) = item.split_once(';').unwrap_or((item, ""));
        let format = match media_type.trim().to_ascii_lowercase().as_str() {
            "application/json" | "application/*" | "*/*" => None,
            other => match Format::of_type(other) {
                Some(format) => Some(format),
                None => continue,
            },
        };
        let quality = quality(parameters);
        if quality > best.0 {
            best = (quality, format);
        }
    }
    best.1
}

/// The weight among a media type's parameters, 1 when there is none, 0 when it is no number.
fn quality(parameters: &str) -> f32 {
    let stated = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value)
    });
    stated.map_or(1.0, |value| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_accept_header_tells_a_file_from_json() {
        for (accept, wanted) in [
            ("*/*", None),
            ("application/json", None),
            ("audio/wav", Some(Format::Wav)),
            ("audio/*", Some(Format::Mp3)),
            ("Audio/PCM", Some(Format::Pcm)),
            ("audio/ogg;q=0.9, audio/wav;q=0.5", Some(Format::Opus)),
            (
                "audio/ogg; codecs=opus; Q=0.4, audio/wav ; q=0.5",
                Some(Format::Wav),
            ),
            ("audio/flac, audio/mpeg;q=0.1", Some(Format::Mp3)),
            ("application/json, audio/wav;q=0.8", None),
            ("text/html, audio/mpeg;q=0.9, */*;q=0.1", Some(Format::Mp3)),
            ("audio/wav;q=0", None),
            ("audio/wav;q=x", None),
            ("audio/flac", None),
            (",;,", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(preferred(&headers), wanted, "{accept}");
        }
        assert_eq!(preferred(&HeaderMap::new()), None);
    }

    #[test]
    fn an_accept_header_may_come_in_several_lines() {
        let mut headers = HeaderMap::new();
        for line in ["application/json;q=0.5", "audio/wav"] {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        assert_eq!(preferred(&headers), Some(Format::Wav));
    }
}

//! What makes two utterances sound the same. It must not know where sounds are kept.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::engine::Utterance;

/// The form of kept sound. Another form needs another tag: replicas of two versions share one cache.
const FORMAT: &str = "s16le24k";

/// Names a sound. It holds nothing of its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The name of an utterance's sound. Language, voice and rate, to two decimals, belong to it; texts
    /// that differ in white space or Unicode form alone have the same.
    pub fn of(utterance: &Utterance) -> Self {
        let mut hash = Sha256::new();
        let voice = &utterance.voice;
        for part in [
            voice.language,
            voice.name.as_str(),
            &format!("{:.2}", utterance.rate),
            FORMAT,
        ] {
            hash.update(part.as_bytes());
            hash.update([0]); // in none of the parts, so that they cannot run into each other
        }
        let mut letter = [0; 4];
        for (index, word) in utterance.text.split_whitespace().enumerate() {
            if index > 0 {
                hash.update(b" ");
            }
            for character in word.nfc() {
                hash.update(character.encode_utf8(&mut letter).as_bytes());
            }
        }
        Self(hash.finalize().into())
    }

    /// Its key in the shared cache.
    pub(super) fn shared(&self) -> String {
        format!("sound:{}", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voices::{EngineName, Family, Voice};

    fn utterance(text: &str) -> Utterance {
        Utterance {
            text: text.into(),
            voice: Voice {
                name: "espeak-hi".to_owned(),
                language: "hi-IN",
                engine: EngineName::Espeak,
                family: Family::Espeak,
            },
            rate: 1.0,
        }
    }

    fn key(text: &str) -> String {
        Key::of(&utterance(text)).shared()
    }

    #[test]
    fn white_space_and_unicode_form_make_no_difference() {
        assert_eq!(key(" caf\u{e9}\n one  two "), key("cafe\u{301} one two"));
        // A word that ends where a composition begins, in either form.
        assert_eq!(key("\u{928}\u{93c} a"), key("\u{929} a"));
    }

    #[test]
    fn text_voice_language_and_rate_make_a_difference() {
        let said = utterance("one two");
        let mut others = vec![utterance("onetwo"), utterance("One two"), said.clone()];
        others[2].rate = 1.01;
        others.push(Utterance {
            voice: Voice {
                name: "espeak-mr".to_owned(),
                ..said.voice.clone()
            },
            ..said.clone()
        });
        others.push(Utterance {
            voice: Voice {
                language: "mr-IN",
                ..said.voice.clone()
            },
            ..said.clone()
        });
        for other in others {
            assert!(Key::of(&other) != Key::of(&said), "{other:?}");
        }
    }

    #[test]
    fn a_difference_in_rate_that_nobody_hears_makes_none() {
        let said = utterance("one");
        let almost = Utterance {
            rate: 1.001,
            ..said.clone()
        };
        assert!(Key::of(&almost) == Key::of(&said));
    }

    #[test]
    fn the_name_of_a_sound_does_not_change_between_versions() {
        assert_eq!(
            key("नमस्ते"),
            "sound:d579e633858d077223b754ca8514cddb4b08fdd5d7f487f325f4729c0164433d"
        );
    }
}

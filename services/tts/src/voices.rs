//! The voices of each served language, in the order in which they are tried. It must not know how an
//! engine is called.

mod table;

pub use troika_sentences::served::{LANGUAGES, nearest as resolve};

/// Which engine a voice belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineName {
    /// Google Cloud Text-to-Speech.
    Google,
    /// espeak-ng on this machine.
    Espeak,
}

impl EngineName {
    /// Its name in logs, metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Espeak => "espeak",
        }
    }
}

/// Voices that share a technology, a price and a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Google's Chirp 3 HD: unary and streaming.
    Chirp3Hd,
    /// Google's WaveNet: unary alone.
    Wavenet,
    /// Google's standard voices: unary alone.
    Standard,
    /// espeak-ng.
    Espeak,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Chirp3Hd, Self::Wavenet, Self::Standard, Self::Espeak];

    /// Its name in logs, metrics and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chirp3Hd => "chirp3-hd",
            Self::Wavenet => "wavenet",
            Self::Standard => "standard",
            Self::Espeak => "espeak",
        }
    }

    /// The engine whose voices these are.
    pub fn engine(self) -> EngineName {
        match self {
            Self::Chirp3Hd | Self::Wavenet | Self::Standard => EngineName::Google,
            Self::Espeak => EngineName::Espeak,
        }
    }
}

/// A voice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Voice {
    /// Its name on the engine's wire, such as "en-IN-Chirp3-HD-Leda", or "espeak-hi" for espeak-ng's "hi".
    pub name: String,
    /// The served language that it speaks, BCP 47.
    pub language: &'static str,
    /// Its engine.
    pub engine: EngineName,
    /// Its family.
    pub family: Family,
}

/// What stands before espeak-ng's own name of a voice.
const ESPEAK: &str = "espeak-";

impl Voice {
    /// The voice of this name, as in [`Voice::name`], of any case. None when the name has another form, or
    /// its language is not served. It does not say that the engine has such a voice.
    pub fn named(name: &str) -> Option<Self> {
        let voice = |name, language, family: Family| Self {
            name,
            language,
            engine: family.engine(),
            family,
        };
        if let Some(of_espeak) = strip_prefix_of_any_case(name, ESPEAK) {
            let of_espeak = of_espeak.to_ascii_lowercase();
            let language = table::language_of_espeak(&of_espeak)?;
            return Some(voice(
                format!("{ESPEAK}{of_espeak}"),
                language,
                Family::Espeak,
            ));
        }
        // "xx-XX-", then the technology, then the name of the one voice.
        let (language, rest) = name.split_at_checked(name.match_indices('-').nth(1)?.0)?;
        let language = LANGUAGES
            .into_iter()
            .find(|served| served.eq_ignore_ascii_case(language))?;
        let rest = rest.strip_prefix('-')?;
        [
            ("Chirp3-HD-", Family::Chirp3Hd),
            ("Wavenet-", Family::Wavenet),
            ("Standard-", Family::Standard),
        ]
        .into_iter()
        .find_map(|(technology, family)| {
            let person = strip_prefix_of_any_case(rest, technology)?;
            let person = capitalized(person)?;
            Some(voice(
                format!("{language}-{technology}{person}"),
                language,
                family,
            ))
        })
    }

    /// The voice's name on the wire of espeak-ng, such as "hi". None for the voices of other engines.
    pub fn espeak_name(&self) -> Option<&str> {
        self.name.strip_prefix(ESPEAK)
    }
}

/// The voices of a language, the best first; empty when the language is not served.
///
/// The language is a BCP 47 tag of any case; its primary subtag alone names the language of India where
/// there is one ("hi" is "hi-IN", "en" is "en-IN").
pub fn of(language: &str) -> Vec<Voice> {
    let Some(language) = resolve(language) else {
        return Vec::new();
    };
    table::names_of(language)
        .iter()
        .filter_map(|name| Voice::named(name))
        .map(|voice| Voice {
            // "espeak-en-us" may be the last resort of more than one language.
            language,
            ..voice
        })
        .collect()
}

fn strip_prefix_of_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A name of letters alone with a capital at its beginning, as Google writes them.
fn capitalized(name: &str) -> Option<String> {
    let mut letters = name.chars();
    let first = letters.next()?;
    let all = name.chars().all(|letter| letter.is_ascii_alphabetic());
    all.then(|| {
        let rest = letters.as_str().to_ascii_lowercase();
        format!("{}{rest}", first.to_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests;

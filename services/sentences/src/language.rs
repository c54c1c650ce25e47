//! What the rules know of each language: abbreviations, first words of sentences, ordinals. Must not know
//! how a text is cut.
//!
//! Abbreviations are matched without regard to capitals, without their last full stop and without the
//! white space inside ("z. B." is `z.b`). A language has its own list and an English one behind it:
//! all of it in India, a short one in Europe.

mod english;
mod european;
mod indic;

/// What a full stop behind an abbreviation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abbreviation {
    /// Never ends a sentence: titles, "e.g.", "approx.".
    Inner,
    /// Stands before a number; before anything else it is an ordinary word ("No.").
    BeforeNumber,
    /// Ends a sentence when a common first word of one follows: "p.m.", "Inc.", "U.S.".
    MayEnd,
    /// Ends a sentence before every capital: "etc.".
    Ends,
}

/// The rules of one language.
#[derive(Debug)]
pub(crate) struct Language {
    abbreviations: &'static [(Abbreviation, &'static [&'static str])],
    first_words: &'static [&'static str],
    /// Nouns behind an ordinal number that is written with a full stop.
    ordinal_nouns: &'static [&'static str],
    /// How words end that stand before a number when they have a full stop ("Hauptstr. 5").
    number_endings: &'static [&'static str],
    /// Whether `»` opens a quotation.
    pub(crate) opens_with_guillemet: bool,
    english_words: bool,
}

impl Language {
    /// The rules of a BCP 47 tag's language; English ones for a language that is not served.
    pub(crate) fn of(tag: &str) -> &'static Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        SERVED
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(primary))
            .map_or(&ENGLISH, |(_, language)| language)
    }

    /// What is known of `word`, in small letters.
    pub(crate) fn abbreviation(&self, word: &str) -> Option<Abbreviation> {
        let find = |lists: &[(Abbreviation, &[&str])]| {
            lists
                .iter()
                .find(|(_, words)| words.contains(&word))
                .map(|(kind, _)| *kind)
        };
        let borrowed = if self.english_words {
            english::ABBREVIATIONS
        } else {
            english::BORROWED
        };
        find(self.abbreviations)
            .or_else(|| find(borrowed))
            .or_else(|| {
                let is_numbered = self.number_endings.iter().any(|end| word.ends_with(end));
                is_numbered.then_some(Abbreviation::BeforeNumber)
            })
    }

    /// Whether sentences commonly begin with `word`, in small letters.
    pub(crate) fn is_first_word(&self, word: &str) -> bool {
        self.first_words.contains(&word)
            || (self.english_words && english::FIRST_WORDS.contains(&word))
    }

    /// Whether numbers with a full stop are ordinals.
    pub(crate) fn has_ordinals(&self) -> bool {
        !self.ordinal_nouns.is_empty()
    }

    /// Whether `word`, in small letters, follows ordinal numbers.
    pub(crate) fn is_ordinal_noun(&self, word: &str) -> bool {
        self.ordinal_nouns.contains(&word)
    }

    /// Whether `word` is a Latin letter's name in an Indic script, as in "एम. एस. धोनी", or one letter
    /// of a script in which initials are single letters.
    pub(crate) fn is_initial(word: &str) -> bool {
        indic::is_initial(word)
    }
}

static ENGLISH: Language = Language::indian(&[]);

static SERVED: &[(&str, Language)] = &[
    ("hi", Language::indian(indic::DEVANAGARI)),
    ("mr", Language::indian(indic::MARATHI)),
    ("bn", Language::indian(indic::BENGALI)),
    ("ta", Language::indian(indic::TAMIL)),
    ("te", Language::indian(indic::TELUGU)),
    ("gu", Language::indian(indic::GUJARATI)),
    ("kn", Language::indian(indic::KANNADA)),
    ("ml", Language::indian(indic::MALAYALAM)),
    ("pa", Language::indian(indic::GURMUKHI)),
    (
        "es",
        Language::european(european::SPANISH, european::SPANISH_FIRST_WORDS),
    ),
    (
        "fr",
        Language::european(european::FRENCH, european::FRENCH_FIRST_WORDS),
    ),
    (
        "de",
        Language {
            ordinal_nouns: european::GERMAN_ORDINAL_NOUNS,
            number_endings: &["str"],
            opens_with_guillemet: true,
            ..Language::european(european::GERMAN, european::GERMAN_FIRST_WORDS)
        },
    ),
];

impl Language {
    /// English and the languages of India, whose texts have English words in them.
    const fn indian(abbreviations: &'static [(Abbreviation, &'static [&'static str])]) -> Self {
        Self {
            abbreviations,
            first_words: &[],
            ordinal_nouns: &[],
            number_endings: &[],
            opens_with_guillemet: false,
            english_words: true,
        }
    }

    const fn european(
        abbreviations: &'static [(Abbreviation, &'static [&'static str])],
        first_words: &'static [&'static str],
    ) -> Self {
        Self {
            abbreviations,
            first_words,
            ordinal_nouns: &[],
            number_endings: &[],
            opens_with_guillemet: false,
            english_words: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_its_own_words_and_the_english_ones() {
        let german = Language::of("de-DE");
        assert_eq!(german.abbreviation("z.b"), Some(Abbreviation::Inner));
        assert_eq!(german.abbreviation("dr"), Some(Abbreviation::Inner));
        assert_eq!(Language::of("en-IN").abbreviation("z.b"), None);
        assert!(german.is_first_word("das") && !german.is_first_word("the"));
        assert!(Language::of("hi").is_first_word("the"));
    }

    #[test]
    fn an_unknown_language_goes_by_the_english_rules() {
        for tag in ["xx", "", "EN-in", "-"] {
            assert_eq!(
                Language::of(tag).abbreviation("etc"),
                Some(Abbreviation::Ends),
                "{tag}"
            );
        }
    }
}

//! Words whose full stop does not end a sentence, for each language. The common ones, which texts in every
//! served language carry, come from the rules that existing clients rely on; each language's own are those
//! that its style guides write with a stop. Pure tables.

use crate::language::primary;

/// What the full stop after a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// An ordinary word: the stop ends the sentence.
    Ends,
    /// An abbreviation that more always follows: a title, "e.g.".
    Never,
    /// An abbreviation before a number ("No. 5"), a word of its own elsewhere ("No.").
    BeforeNumber,
    /// An abbreviation that may stand last: the stop ends the sentence when a capital, or a letter of a
    /// script without capitals, follows.
    MayEnd,
}

/// Latin ones, in lower case and without their last stop.
const NEVER: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "ph.d", "m.d", "b.a", "m.a", "b.sc", "m.sc", "b.tech",
    "m.tech", "b.com", "m.com", "ll.b", "e.g", "i.e", "eg", "ie", "vs", "st", "mt", "hon", "gen", "col",
    "capt", "lt", "sgt", "rev", "gov", "sen", "rep", "adv", "smt", "shri", "sri", "km", "rs", "approx",
    "cf", "viz", "esp", "incl", "dept", "govt", "est", "u.s", "u.k", "u.n", "e.u", "u.s.a",
];
const BEFORE_NUMBER: &[&str] = &[
    "no", "nos", "fig", "sec", "art", "vol", "ch", "pp", "p", "eq", "ext", "tel", "ph", "jan", "feb",
    "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "v", "ver",
];
const MAY_END: &[&str] = &[
    "etc", "co", "ltd", "pvt", "inc", "corp", "a.m", "p.m", "al", "ave", "blvd", "rd",
];

const GERMAN: &[&str] = &[
    "z", "z.b", "d.h", "d", "u", "u.a", "o", "o.ä", "bzw", "ca", "evtl", "ggf", "inkl", "zzgl", "vgl",
    "hr", "fr", "frl", "nr", "str", "tel", "abs", "art", "bd", "hrsg", "i.d.r", "i.d", "mio", "mrd", "sog",
    "u.u", "v.a", "zz", "jh", "st", "mwst", "max", "min", "bspw", "dipl", "ing",
];
const GERMAN_MAY_END: &[&str] = &["usw", "etc", "gmbh"];
const FRENCH: &[&str] = &[
    "m", "mm", "mme", "mmes", "mlle", "mlles", "me", "mgr", "p.ex", "ex", "env", "av", "bd", "c.-à-d", "cf",
    "chap", "n", "st", "ste", "tél", "vol", "p",
];
const SPANISH: &[&str] = &[
    "sr", "sra", "srta", "sres", "dr", "dra", "d", "dña", "ud", "uds", "vd", "vds", "p.ej", "pág", "págs",
    "núm", "tel", "av", "avda", "c", "prof", "profa", "ing", "lic", "ee", "uu", "ee.uu", "art", "aprox",
];
const HINDI: &[&str] = &[
    "डॉ", "डा", "श्री", "श्रीमती", "प्रो", "सु", "कु", "पं", "स्व", "रु", "रू", "कि.मी", "कि.ग्रा", "सं", "नं", "उदा",
    "ए", "बी", "सी", "डी", "एफ", "एच", "जे", "एल", "एम", "एन", "आर", "एस", "टी", "वी", "ए.पी", "ए.पी.जे", "एम.ए",
    "बी.ए",
];
const MARATHI: &[&str] = &[
    "डॉ", "श्री", "श्रीमती", "सौ", "प्रा", "कै", "रु", "कि.मी", "क्र", "उदा", "इ.स", "ता", "मा", "पं", "ए", "बी", "एम",
    "एन", "आर", "एस",
];
const BENGALI: &[&str] = &[
    "ডা", "ড", "ডঃ", "মো", "মোঃ", "মি", "মিসেস", "অধ্যা", "প্রো", "শ্রী", "কি.মি", "নং", "রু", "এ", "বি", "এম", "এন",
    "আর", "এস", "কে",
];
const TAMIL: &[&str] = &[
    "திரு", "திருமதி", "டாக்", "டாக்டர்", "பேரா", "செல்வி", "ரூ", "கி.மீ", "எண்", "எ", "ஏ", "பி", "சி", "கே", "எம்", "என்",
    "ஆர்", "எஸ்", "டி", "வி", "ஜே",
];
const TELUGU: &[&str] = &[
    "డా", "డాక్టర్", "శ్రీ", "శ్రీమతి", "ప్రొ", "రూ", "కి.మీ", "నం", "ఎ", "ఏ", "బి", "సి", "కె", "ఎం", "ఎన్", "ఆర్", "ఎస్", "వి",
    "పి",
];
const GUJARATI: &[&str] = &[
    "ડૉ", "ડો", "શ્રી", "શ્રીમતી", "પ્રો", "રૂ", "કિ.મી", "નં", "તા", "એ", "બી", "એમ", "એન", "આર", "એસ", "કે",
];
const KANNADA: &[&str] = &[
    "ಡಾ", "ಶ್ರೀ", "ಶ್ರೀಮತಿ", "ಪ್ರೊ", "ರೂ", "ಕಿ.ಮೀ", "ನಂ", "ಎ", "ಬಿ", "ಕೆ", "ಎಂ", "ಎನ್", "ಆರ್", "ಎಸ್", "ವಿ", "ಟಿ",
];
const MALAYALAM: &[&str] = &[
    "ഡോ", "ശ്രീ", "ശ്രീമതി", "പ്രൊഫ", "രൂ", "കി.മീ", "നം", "എ", "ബി", "കെ", "എം", "എൻ", "ആർ", "എസ്", "വി", "ടി", "പി",
];
const PUNJABI: &[&str] = &[
    "ਡਾ", "ਸ", "ਸ੍ਰੀ", "ਸ਼੍ਰੀ", "ਸ੍ਰੀਮਤੀ", "ਪ੍ਰੋ", "ਰੁ", "ਕਿ.ਮੀ", "ਨੰ", "ਏ", "ਬੀ", "ਐਮ", "ਐਨ", "ਆਰ", "ਐਸ",
];

/// The abbreviations that hold for one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abbreviations {
    own: &'static [&'static str],
    may_end: &'static [&'static str],
    /// Numbers of one or two digits with a stop are ordinals: "am 3. Oktober".
    pub(crate) ordinals: bool,
}

impl Abbreviations {
    pub(crate) fn of(language: &str) -> Self {
        let language = primary(language);
        let own: &[&str] = match language {
            "de" => GERMAN,
            "fr" => FRENCH,
            "es" => SPANISH,
            "hi" => HINDI,
            "mr" => MARATHI,
            "bn" => BENGALI,
            "ta" => TAMIL,
            "te" => TELUGU,
            "gu" => GUJARATI,
            "kn" => KANNADA,
            "ml" => MALAYALAM,
            "pa" => PUNJABI,
            _ => &[],
        };
        Self {
            own,
            may_end: if language == "de" { GERMAN_MAY_END } else { &[] },
            ordinals: language == "de",
        }
    }

    /// What the stop after `word` (without that stop) means.
    pub(crate) fn stop(&self, word: &str) -> Stop {
        let word = word.to_lowercase();
        let holds = |words: &[&str]| words.contains(&word.as_str());
        if holds(self.own) {
            Stop::Never
        } else if holds(self.may_end) || holds(MAY_END) {
            Stop::MayEnd
        } else if holds(NEVER) || is_initial(&word) {
            Stop::Never
        } else if holds(BEFORE_NUMBER) {
            Stop::BeforeNumber
        } else {
            Stop::Ends
        }
    }
}

/// One letter of a script with capitals, or several with stops between them: "A.", "A.P.J.". Words of other
/// scripts can be one letter long and end a sentence ("है."), so theirs stand in the tables.
fn is_initial(word: &str) -> bool {
    word.split('.').all(|part| {
        let mut letters = part.chars();
        let first = letters.next();
        first.is_some_and(char::is_lowercase) && letters.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_and_titles_never_end_a_sentence() {
        let english = Abbreviations::of("en-IN");
        for word in ["Dr", "Ph.D", "A", "A.P.J", "e.g", "U.S"] {
            assert_eq!(english.stop(word), Stop::Never, "{word}");
        }
        assert_eq!(english.stop("No"), Stop::BeforeNumber);
        assert_eq!(english.stop("etc"), Stop::MayEnd);
        assert_eq!(english.stop("shop"), Stop::Ends);
    }

    #[test]
    fn each_language_has_its_own() {
        assert_eq!(Abbreviations::of("hi-IN").stop("डॉ"), Stop::Never);
        assert_eq!(Abbreviations::of("hi-IN").stop("है"), Stop::Ends);
        assert_eq!(Abbreviations::of("de-DE").stop("bzw"), Stop::Never);
        assert_eq!(Abbreviations::of("en-IN").stop("bzw"), Stop::Ends);
    }
}

//! A text as the terms that BM25 compares: lower case, without accents, stop words left out, English
//! and Tamil reduced to their stems. Knows scripts; knows neither bots nor the search.
//!
//! The tokenizer that comes with the bm25 crate transliterates every script to ASCII first, which
//! makes different Indian words equal and treats them as English. This one keeps every script.

use std::{collections::HashSet, sync::LazyLock};

use rust_stemmers::{Algorithm, Stemmer};
use stop_words::LANGUAGE;
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// What English questions are made of, beside the list of the stop-words crate.
const ENGLISH: &str = "also anybody anyone anything could explain give hello hey hi kindly let may might must ok okay \
    please shall show someone something tell thank thanks us want what's who's how's where's when's would yes";

/// Function and question words of the Indian languages that are served. Their scripts tell them from
/// everything else, so that all of them apply at once.
const INDIAN: [&str; 9] = [
    // Hindi
    "का के की को से में पर और या है हैं था थी थे हो होता होती होते ने यह ये वह वे इस उस इन उन एक तो भी ही कि जो \
     क्या क्यों कौन कौनसा कौनसी कब कहाँ कहां कैसे कैसा कैसी कितना कितनी कितने किस किसी मैं मुझे मेरा मेरी मेरे हम हमें \
     आप आपका आपकी आपके तुम अपना अपनी अपने कृपया बताएं बताइए बताओ बारे लिए साथ कर करें करना करते नहीं न हाँ जी अगर लेकिन",
    // Bengali
    "এবং ও বা কি কী কে কেন কোন কোথায় কখন কেমন কত কিভাবে কীভাবে এই ওই সেই এটা ওটা এটি আমি আমার আমাকে আমরা আমাদের \
     আপনি আপনার আপনাদের তুমি তোমার সে তার তারা হয় হয়ে হবে আছে ছিল করে করা করতে জন্য থেকে সঙ্গে সাথে না হ্যাঁ যে যা তা \
     একটি একটা দয়া বলুন সম্পর্কে কিন্তু যদি",
    // Tamil
    "என்ன ஏன் யார் எது எந்த எங்கே எங்கு எப்போது எப்படி எவ்வளவு எத்தனை இந்த அந்த இது அது ஒரு மற்றும் அல்லது நான் என் \
     எனது எனக்கு நாங்கள் எங்கள் நீங்கள் உங்கள் உங்களுக்கு அவர் அவள் அவன் அவர்கள் உள்ளது உள்ளன இருக்கிறது ஆகும் இல்லை ஆம் \
     என்று பற்றி தயவு செய்து சொல்லுங்கள் ஆனால் தான் கூட மேலும்",
    // Telugu
    "ఏమిటి ఏంటి ఎందుకు ఎవరు ఏది ఏ ఎక్కడ ఎప్పుడు ఎలా ఎంత ఎన్ని ఈ ఆ ఇది అది ఒక మరియు లేదా నేను నా నాకు మేము మా మీరు మీ మీకు \
     వారు అతను ఆమె ఉంది ఉన్నాయి ఉన్నారు కాదు లేదు అవును గురించి దయచేసి చెప్పండి కానీ కోసం తో లో కి కు",
    // Marathi
    "आहे आहेत होते होता होती आणि किंवा काय का कोण कोणता कोणती कधी कुठे कसे कसा कशी किती हा ही हे तो ती ते मी मला माझा \
     माझी आम्ही आम्हाला तुम्ही तुमचा तुमची तुमचे आपण साठी मध्ये वर पासून नाही होय कृपया सांगा बद्दल पण जर",
    // Gujarati
    "છે છો હતું હતી હતા અને કે શું કેમ કોણ કયા કયું કયો ક્યારે ક્યાં કેવી કેવો કેટલું કેટલા કેટલી આ તે એ એક હું મને મારું \
     મારા અમે અમને તમે તમારું તમારા તમને માટે માં થી ને નો ની નું ના હા નથી કૃપા કરીને જણાવો વિશે પણ જો",
    // Kannada
    "ಏನು ಯಾಕೆ ಏಕೆ ಯಾರು ಯಾವ ಯಾವುದು ಎಲ್ಲಿ ಯಾವಾಗ ಹೇಗೆ ಎಷ್ಟು ಈ ಆ ಇದು ಅದು ಒಂದು ಮತ್ತು ಅಥವಾ ನಾನು ನನ್ನ ನನಗೆ ನಾವು ನಮ್ಮ ನೀವು \
     ನಿಮ್ಮ ನಿಮಗೆ ಅವರು ಇದೆ ಇವೆ ಇಲ್ಲ ಅಲ್ಲ ಹೌದು ಬಗ್ಗೆ ದಯವಿಟ್ಟು ಹೇಳಿ ಆದರೆ",
    // Malayalam
    "എന്ത് എന്താണ് എന്തുകൊണ്ട് ആര് ഏത് ഏതാണ് എവിടെ എപ്പോൾ എങ്ങനെ എത്ര ഈ ആ ഇത് അത് ഒരു കൂടാതെ അല്ലെങ്കിൽ ഞാൻ എന്റെ \
     എനിക്ക് ഞങ്ങൾ ഞങ്ങളുടെ നിങ്ങൾ നിങ്ങളുടെ അവർ ആണ് ഉണ്ട് ഇല്ല അല്ല അതെ കുറിച്ച് ദയവായി പറയൂ പക്ഷേ",
    // Punjabi
    "ਦਾ ਦੇ ਦੀ ਨੂੰ ਤੋਂ ਵਿੱਚ ਵਿਚ ਤੇ ਅਤੇ ਜਾਂ ਹੈ ਹਨ ਸੀ ਸਨ ਨੇ ਇਹ ਉਹ ਇਸ ਉਸ ਇੱਕ ਇਕ ਕੀ ਕਿਉਂ ਕੌਣ ਕਿਹੜਾ ਕਿਹੜੀ ਕਦੋਂ ਕਿੱਥੇ ਕਿਵੇਂ \
     ਕਿੰਨਾ ਕਿੰਨੇ ਮੈਂ ਮੈਨੂੰ ਮੇਰਾ ਮੇਰੀ ਅਸੀਂ ਸਾਡਾ ਤੁਸੀਂ ਤੁਹਾਡਾ ਤੁਹਾਡੀ ਤੁਹਾਡੇ ਲਈ ਨਾਲ ਨਹੀਂ ਹਾਂ ਜੀ ਕਿਰਪਾ ਦੱਸੋ ਬਾਰੇ ਪਰ ਜੇ",
];

/// A further language in Latin script whose stop words apply when a bot's documents are in it. Not
/// always: "die", "war" and "man" are German stop words, and English content words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Spanish,
    French,
    German,
}

impl Language {
    /// The language of a BCP 47 tag.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        match tag
            .split('-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "es" => Some(Self::Spanish),
            "fr" => Some(Self::French),
            "de" => Some(Self::German),
            _ => None,
        }
    }

    fn stop_words(self) -> LANGUAGE {
        match self {
            Self::Spanish => LANGUAGE::Spanish,
            Self::French => LANGUAGE::French,
            Self::German => LANGUAGE::German,
        }
    }
}

/// The stop words of every bot: English and the Indian languages. Shared, for there is an index for
/// each bot that is asked, even for one that does not exist.
static COMMON: LazyLock<HashSet<String>> = LazyLock::new(|| {
    ENGLISH
        .split_whitespace()
        .chain(INDIAN.iter().flat_map(|list| list.split_whitespace()))
        .map(plain)
        .chain(plain_list(LANGUAGE::English))
        .collect()
});

/// Takes texts apart; the same way for passages and queries.
pub(super) struct Terms {
    /// Stop words beside the common ones.
    further: HashSet<String>,
    english: Stemmer,
    tamil: Stemmer,
}

impl Terms {
    /// Terms of English, the Indian languages, and those named.
    pub(super) fn new(languages: impl IntoIterator<Item = Language>) -> Self {
        let mut distinct = Vec::new();
        for language in languages {
            if !distinct.contains(&language) {
                distinct.push(language);
            }
        }
        Self {
            further: distinct
                .into_iter()
                .flat_map(|language| plain_list(language.stop_words()))
                .collect(),
            english: Stemmer::create(Algorithm::English),
            tamil: Stemmer::create(Algorithm::Tamil),
        }
    }

    fn is_stop_word(&self, word: &str) -> bool {
        COMMON.contains(word) || self.further.contains(word)
    }

    fn stem(&self, word: String) -> String {
        if word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            self.english.stem(&word).into_owned()
        } else if word
            .chars()
            .all(|char| ('\u{b80}'..='\u{bff}').contains(&char))
        {
            self.tamil.stem(&word).into_owned()
        } else {
            word
        }
    }
}

/// The words of a text that say what it is about: stems without stop words, as passages are searched.
pub(crate) fn content_words(text: &str) -> HashSet<String> {
    static TERMS: LazyLock<Terms> = LazyLock::new(|| Terms::new([]));
    bm25::Tokenizer::tokenize(&*TERMS, text)
        .into_iter()
        .collect()
}

impl bm25::Tokenizer for Terms {
    fn tokenize(&self, text: &str) -> Vec<String> {
        text.unicode_words()
            .map(plain)
            .filter(|word| !self.is_stop_word(word))
            .map(|word| word.strip_suffix("'s").map(str::to_owned).unwrap_or(word))
            .filter(|word| !word.is_empty() && !self.is_stop_word(word))
            .map(|word| self.stem(word))
            .collect()
    }
}

fn plain_list(language: LANGUAGE) -> impl Iterator<Item = String> {
    stop_words::get(language).iter().map(|word| plain(word))
}

/// A word in lower case, without accents on Latin, Greek and Cyrillic letters, and without joiners,
/// which say how to draw it. The marks of other scripts are letters of their own right and stay.
fn plain(word: &str) -> String {
    word.nfkd()
        .filter(|char| !matches!(char, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}'))
        .flat_map(char::to_lowercase)
        .map(|char| if char == '’' { '\'' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bm25::Tokenizer as _;

    fn terms(text: &str) -> Vec<String> {
        Terms::new([]).tokenize(text)
    }

    #[test]
    fn english_words_are_reduced_to_stems() {
        assert_eq!(
            terms("Opening hours of the STORES"),
            terms("open hour store")
        );
    }

    #[test]
    fn a_question_of_stop_words_has_no_terms() {
        for question in [
            "what is the",
            "What's this?",
            "can you please tell me about it",
            "क्या है यह",
            "என்ன இது",
            "এটা কী",
            "ఇది ఏమిటి",
        ] {
            assert_eq!(terms(question), [""; 0], "{question}");
        }
    }

    #[test]
    fn words_of_indian_scripts_stay_whole_and_apart() {
        assert_eq!(terms("वापसी की नीति क्या है?"), ["वापसी", "नीति"].map(plain));
        assert_eq!(terms("அலுவலகம் எங்கே"), terms("அலுவலகம்"));
        assert_eq!(terms("অফিস কোথায়").len(), 1);
        assert_ne!(terms("बाल"), terms("बल"));
    }

    #[test]
    fn a_letter_with_nukta_is_the_same_however_it_is_encoded() {
        assert_eq!(terms("\u{95b}मीन"), terms("\u{91c}\u{93c}मीन"));
    }

    #[test]
    fn accents_do_not_matter_and_numbers_stay() {
        assert_eq!(terms("Café"), terms("cafe"));
        assert_eq!(terms("₹500 24/7 v2"), ["500", "24", "7", "v2"]);
    }

    #[test]
    fn german_stop_words_apply_to_german_documents_only() {
        assert_eq!(terms("die"), ["die"]);
        assert!(
            Terms::new(Language::of_tag("de-DE"))
                .tokenize("die")
                .is_empty()
        );
    }

    #[test]
    fn the_tokenizer_of_the_crate_makes_different_indian_words_equal() {
        let default = bm25::DefaultTokenizer::new(bm25::Language::English);
        // "पानी" (water) ends up as Latin letters, as would an English word.
        assert!(default.tokenize("पानी").iter().all(|term| term.is_ascii()));
    }
}

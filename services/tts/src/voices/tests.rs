//! Tests of the table and of names.

use super::*;

#[test]
fn every_language_begins_with_chirp_and_ends_with_espeak() {
    for language in LANGUAGES {
        let voices = of(language);
        assert!(voices.len() >= 3, "{language}");
        assert_eq!(voices[0].name, format!("{language}-Chirp3-HD-Leda"));
        assert_eq!(voices[0].family, Family::Chirp3Hd);
        let last = voices.last().unwrap();
        assert_eq!(last.engine, EngineName::Espeak, "{language}");
        for voice in &voices {
            assert_eq!(voice.language, language);
            assert_eq!(voice.engine, voice.family.engine());
        }
    }
}

#[test]
fn each_name_of_the_table_is_read_as_the_same_voice() {
    for language in LANGUAGES {
        let names = table::names_of(language);
        assert_eq!(of(language).len(), names.len(), "{language}");
        for (voice, name) in of(language).iter().zip(names) {
            assert_eq!(voice.name, *name);
            assert_eq!(Voice::named(name).as_ref(), Some(voice));
        }
    }
}

#[test]
fn a_language_is_known_by_any_case_and_by_its_primary_subtag() {
    for (tag, language) in [
        ("hi-IN", "hi-IN"),
        ("HI-in", "hi-IN"),
        ("hi", "hi-IN"),
        ("hi-Deva-IN", "hi-IN"),
        ("hi_IN", "hi-IN"),
        ("en", "en-IN"),
        ("en-us", "en-US"),
        ("es-MX", "es-ES"),
    ] {
        assert_eq!(resolve(tag), Some(language), "{tag}");
        assert_eq!(of(tag), of(language), "{tag}");
    }
    for tag in ["", "-", "xx", "it-IT", "hindi", "नमस्ते"] {
        assert_eq!(resolve(tag), None, "{tag}");
        assert!(of(tag).is_empty(), "{tag}");
    }
}

#[test]
fn names_of_any_case_are_written_as_their_engine_writes_them() {
    let voice = Voice::named("EN-in-chirp3-hd-LEDA").unwrap();
    assert_eq!(voice.name, "en-IN-Chirp3-HD-Leda");
    assert_eq!(voice.language, "en-IN");
    assert_eq!(voice.espeak_name(), None);
    assert_eq!(
        Voice::named("de-de-wavenet-g").unwrap().name,
        "de-DE-Wavenet-G"
    );
    assert_eq!(
        Voice::named("te-IN-Standard-C").unwrap().family,
        Family::Standard
    );
    let espeak = Voice::named("espeak-EN-US").unwrap();
    assert_eq!(espeak.name, "espeak-en-us");
    assert_eq!(espeak.language, "en-US");
    assert_eq!(espeak.espeak_name(), Some("en-us"));
}

#[test]
fn what_is_no_name_of_a_served_voice_is_none() {
    for name in [
        "",
        "en-IN",
        "en-IN-",
        "en-IN-Wavenet-",
        "en-IN-Wavenet-A B",
        "en-IN-Neural2-A",
        "it-IT-Wavenet-A",
        "espeak-",
        "espeak-it",
        "espeak-hi --help",
        "हिन्दी-IN-Wavenet-A",
    ] {
        assert_eq!(Voice::named(name), None, "{name}");
    }
}

//! What is taken as a password and what is not.

use proptest::prelude::*;

use super::*;

fn email() -> Email {
    Email::parse("ada.lovelace@shop.example").unwrap()
}

fn fault(text: &str) -> Option<String> {
    let chosen = Password::chosen(text, Some(&email()));
    chosen.err().map(|violation| {
        assert_eq!(violation.field, "password");
        assert!(violation.message.starts_with("password "));
        assert!(
            text.is_empty() || !violation.message.contains(text),
            "a password is never repeated"
        );
        violation.kind
    })
}

#[test]
fn passwords_that_people_should_choose_are_taken() {
    for good in [
        "correct horse battery staple",
        "meadow-piston-quartz-violin",
        "Xk9#mQ2$vL7p",
        "pässwört über bäume",
        "我们明天去北京看朋友好吗呀",
        "my dog sleeps on the blue sofa",
        "gT7!welcome2Berlin-Ost",
        "9f2c1b7e5d2a",
    ] {
        assert_eq!(fault(good), None, "{good}");
    }
}

#[test]
fn passwords_that_are_tried_first_are_refused() {
    for common in [
        "password1234",
        "Password123!",
        "P@ssw0rd1234",
        "passwordpassword",
        "123456789012",
        "qwertyuiop123",
        "qwertyuiop[]",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "abcdefghijkl",
        "zyxwvutsrqpo",
        "admin12345678",
        "Welcome2024!!",
        "letmeinletmein",
        "iloveyou12345",
        "aaaaaaaaaaaa",
        "abababababab",
        "changemechangeme",
        "troika-admin-2026",
        "superadmin123",
    ] {
        assert_eq!(
            fault(common).as_deref(),
            Some("password.common"),
            "{common}"
        );
    }
}

#[test]
fn a_password_is_not_the_address() {
    for same in [
        "ada.lovelace@shop.example",
        "ADA.Lovelace@Shop.Example",
        "ada.lovelace",
    ] {
        assert_eq!(fault(same).as_deref(), Some("password.address"), "{same}");
    }
}

#[test]
fn length_is_counted_in_characters() {
    let of = |count: usize| {
        let letters = "aäbößcdeéfgh".chars().cycle();
        letters.take(count).collect::<String>()
    };
    assert_eq!(fault("").as_deref(), Some("any.required"));
    assert_eq!(fault(&of(11)).as_deref(), Some("string.min"));
    assert_eq!(fault(&of(12)), None);
    assert_eq!(fault(&of(256)), None);
    assert_eq!(fault(&of(257)).as_deref(), Some("string.max"));
    assert_eq!(fault(&of(1_000_000)).as_deref(), Some("string.max"));
    assert_eq!(
        fault("meadow-piston\nquartz").as_deref(),
        Some("string.pattern")
    );
}

#[test]
fn two_keyboards_spell_the_same_password() {
    let composed = Password::chosen("caf\u{e9} meadow piston", None)
        .ok()
        .unwrap();
    let apart = Password::typed("cafe\u{301} meadow\u{a0}piston").unwrap();
    assert_eq!(composed.as_bytes(), apart.as_bytes());
}

proptest! {
    #[test]
    fn what_is_chosen_can_be_typed_and_is_hashed_as_it_was(text in "\\PC{0,300}") {
        if let Ok(chosen) = Password::chosen(&text, Some(&email())) {
            let typed = Password::typed(&text).unwrap();
            prop_assert_eq!(chosen.as_bytes(), typed.as_bytes());
            prop_assert!((SHORTEST..=LONGEST).contains(&spelled(&text).chars().count()));
        }
    }

    #[test]
    fn whatever_is_typed_is_answered(text in any::<String>()) {
        let _ = fault(&text);
        let _ = Password::typed(&text);
    }

    #[test]
    fn random_letters_are_good_passwords(text in "[a-z]{16,40}") {
        // Nobody's dice make a row of keys or five letters alone.
        let different = text.chars().collect::<HashSet<_>>().len();
        prop_assume!(different >= 8);
        prop_assert_eq!(fault(&text), None);
    }

    #[test]
    fn a_common_word_dressed_up_is_common(
        word in "(password|qwertyuiop|administrator|letmein12345|iloveyou)",
        dress in "[0-9!.#]{4,8}",
    ) {
        for text in [format!("{word}{dress}"), format!("{dress}{word}")] {
            prop_assert_eq!(fault(&text).as_deref(), Some("password.common"));
        }
    }
}

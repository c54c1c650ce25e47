use std::time::Duration;

use super::*;
use crate::bots::{Bot, Limits, tests::named};

#[test]
fn a_month_is_that_of_utc_and_later_ones_are_greater() {
    let month = |text| Month::of(humantime::parse_rfc3339(text).unwrap());
    let last = month("2026-11-30T23:59:59.999Z");
    assert_eq!(last.as_str(), "2026-11");
    assert_eq!(month("2026-12-01T00:00:00Z").to_string(), "2026-12");
    assert!(last < month("2026-12-01T00:00:00Z") && last < month("2027-01-01T00:00:00Z"));
    assert!(last > month("2026-09-30T00:00:00Z"));
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    assert_eq!(Month::of(far).as_str(), "9999-01");
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(Month::of(before).as_str(), "1970-01");
}

#[test]
fn a_visitor_who_cannot_sign_in_need_not() {
    let terms = |method: Option<&str>| Terms {
        free_messages: Some(2),
        auth_method: method.map(str::to_owned),
        ..Terms::default()
    };
    for (method, free) in [
        (None, Some(2)),
        (Some("email"), Some(2)),
        (Some(" None"), None),
    ] {
        assert_eq!(terms(method).free_questions(), free, "{method:?}");
    }
    assert_eq!(Terms::default().free_questions(), None);
}

#[test]
fn an_estimate_follows_the_bot_the_question_and_the_room() {
    let room = estimate::Room {
        messages: 10,
        passages: 5,
        words: 300,
        characters: 2000,
    };
    let bare = Bot {
        persona: String::new(),
        ..named("a")
    };
    let of = |question: &str, limits: Limits, persona: &str| {
        let bot = Bot {
            limits,
            persona: persona.into(),
            ..bare.clone()
        };
        estimate::tokens(question, Some(&bot), &room)
    };
    let usual = of("", Limits::default(), "");
    assert_eq!(usual, 250 + 1_500 + 3_000 + 2_000);
    assert_eq!(of("abcd", Limits::default(), "abc"), usual + 2 + 1);
    let narrow = Limits {
        completion_tokens: Some(100),
        history_messages: Some(0),
        ..Limits::default()
    };
    assert_eq!(of("", narrow, ""), 250 + 3_000 + 100);
    let wide = Limits {
        answer_characters: Some(u32::MAX),
        completion_tokens: Some(u32::MAX),
        history_messages: Some(u32::MAX),
        ..Limits::default()
    };
    assert_eq!(of("", wide, ""), usual);
    assert!(estimate::tokens("", None, &room) > usual);
}

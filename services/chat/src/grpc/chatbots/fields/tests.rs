//! What is accepted, what is refused, and that all faults come at once.

use proptest::prelude::*;
use troika_chassis::error::Code;
use troika_proto::chat::v1 as wire;

use super::*;

fn kinds(error: &Error) -> Vec<(&str, &str)> {
    error
        .violations()
        .iter()
        .map(|violation| (violation.field.as_str(), violation.kind.as_str()))
        .collect()
}

fn named(name: &str) -> wire::Bot {
    wire::Bot {
        name: name.into(),
        ..wire::Bot::default()
    }
}

#[test]
fn a_name_is_enough_for_a_bot() {
    let now = SystemTime::now();
    let (bot, _) = new_bot(&named("  Guide "), now).unwrap();
    assert_eq!(
        (bot.name.as_str(), bot.language.as_str(), bot.access),
        ("Guide", "en-IN", Access::Public)
    );
    assert_eq!(
        (bot.model, bot.temperature, bot.limits),
        (None, None, Limits::default())
    );
    assert!(bot.active && bot.created_at == now && bot.updated_at == now);
}

#[test]
fn an_id_is_made_of_the_time_and_chance() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let (first, second) = (new_id(at(1000)), new_id(at(1000)));
    assert_eq!(first.0[..4], second.0[..4]);
    assert_ne!(first, second);
    assert!(new_id(at(1001)) > first);
}

#[test]
fn everything_is_taken_over_and_put_in_order() {
    let sent = wire::Bot {
        id: "0123456789ABCDEF01234567".into(),
        name: "Guide".into(),
        persona: "You guide.".into(),
        model: "m".into(),
        temperature: Some(0.0),
        language: "hi".into(),
        access: wire::Access::Private.into(),
        allowed_origins: vec![
            "https://Example.com:443/".into(),
            "https://example.com".into(),
            "http://a.example:81".into(),
            "https://*.B.example".into(),
        ],
        booking_url: "https://cal.example/x".into(),
        limits: Some(wire::BotLimits {
            answer_characters: Some(2000),
            completion_tokens: Some(1),
            history_messages: Some(0),
            turn: Some(prost_types::Duration {
                seconds: 30,
                nanos: 0,
            }),
        }),
        ..wire::Bot::default()
    };
    let (bot, _) = new_bot(&sent, SystemTime::now()).unwrap();
    assert_eq!(bot.id.to_string(), "0123456789abcdef01234567");
    assert_eq!(bot.language, "hi-IN");
    assert_eq!(
        bot.allowed_origins,
        [
            "https://example.com",
            "http://a.example:81",
            "https://*.b.example"
        ]
    );
    assert_eq!(bot.limits.turn, Some(Duration::from_secs(30)));
    let back = wire::Bot::from(bot);
    assert_eq!(
        (back.access, back.limits, back.temperature),
        (sent.access, sent.limits, sent.temperature)
    );
}

#[test]
fn all_faults_of_a_bot_are_told_at_once() {
    let sent = wire::Bot {
        id: "xyz".into(),
        name: "x".repeat(101),
        persona: "क".repeat(8001),
        model: "m".repeat(300),
        temperature: Some(f64::NAN),
        language: "tlh".into(),
        access: 9,
        allowed_origins: vec![
            "https://a.example".into(),
            "https://a.example/path".into(),
            "javascript:alert(1)".into(),
            "https://*.com".into(),
        ],
        booking_url: "cal.example".into(),
        limits: Some(wire::BotLimits {
            answer_characters: Some(0),
            completion_tokens: Some(0),
            history_messages: Some(51),
            turn: Some(prost_types::Duration {
                seconds: -1,
                nanos: 0,
            }),
        }),
        ..wire::Bot::default()
    };
    let error = new_bot(&sent, SystemTime::now()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(
        kinds(&error),
        [
            ("id", "string.hex"),
            ("name", "string.max"),
            ("persona", "string.max"),
            ("model", "string.max"),
            ("temperature", "number.range"),
            ("language", "any.only"),
            ("access", "any.only"),
            ("allowed_origins[1]", "string.uri"),
            ("allowed_origins[2]", "string.uri"),
            ("allowed_origins[3]", "string.uri"),
            ("booking_url", "string.uri"),
            ("limits.answer_characters", "number.min"),
            ("limits.completion_tokens", "number.min"),
            ("limits.history_messages", "number.max"),
            ("limits.turn", "duration.range"),
        ],
    );
    assert!(
        error
            .message()
            .starts_with("id must be 24 hexadecimal digits; name must be")
    );
}

#[test]
fn lengths_are_counted_in_characters() {
    let sent = wire::Bot {
        name: "क".repeat(100),
        persona: "क".repeat(8000),
        ..wire::Bot::default()
    };
    assert!(new_bot(&sent, SystemTime::now()).is_ok());
}

#[test]
fn an_update_changes_what_the_mask_names_and_nothing_else() {
    let (mut bot, mut terms) = new_bot(
        &wire::Bot {
            persona: "Old.".into(),
            temperature: Some(1.0),
            ..named("Old")
        },
        UNIX_EPOCH + Duration::from_secs(10),
    )
    .unwrap();
    let before = bot.clone();
    let sent = wire::Bot {
        persona: "New.".into(),
        limits: Some(wire::BotLimits {
            history_messages: Some(3),
            ..wire::BotLimits::default()
        }),
        ..named("New")
    };
    let mask = ["persona", "temperature", "limits.history_messages"].map(String::from);
    update(
        (&mut bot, &mut terms),
        &sent,
        &mask,
        UNIX_EPOCH + Duration::from_secs(20),
    )
    .unwrap();
    assert_eq!(
        (bot.name.as_str(), bot.persona.as_str(), bot.temperature),
        ("Old", "New.", None)
    );
    assert_eq!(bot.limits.history_messages, Some(3));
    assert_eq!(bot.created_at, before.created_at);
    assert_eq!(bot.updated_at, UNIX_EPOCH + Duration::from_secs(20));
    update((&mut bot, &mut terms), &sent, &mask, UNIX_EPOCH).unwrap();
    assert_eq!(bot.updated_at, UNIX_EPOCH + Duration::from_secs(20));
}

#[test]
fn an_update_needs_an_id_and_a_mask_of_known_fields() {
    let error = checked_update(&wire::Bot::default(), &[]).unwrap_err();
    assert_eq!(
        kinds(&error),
        [("bot.id", "any.required"), ("update_mask", "any.required")]
    );
    for unknown in ["id", "created_at", "limits.unknown", "*", "Name"] {
        let sent = wire::Bot {
            id: "0".repeat(24),
            ..named("n")
        };
        let error = checked_update(&sent, &[unknown.into(), "language".into()]).unwrap_err();
        assert_eq!(kinds(&error), [("update_mask", "any.only")], "{unknown}");
    }
}

#[test]
fn a_header_tells_the_format_or_the_file_name_does() {
    let header =
        |file_name: &str, format: wire::DocumentFormat, language: &str| wire::ImportHeader {
            chatbot_id: "0".repeat(24),
            file_name: file_name.into(),
            format: format.into(),
            language: language.into(),
        };
    assert_eq!(
        upload(&header("a.MD", wire::DocumentFormat::Unspecified, ""))
            .unwrap()
            .format,
        Format::Markdown
    );
    assert_eq!(
        upload(&header("a.md", wire::DocumentFormat::Text, "zh-Hant-TW"))
            .unwrap()
            .format,
        Format::Text
    );
    let error = upload(&header(
        "a.exe",
        wire::DocumentFormat::Unspecified,
        "no language",
    ))
    .unwrap_err();
    assert_eq!(
        kinds(&error),
        [
            ("file_name", "string.format"),
            ("language", "string.pattern")
        ]
    );
    let error = upload(&wire::ImportHeader {
        format: 77,
        ..wire::ImportHeader::default()
    })
    .unwrap_err();
    let expected = [
        ("chatbot_id", "any.required"),
        ("file_name", "any.required"),
        ("format", "any.only"),
    ];
    assert_eq!(kinds(&error), expected);
    let error = upload(&header("a\n.md", wire::DocumentFormat::Unspecified, "")).unwrap_err();
    assert_eq!(kinds(&error), [("file_name", "string.pattern")]);
}

#[test]
fn counts_have_a_default_and_a_most() {
    let mut faults = Faults::default();
    assert_eq!(faults.count("limit", 0, (200, 10)), 10);
    assert_eq!(faults.count("limit", 200, (200, 10)), 200);
    assert!(faults.none().is_ok());
    let mut faults = Faults::default();
    faults.count("limit", 201, (200, 10));
    let error = faults.none().unwrap_err();
    assert_eq!(kinds(&error), [("limit", "number.max")]);
}

proptest! {
    #[test]
    fn nothing_that_is_sent_panics(name in "\\PC{0,20}", origin in "\\PC{0,30}", path in "\\PC{0,30}") {
        let sent = wire::Bot { allowed_origins: vec![origin.clone()], booking_url: origin, ..named(&name) };
        let _ = new_bot(&sent, SystemTime::now());
        let _ = checked_update(&sent, &[path]);
    }
}

#[test]
fn what_a_bot_may_use_is_taken_over_and_what_it_used_is_not() {
    let sent = wire::Bot {
        company_id: " c ".into(),
        quota: Some(wire::BotQuota {
            token_limit: Some(0),
            used_tokens: 99,
            monthly_limit: Some(TOKENS),
            monthly_used: 99,
            subscription_ends: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 2_999_999,
            }),
            free_messages: Some(3),
            auth_method: " email ".into(),
        }),
        ..named("Guide")
    };
    let (mut bot, mut terms) = new_bot(&sent, SystemTime::now()).unwrap();
    let expected = Terms {
        token_limit: Some(0),
        monthly_limit: Some(TOKENS),
        subscription_ends: Some(UNIX_EPOCH + Duration::from_millis(1_002)),
        free_messages: Some(3),
        auth_method: Some("email".into()),
    };
    assert_eq!((bot.company.as_deref(), &terms), (Some("c"), &expected));
    let mask = ["company_id", "quota.token_limit", "quota.subscription_ends"].map(String::from);
    let nothing = named("n");
    update((&mut bot, &mut terms), &nothing, &mask, SystemTime::now()).unwrap();
    assert_eq!((bot.company, terms.token_limit), (None, None));
    assert_eq!(
        (terms.subscription_ends, terms.free_messages),
        (None, Some(3))
    );

    let quota = wire::BotQuota {
        token_limit: Some(TOKENS + 1),
        subscription_ends: Some(prost_types::Timestamp {
            seconds: -1,
            nanos: 0,
        }),
        auth_method: "x".repeat(51),
        ..wire::BotQuota::default()
    };
    let sent = wire::Bot {
        quota: Some(quota),
        ..named("n")
    };
    let expected = [
        ("quota.token_limit", "number.range"),
        ("quota.subscription_ends", "date.range"),
        ("quota.auth_method", "string.max"),
    ];
    assert_eq!(kinds(&new_bot(&sent, UNIX_EPOCH).unwrap_err()), expected);
    let error = checked_update(
        &wire::Bot {
            id: "0".repeat(24),
            ..named("n")
        },
        &["quota.used_tokens".into()],
    );
    assert_eq!(kinds(&error.unwrap_err()), [("update_mask", "any.only")]);
}

use std::time::{Duration, SystemTime};

use super::*;
use crate::bots::{Access, BotId, Limits};

fn guide() -> Bot {
    Bot {
        id: BotId([7; 12]),
        name: "Guide".to_owned(),
        persona: "You are kind.".to_owned(),
        model: None,
        temperature: Some(0.5),
        language: "en-IN".to_owned(),
        access: Access::Private,
        active: true,
        allowed_origins: vec!["https://shop.example".to_owned()],
        booking_url: None,
        limits: Limits {
            turn: Some(Duration::from_millis(1500)),
            ..Limits::default()
        },
        company: Some("c-1".to_owned()),
        created_at: SystemTime::UNIX_EPOCH,
        updated_at: SystemTime::UNIX_EPOCH,
    }
}

#[test]
fn a_bot_is_told_by_what_people_can_change() {
    let told = bot(&guide());
    assert_eq!(told["persona"], "You are kind.");
    assert_eq!(told["access"], "private");
    assert_eq!(told["limits"]["turn"], 1.5);
    assert_eq!(told["company"], "c-1");
    for absent in NO_FIELDS {
        assert!(told.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_mask_names_what_is_told() {
    let mask = ["name", "limits.turn", "booking_url"].map(String::from);
    let told = named(&bot(&guide()), &mask);
    assert_eq!(
        told,
        json!({ "name": "Guide", "limits.turn": 1.5, "booking_url": null })
    );
    let whole = named(&bot(&guide()), &["limits".to_owned()]);
    assert_eq!(whole["limits"]["turn"], 1.5);
}

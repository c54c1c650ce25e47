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

fn terms() -> Terms {
    Terms {
        token_limit: Some(1000),
        ..Terms::default()
    }
}

#[test]
fn a_bot_is_told_by_what_people_can_change() {
    let told = bot(&guide(), &terms());
    assert_eq!(told["persona"], "You are kind.");
    assert_eq!(told["access"], "private");
    assert_eq!(told["limits"]["turn"], 1.5);
    assert_eq!(told["company_id"], "c-1");
    assert_eq!(told["quota"]["token_limit"], 1000);
    for absent in NO_FIELDS {
        assert!(told.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_mask_names_what_is_told() {
    let mask = [
        "name",
        "limits.turn",
        "booking_url",
        "company_id",
        "quota.token_limit",
    ]
    .map(String::from);
    let told = fields(&guide(), &terms(), &mask);
    assert_eq!(
        told,
        json!({ "name": "Guide", "limits.turn": 1.5, "booking_url": null, "company_id": "c-1", "quota.token_limit": 1000 })
    );
    let whole = fields(&guide(), &terms(), &["limits".to_owned()]);
    assert_eq!(whole["limits"]["turn"], 1.5);
}

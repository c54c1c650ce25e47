//! Quotas that others wrote into MongoDB: read as they are, counted on from where they stand, and theirs stays theirs.

use std::time::{Duration, SystemTime};

use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use troika_chat::{
    bots::{BotId, BotStore},
    quota::{Month, Quota, QuotaStore, Reserved, Terms, Used},
};

use crate::{
    engines::{self, MongoEngine},
    existing_documents::{id, insert, only},
    quotas::{BOT, reservation, settlement},
};

fn now() -> SystemTime {
    humantime::parse_rfc3339("2026-11-23T10:00:00Z").unwrap()
}

async fn quota(engine: &MongoEngine, bot: BotId) -> Quota {
    let mut quotas = engine.store.quotas(&[bot], now()).await.unwrap();
    quotas.remove(&bot).unwrap_or_default()
}

#[tokio::test]
async fn limits_of_any_number_type_bound_and_what_is_no_limit_does_not() {
    let engine = engines::mongo().await;
    let limits = [
        (Bson::Int32(100), true),
        (Bson::Int64(100), true),
        (Bson::Double(100.0), true),
        (Bson::Null, false),
        (Bson::Int32(-1), false),
        (Bson::String("100".into()), false),
    ];
    for (number, (limit, bounds)) in (10_u8..).zip(limits) {
        let bot = BotId([number; 12]);
        let document = doc! {
            "_id": id(bot), "name": "Old", "token_limit": limit.clone(), "used_tokens": 40.0, "monthlyLimit": limit.clone(),
            "monthlyUsed": Bson::Null,
        };
        insert(&engine, "chatbots", document).await;
        let terms = quota(&engine, bot).await.terms;
        assert_eq!(terms.token_limit, bounds.then_some(100), "{limit}");
        for (tokens, fits) in [(61, false), (60, true)] {
            let turn = troika_chat::quota::Reservation {
                bot,
                ..reservation(tokens, now())
            };
            let reserved = engine.store.reserve(&turn).await.unwrap();
            let expected = match reserved {
                Reserved::Unlimited => !bounds,
                Reserved::Held(_) => bounds && fits,
                Reserved::Exhausted(_) => bounds && !fits,
            };
            assert!(expected, "{limit} {tokens}: {reserved:?}");
        }
    }
}

#[tokio::test]
async fn what_was_used_before_is_this_months_and_counts_on() {
    let engine = engines::mongo().await;
    let company = ObjectId::new();
    let document = doc! {
        "_id": id(BOT), "company_id": company, "name": "Old", "token_limit": 1_000, "used_tokens": 12.5,
        "monthlyLimit": 100_i64, "monthlyUsed": 90, "nested": { "deep": 1 },
    };
    insert(&engine, "chatbots", document).await;
    let used = quota(&engine, BOT).await.used;
    assert_eq!((used.tokens, used.this_month), (12, 90));
    // It says whose month it is even where nobody is let in: else it never would be another's.
    let refused = engine.store.reserve(&reservation(11, now())).await.unwrap();
    assert!(matches!(refused, Reserved::Exhausted(_)), "{refused:?}");
    let document = only(&engine, "chatbots").await;
    assert_eq!(document.get_str("monthly_period").unwrap(), "2026-11");
    let next_month = now() + Duration::from_secs(31 * 24 * 3600);
    let turn = reservation(100, next_month);
    let held = engine.store.reserve(&turn).await.unwrap();
    assert!(matches!(held, Reserved::Held(_)), "{held:?}");
    engine.store.settle(&settlement(&turn, 30)).await.unwrap();
    let mut document = only(&engine, "chatbots").await;
    for ours in ["quota_held", "_id"] {
        document.remove(ours);
    }
    let expected = doc! {
        "company_id": company, "name": "Old", "token_limit": 1_000, "used_tokens": 42.5, "monthlyLimit": 100_i64,
        "monthlyUsed": 30_i64, "nested": { "deep": 1 }, "monthly_period": Month::of(next_month).as_str(),
    };
    assert_eq!(document, expected);
    let bot = engine.store.get(BOT).await.unwrap().unwrap();
    assert_eq!(bot.company, Some(company.to_hex()));
}

#[tokio::test]
async fn a_settlement_without_a_reservation_counts_from_whatever_stood_there() {
    let engine = engines::mongo().await;
    let document = doc! {
        "_id": id(BOT), "token_limit": 10, "used_tokens": Bson::Null, "monthlyUsed": "many", "quota_held": "nothing",
    };
    insert(&engine, "chatbots", document).await;
    let unasked = troika_chat::quota::Settlement {
        held: false,
        ..settlement(&reservation(0, now()), 7)
    };
    engine.store.settle(&unasked).await.unwrap();
    let used = quota(&engine, BOT).await.used;
    assert_eq!((used.tokens, used.this_month), (7, 7));
}

async fn subscription(engine: &MongoEngine, chatbot: impl Into<Bson>, end: Bson, status: Bson) {
    let document =
        doc! { "chatbot_id": chatbot.into(), "end_date": end, "status": status, "plan": "tea" };
    insert(engine, "subscriptions", document).await;
}

fn day(number: i64) -> DateTime {
    DateTime::from_millis(number * 86_400_000)
}

#[tokio::test]
async fn of_subscriptions_the_last_end_in_force_counts() {
    let engine = engines::mongo().await;
    let bots: Vec<BotId> = (20..27).map(|number| BotId([number; 12])).collect();
    let active = || Bson::from("Active");
    subscription(&engine, id(bots[0]), day(5).into(), active()).await;
    subscription(&engine, bots[0].to_string(), day(9).into(), Bson::Null).await;
    subscription(&engine, id(bots[0]), day(12).into(), "cancelled".into()).await;
    subscription(&engine, id(bots[1]), day(9_000).into(), "expired".into()).await;
    subscription(&engine, id(bots[2]), day(5).into(), active()).await;
    subscription(&engine, id(bots[2]), Bson::Null, active()).await;
    subscription(
        &engine,
        id(bots[3]),
        "1970-01-05T00:00:00Z".into(),
        "trial".into(),
    )
    .await;
    subscription(&engine, "nobody", day(5).into(), active()).await;
    let quotas = engine.store.quotas(&bots, now()).await.unwrap();
    let ends = |bot: usize| {
        quotas
            .get(&bots[bot])
            .and_then(|quota| quota.terms.subscription_ends)
    };
    let expected = [Some(day(9)), Some(day(0)), None, Some(day(4)), None];
    for (bot, expected) in expected.into_iter().enumerate() {
        assert_eq!(ends(bot), expected.map(DateTime::to_system_time), "{bot}");
    }
}

#[tokio::test]
async fn terms_are_set_beside_what_others_wrote() {
    let engine = engines::mongo().await;
    insert(&engine, "chatbots", doc! { "_id": id(BOT), "name": "Old" }).await;
    let config = doc! {
        "chatbot_id": BOT.to_string(), "auth_method": "whatsapp", "free_messages": 2.0, "link_intents": ["a"],
    };
    insert(&engine, "clientconfigs", config).await;
    subscription(&engine, BOT.to_string(), day(5).into(), "active".into()).await;
    let read = quota(&engine, BOT).await.terms;
    let expected = Terms {
        subscription_ends: Some(day(5).to_system_time()),
        free_messages: Some(2),
        auth_method: Some("whatsapp".into()),
        ..Terms::default()
    };
    assert_eq!(read, expected);
    let terms = Terms {
        subscription_ends: Some(day(30_000).to_system_time()),
        free_messages: None,
        monthly_limit: Some(7),
        ..expected
    };
    engine.store.set_terms(BOT, &terms).await.unwrap();
    assert_eq!(
        quota(&engine, BOT).await,
        Quota {
            terms,
            used: Used::default()
        }
    );
    let without_id = |mut document: Document| {
        document.remove("_id");
        document
    };
    assert_eq!(
        without_id(only(&engine, "clientconfigs").await),
        doc! { "chatbot_id": BOT.to_string(), "auth_method": "whatsapp", "link_intents": ["a"] }
    );
    assert_eq!(
        without_id(only(&engine, "subscriptions").await),
        doc! { "chatbot_id": BOT.to_string(), "end_date": day(30_000), "status": "active", "plan": "tea" }
    );
    assert_eq!(
        without_id(only(&engine, "chatbots").await),
        doc! { "name": "Old", "monthlyLimit": 7_i64 }
    );
}

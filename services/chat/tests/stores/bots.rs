//! The contract of `BotStore`.

use std::time::{Duration, SystemTime};

use troika_chat::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    store::StoreError,
};

/// A time that every store can keep: to the millisecond.
pub(crate) fn time(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// A bot with every field set.
pub(crate) fn bot(number: u8) -> Bot {
    Bot {
        id: BotId([number; 12]),
        name: format!("Bot {number}"),
        persona: "You are brief. — Sei kurz. — संक्षेप में।".into(),
        model: Some("gpt-4o-mini".into()),
        temperature: Some(0.25),
        language: "hi-IN".into(),
        access: Access::Private,
        active: true,
        allowed_origins: vec!["https://one.example".into(), "https://two.example".into()],
        booking_url: Some("https://book.example/me".into()),
        limits: Limits {
            answer_characters: Some(1_000),
            completion_tokens: Some(512),
            history_messages: Some(4),
            turn: Some(Duration::from_millis(30_500)),
        },
        company: None,
        created_at: time(1_790_000_000_123),
        updated_at: time(1_790_000_000_456),
    }
}

async fn a_bot_is_read_back_as_it_was_created(store: &dyn BotStore) {
    let sparse = Bot {
        model: None,
        temperature: None,
        access: Access::Public,
        active: false,
        allowed_origins: Vec::new(),
        booking_url: None,
        limits: Limits::default(),
        ..bot(2)
    };
    for bot in [bot(1), sparse] {
        assert_eq!(store.get(bot.id).await.unwrap(), None);
        store.create(&bot).await.unwrap();
        assert_eq!(store.get(bot.id).await.unwrap(), Some(bot));
    }
}

async fn an_id_that_is_taken_is_refused_and_its_bot_stays(store: &dyn BotStore) {
    store.create(&bot(1)).await.unwrap();
    let error = store
        .create(&Bot {
            name: "Another".into(),
            ..bot(1)
        })
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists), "{error:?}");
    assert_eq!(store.get(bot(1).id).await.unwrap(), Some(bot(1)));
}

async fn an_update_replaces_every_field_and_takes_away_what_is_none(store: &dyn BotStore) {
    store.create(&bot(1)).await.unwrap();
    let changed = Bot {
        name: "New name".into(),
        persona: String::new(),
        model: None,
        temperature: None,
        language: "en-IN".into(),
        access: Access::Public,
        active: false,
        allowed_origins: Vec::new(),
        booking_url: None,
        limits: Limits {
            turn: Some(Duration::from_secs(1)),
            ..Limits::default()
        },
        updated_at: time(1_790_000_100_000),
        ..bot(1)
    };
    store.update(&changed).await.unwrap();
    assert_eq!(store.get(changed.id).await.unwrap(), Some(changed.clone()));
    store
        .update(&Bot {
            limits: Limits::default(),
            ..changed.clone()
        })
        .await
        .unwrap();
    assert_eq!(
        store.get(changed.id).await.unwrap().unwrap().limits,
        Limits::default()
    );
    store.update(&bot(1)).await.unwrap();
    assert_eq!(store.get(changed.id).await.unwrap(), Some(bot(1)));
}

async fn updating_a_bot_that_is_not_there_says_so_and_makes_none(store: &dyn BotStore) {
    let error = store.update(&bot(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error:?}");
    assert_eq!(store.get(bot(1).id).await.unwrap(), None);
}

async fn bots_are_listed_in_the_order_of_their_ids_page_by_page(store: &dyn BotStore) {
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    for number in [3, 0, 255, 1, 2] {
        store.create(&bot(number)).await.unwrap();
    }
    let all = [bot(0), bot(1), bot(2), bot(3), bot(255)];
    assert_eq!(store.list(None, 10).await.unwrap(), all);
    assert_eq!(store.list(None, 2).await.unwrap(), all[..2]);
    assert_eq!(store.list(Some(bot(1).id), 2).await.unwrap(), all[2..4]);
    assert_eq!(
        store.list(Some(BotId([4; 12])), 10).await.unwrap(),
        all[4..]
    );
    assert_eq!(store.list(Some(bot(255).id), 10).await.unwrap(), []);
    assert_eq!(store.list(None, 0).await.unwrap(), []);
}

async fn a_deleted_bot_is_gone_and_its_neighbour_stays(store: &dyn BotStore) {
    store.create(&bot(1)).await.unwrap();
    store.create(&bot(2)).await.unwrap();
    assert!(store.delete(bot(1).id).await.unwrap());
    assert!(!store.delete(bot(1).id).await.unwrap());
    assert_eq!(store.list(None, 10).await.unwrap(), [bot(2)]);
}

over_every_store!(
    a_bot_is_read_back_as_it_was_created,
    an_id_that_is_taken_is_refused_and_its_bot_stays,
    an_update_replaces_every_field_and_takes_away_what_is_none,
    updating_a_bot_that_is_not_there_says_so_and_makes_none,
    bots_are_listed_in_the_order_of_their_ids_page_by_page,
    a_deleted_bot_is_gone_and_its_neighbour_stays,
);

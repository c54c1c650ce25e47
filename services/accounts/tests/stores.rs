//! What every store promises, asked of each of them; and of one that refuses and one that hangs.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bson::doc;
use tempfile::TempDir;
use troika_accounts::{
    Account, Email, Role, Tries,
    store::{Inserted, Store, StoreError, embedded::Embedded, mongo::MongoStore},
};
use troika_chassis::mongo::{Mongo, MongoConfig};
use troika_tests::servers::{self, Server};
use uuid::Uuid;

/// A store, and what it stands on.
struct Engine {
    name: &'static str,
    store: Arc<dyn Store>,
    _folder: Option<TempDir>,
    _server: Option<Server>,
}

async fn connection(port: u16) -> Mongo {
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{port}/shop").as_str().into(),
        server_selection_timeout: Duration::from_millis(500),
        operation_timeout: Duration::from_secs(1),
        ..MongoConfig::default()
    };
    Mongo::connect(&config).await.unwrap()
}

async fn engines() -> [Engine; 2] {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::mongodb();
    [
        Engine {
            name: "embedded",
            store: Arc::new(Embedded::open(&folder.path().join("accounts.redb")).unwrap()),
            _folder: Some(folder),
            _server: None,
        },
        Engine {
            name: "mongo",
            store: Arc::new(MongoStore::new(connection(server.port).await)),
            _folder: None,
            _server: Some(server),
        },
    ]
}

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_800_000_000_000 + millis)
}

fn account(email: &str) -> Account {
    Account {
        id: Uuid::new_v4(),
        email: Email::parse(email).unwrap(),
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
        role: Role::SuperAdmin,
        enabled: true,
        revision: 1,
        created_at: at(7),
        last_sign_in: None,
    }
}

/// Tries that expire in an hour from now.
fn tries(tag: u64, wrong: u32) -> Tries {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_millis() as u64;
    Tries {
        tag,
        wrong,
        until: now + 30_000,
        expires: now + 3_600_000,
    }
}

#[tokio::test]
async fn accounts_are_found_by_address_and_id_and_listed_by_address() {
    for Engine { name, store, .. } in &engines().await {
        assert!(store.list().await.unwrap().is_empty(), "{name}");
        let (ada, bob) = (account("ada@shop.example"), account("bob@shop.example"));
        assert_eq!(store.insert(&bob).await.unwrap(), Inserted::Done, "{name}");
        assert_eq!(store.insert(&ada).await.unwrap(), Inserted::Done, "{name}");
        let listed = store.list().await.unwrap();
        assert!(listed == [ada.clone(), bob.clone()], "{name}: {listed:?}");
        let found = store.by_email(&ada.email).await.unwrap();
        assert!(found == Some(ada.clone()), "{name}");
        let found = store.by_id(bob.id).await.unwrap();
        assert!(found == Some(bob), "{name}");
        let nobody = Email::parse("eve@shop.example").unwrap();
        assert_eq!(store.by_email(&nobody).await.unwrap(), None, "{name}");
        assert_eq!(store.by_id(Uuid::new_v4()).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn an_address_has_one_account_however_many_ask_at_once() {
    for Engine { name, store, .. } in &engines().await {
        let all = (0..8).map(|_| {
            let store = Arc::clone(store);
            async move { store.insert(&account("ada@shop.example")).await.unwrap() }
        });
        let outcomes = futures::future::join_all(all).await;
        let done = outcomes
            .iter()
            .filter(|outcome| **outcome == Inserted::Done);
        assert_eq!(done.count(), 1, "{name}");
        assert_eq!(store.list().await.unwrap().len(), 1, "{name}");
        // Once it is deleted the address is free.
        let id = store.list().await.unwrap()[0].id;
        assert!(store.delete(id, 1).await.unwrap(), "{name}");
        let again = store.insert(&account("ada@shop.example")).await.unwrap();
        assert_eq!(again, Inserted::Done, "{name}");
    }
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_stays() {
    for Engine { name, store, .. } in &engines().await {
        let first = account("ada@shop.example");
        store.insert(&first).await.unwrap();
        let changed = Account {
            password_hash: "$argon2id$another".to_owned(),
            role: Role::Admin,
            enabled: false,
            revision: 2,
            ..first.clone()
        };
        assert!(
            store.signed_in(first.id, 1, at(1), None).await.unwrap(),
            "{name}"
        );
        assert!(store.change(&changed, 1).await.unwrap(), "{name}");
        assert!(!store.change(&first, 1).await.unwrap(), "{name}");
        assert!(!store.delete(first.id, 1).await.unwrap(), "{name}");
        let late = store.signed_in(first.id, 1, at(9), Some("$stolen"));
        assert!(!late.await.unwrap(), "{name}");
        let found = store.by_id(first.id).await.unwrap().unwrap();
        let expected = Account {
            last_sign_in: Some(at(1)),
            ..changed
        };
        assert!(found == expected, "{name}: {found:?}");
        let rehashed = store.signed_in(first.id, 2, at(2), Some("$stronger"));
        assert!(rehashed.await.unwrap(), "{name}");
        let found = store.by_id(first.id).await.unwrap().unwrap();
        assert_eq!(found.password_hash, "$stronger", "{name}");
        assert_eq!(
            (found.revision, found.last_sign_in),
            (2, Some(at(2))),
            "{name}"
        );
        assert!(store.delete(first.id, 2).await.unwrap(), "{name}");
        assert!(!store.delete(first.id, 2).await.unwrap(), "{name}");
        assert_eq!(store.by_email(&first.email).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn tries_are_put_in_the_place_of_what_was_read_alone() {
    for Engine { name, store, .. } in &engines().await {
        let (one, two) = (tries(u64::MAX, 1), tries(2, 2));
        assert_eq!(store.tries("a").await.unwrap(), None, "{name}");
        let swap = |known: Option<&Tries>, new: Option<&Tries>| {
            let store = Arc::clone(store);
            let (known, new) = (known.cloned(), new.cloned());
            async move {
                let swapped = store.swap_tries("a", known.as_ref(), new.as_ref());
                swapped.await.unwrap()
            }
        };
        assert!(swap(None, None).await, "{name}");
        assert!(!swap(Some(&one), Some(&two)).await, "{name}");
        assert!(swap(None, Some(&one)).await, "{name}");
        assert_eq!(store.tries("a").await.unwrap(), Some(one.clone()), "{name}");
        assert!(!swap(None, Some(&two)).await, "{name}");
        assert!(!swap(None, None).await, "{name}");
        assert!(!swap(Some(&two), None).await, "{name}");
        assert!(swap(Some(&one), Some(&two)).await, "{name}");
        assert_eq!(store.tries("a").await.unwrap(), Some(two.clone()), "{name}");
        assert_eq!(store.tries("b").await.unwrap(), None, "{name}");
        assert!(swap(Some(&two), None).await, "{name}");
        assert_eq!(store.tries("a").await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn of_many_who_count_at_once_none_is_lost() {
    for Engine { name, store, .. } in &engines().await {
        let all = (0..6_u64).map(|own| {
            let store = Arc::clone(store);
            async move {
                for turn in 0.. {
                    let known = store.tries("a").await.unwrap();
                    let wrong = known.as_ref().map_or(0, |known| known.wrong) + 1;
                    let new = tries(own * 1000 + turn, wrong);
                    let swapped = store.swap_tries("a", known.as_ref(), Some(&new));
                    if swapped.await.unwrap() {
                        return;
                    }
                }
            }
        });
        futures::future::join_all(all).await;
        let counted = store.tries("a").await.unwrap().unwrap();
        assert_eq!(counted.wrong, 6, "{name}");
    }
}

#[tokio::test]
async fn a_file_lets_go_of_tries_that_expired() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("accounts.redb")).unwrap();
    let old = Tries {
        expires: 1,
        ..tries(1, 1)
    };
    assert!(store.swap_tries("old", None, Some(&old)).await.unwrap());
    let new = tries(2, 1);
    assert!(store.swap_tries("new", None, Some(&new)).await.unwrap());
    assert_eq!(store.tries("old").await.unwrap(), None);
    assert_eq!(store.tries("new").await.unwrap(), Some(new));
}

#[tokio::test]
async fn a_server_lets_go_of_tries_by_its_index_and_keeps_addresses_apart_by_another() {
    let server = servers::mongodb();
    let mongo = connection(server.port).await;
    let store = MongoStore::new(mongo.clone());
    store
        .swap_tries("a", None, Some(&tries(1, 1)))
        .await
        .unwrap();
    for (collection, index) in [("signintries", "expires_1"), ("admins", "email_1")] {
        let collection = mongo.db.collection::<bson::Document>(collection);
        let indexes = collection.list_index_names().await.unwrap();
        assert!(indexes.iter().any(|name| name == index), "{indexes:?}");
    }
}

#[tokio::test]
async fn what_others_put_into_the_collection_is_neither_an_account_nor_in_the_way() {
    let server = servers::mongodb();
    let mongo = connection(server.port).await;
    let admins = mongo.db.collection::<bson::Document>("admins");
    admins
        .insert_many([
            doc! { "email": "ada@shop.example", "password": "of another program" },
            doc! { "name": "no address" },
            doc! { "name": "nor here" },
            doc! { "revision": 1_i64, "email": 7 },
        ])
        .await
        .unwrap();
    let store = MongoStore::new(mongo.clone());
    assert!(store.list().await.unwrap().is_empty());
    let ada = account("ada@shop.example");
    assert_eq!(store.by_email(&ada.email).await.unwrap(), None);
    assert_eq!(store.insert(&ada).await.unwrap(), Inserted::Done);
    assert!(store.by_email(&ada.email).await.unwrap() == Some(ada.clone()));
    assert_eq!(store.list().await.unwrap().len(), 1);
    // Fields of others beside ours stay.
    let own = doc! { "_id": ada.id.to_string() };
    let theirs = doc! { "$set": { "nickname": "countess" } };
    admins.update_one(own.clone(), theirs).await.unwrap();
    let changed = Account { revision: 2, ..ada };
    assert!(store.change(&changed, 1).await.unwrap());
    let kept = admins.find_one(own).await.unwrap().unwrap();
    assert_eq!(kept.get_str("nickname").unwrap(), "countess");
}

#[tokio::test]
async fn a_server_that_refuses_or_hangs_fails_every_call_in_time() {
    let hanging = servers::hanging();
    for port in [
        servers::refusing().port(),
        hanging.local_addr().unwrap().port(),
    ] {
        let store = MongoStore::new(connection(port).await);
        let ada = account("ada@shop.example");
        let began = Instant::now();
        let away = |error: StoreError| matches!(error, StoreError::Unavailable(_));
        assert!(store.list().await.is_err_and(away));
        assert!(store.by_email(&ada.email).await.is_err_and(away));
        assert!(store.insert(&ada).await.is_err_and(away));
        assert!(store.change(&ada, 1).await.is_err_and(away));
        assert!(store.delete(ada.id, 1).await.is_err_and(away));
        assert!(store.tries("a").await.is_err_and(away));
        assert!(store.lease("me", Duration::ZERO).await.is_err_and(away));
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn a_file_has_one_owner_and_the_second_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.redb");
    let _first = Embedded::open(&path).unwrap();
    let problem = Embedded::open(&path).unwrap_err().to_string();
    assert!(problem.contains("TROIKA_DATA_DIR"), "{problem}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.redb");
    drop(Embedded::open(&path).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

//! What every store promises, asked of each of them; and of one that refuses and one that hangs.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tempfile::TempDir;
use troika_chassis::mongo::{Mongo, MongoConfig};
use troika_evaluation::flag::Flag;
use troika_flags::{
    log::{Author, Entry, FlagChange},
    store::{Appended, Store, StoreError, embedded::Embedded, mongo::MongoStore},
};
use troika_rollouts::{
    decide::{Timing, decide},
    plan::Plan,
    rollout::Rollout,
};
use troika_tests::servers::{self, Server};

/// A store, and what it stands on.
struct Engine {
    name: &'static str,
    store: Arc<dyn Store>,
    _folder: Option<TempDir>,
    _server: Option<Server>,
}

async fn mongo(port: u16) -> MongoStore {
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{port}/shop").as_str().into(),
        server_selection_timeout: Duration::from_millis(500),
        operation_timeout: Duration::from_secs(1),
        ..MongoConfig::default()
    };
    MongoStore::new(Mongo::connect(&config).await.unwrap())
}

async fn engines() -> [Engine; 2] {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::mongodb();
    [
        Engine {
            name: "embedded",
            store: Arc::new(Embedded::open(&folder.path().join("flags.redb")).unwrap()),
            _folder: Some(folder),
            _server: None,
        },
        Engine {
            name: "mongo",
            store: Arc::new(mongo(server.port).await),
            _folder: None,
            _server: Some(server),
        },
    ]
}

fn entry(revision: u64, key: &str) -> Entry {
    let flag = Flag {
        revision,
        ..Flag::boolean(key, "Ünïcode, \"quotes\" and $dollars.", 12.345)
    };
    Entry {
        revision,
        // To the nanosecond: what is read back must be what was written.
        at: SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789),
        author: Author {
            name: "tests".to_owned(),
            reason: "because".to_owned(),
        },
        flag: Some(FlagChange {
            key: key.to_owned(),
            before: None,
            after: Some(flag),
        }),
        rollout: None,
    }
}

fn rollout() -> Rollout {
    let (id, flag) = ("r-1".to_owned(), "streaming".to_owned());
    let (by, why) = ("tests".to_owned(), String::new());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Rollout::start(id, flag, "v2".to_owned(), Plan::default(), by, why, now).rollout
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_read_back_to_the_letter_and_in_order() {
    for Engine { name, store, .. } in &engines().await {
        assert!(store.after(0, 10).await.unwrap().is_empty(), "{name}");
        let entries = [entry(1, "a"), entry(2, "b"), entry(3, "a")];
        for entry in &entries {
            assert_eq!(store.append(entry).await.unwrap(), Appended::Done, "{name}");
        }
        let with_rollout = Entry {
            flag: None,
            rollout: Some(Box::new(rollout())),
            ..entry(4, "streaming")
        };
        store.append(&with_rollout).await.unwrap();
        assert_eq!(store.after(0, 3).await.unwrap(), entries, "{name}");
        assert_eq!(store.after(3, 10).await.unwrap(), [with_rollout], "{name}");
        let [first, second, third] = entries;
        let of_a = store.before(u64::MAX, Some("a"), 10).await.unwrap();
        assert_eq!(of_a, [third.clone(), first.clone()], "{name}");
        assert_eq!(
            store.before(3, None, 10).await.unwrap(),
            [second.clone(), first],
            "{name}"
        );
        assert_eq!(
            store.before(u64::MAX, None, 2).await.unwrap(),
            [third, second],
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_append_the_same_number_one_is_told() {
    for Engine { name, store, .. } in &engines().await {
        let mut writers = Vec::new();
        for key in ["a", "b", "c", "d"] {
            let store = store.clone();
            writers.push(tokio::spawn(async move {
                store.append(&entry(1, key)).await.unwrap()
            }));
        }
        let mut done = 0;
        for writer in writers {
            done += usize::from(writer.await.unwrap() == Appended::Done);
        }
        assert_eq!(done, 1, "{name}");
        assert_eq!(store.after(0, 10).await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_kept_newest_first_and_each_rollouts_apart() {
    for Engine { name, store, .. } in &engines().await {
        let rollout = rollout();
        let at = |seconds| {
            let now = rollout.started_at + Duration::from_secs(seconds);
            decide(
                &rollout.plan.criteria,
                None,
                &Timing {
                    now,
                    ..rollout.timing(now)
                },
            )
        };
        for seconds in [1, 2, 3] {
            store.decide("r-1", &at(seconds)).await.unwrap();
        }
        store.decide("r-2", &at(9)).await.unwrap();
        assert_eq!(
            store.decisions("r-1", 2).await.unwrap(),
            [at(3), at(2)],
            "{name}"
        );
        assert_eq!(store.decisions("r-2", 10).await.unwrap(), [at(9)], "{name}");
        assert!(
            store.decisions("r-3", 10).await.unwrap().is_empty(),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_holds_the_lease_until_it_runs_out_or_is_given_back() {
    for Engine { name, store, .. } in &engines().await {
        let long = Duration::from_secs(60);
        assert!(store.lease("a", long).await.unwrap(), "{name}");
        assert!(store.lease("a", long).await.unwrap(), "{name}");
        if !store.is_shared() {
            continue;
        }
        assert!(!store.lease("b", long).await.unwrap(), "{name}");
        store.release("b").await.unwrap();
        assert!(!store.lease("b", long).await.unwrap(), "{name}");
        store.release("a").await.unwrap();
        assert!(store.lease("b", Duration::ZERO).await.unwrap(), "{name}");
        tokio::time::timeout(Duration::from_secs(10), async {
            while !store.lease("a", long).await.unwrap() {}
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_survives_a_restart_and_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.redb");
    let store = Embedded::open(&path).unwrap();
    store.append(&entry(1, "a")).await.unwrap();
    let told = Embedded::open(&path).unwrap_err().to_string();
    assert!(told.contains("TROIKA_DATA_DIR"), "{told}");
    drop(store);
    let again = Embedded::open(&path).unwrap();
    assert_eq!(again.after(0, 10).await.unwrap(), [entry(1, "a")]);
    assert_eq!(again.append(&entry(1, "b")).await.unwrap(), Appended::Taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_or_hangs_is_told_in_bounded_time() {
    let hanging = servers::hanging();
    for port in [
        servers::refusing().port(),
        hanging.local_addr().unwrap().port(),
    ] {
        let store = mongo(port).await;
        let began = Instant::now();
        assert!(matches!(
            store.after(0, 10).await,
            Err(StoreError::Unavailable(_))
        ));
        assert!(matches!(
            store.append(&entry(1, "a")).await,
            Err(StoreError::Unavailable(_))
        ));
        assert!(matches!(
            store.lease("a", Duration::ZERO).await,
            Err(StoreError::Unavailable(_))
        ));
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
    }
}

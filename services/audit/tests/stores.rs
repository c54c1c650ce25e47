//! What every store promises, asked of each of them; and of one that refuses and one that hangs.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use redb::ReadableTable as _;
use serde_json::json;
use tempfile::TempDir;
use troika_audit::{
    AuditLog, Change, Verified,
    store::{Store, Wanted, embedded, mongo::MongoStore},
};
use troika_chassis::{
    embedded::DatabaseFile,
    lifecycle::Drain,
    mongo::{Mongo, MongoConfig},
};
use troika_identity::{Caller, Role};
use troika_tests::servers::{self, Server};

/// A store, and what it stands on.
struct Engine {
    name: &'static str,
    store: Arc<dyn Store>,
    _folder: Option<TempDir>,
    _server: Option<Server>,
}

async fn connected(port: u16) -> Mongo {
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{port}/shop").as_str().into(),
        server_selection_timeout: Duration::from_millis(500),
        operation_timeout: Duration::from_secs(1),
        ..MongoConfig::default()
    };
    Mongo::connect(&config).await.unwrap()
}

fn file(folder: &TempDir) -> embedded::Embedded {
    let path = folder.path().join("chat.redb");
    embedded::Embedded::new(DatabaseFile::open(&path, 1 << 20, embedded::make_tables).unwrap())
}

async fn engines() -> [Engine; 2] {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::mongodb();
    [
        Engine {
            name: "embedded",
            store: Arc::new(file(&folder)),
            _folder: Some(folder),
            _server: None,
        },
        Engine {
            name: "mongo",
            store: Arc::new(MongoStore::new(connected(server.port).await, "chat")),
            _folder: None,
            _server: Some(server),
        },
    ]
}

fn log(store: &Arc<dyn Store>) -> AuditLog {
    AuditLog::start("chat", Arc::clone(store), Drain::default())
}

async fn append(log: &AuditLog, action: &'static str, target: &str) {
    let caller = Caller {
        role: Role::Admin,
        subject: "7".to_owned(),
        name: "ada@example.com".to_owned(),
        ..Caller::default()
    };
    let change = Change {
        caller: &caller,
        action,
        target,
        request_id: "r-1",
    };
    let before = json!({ "persona": "Grüße \u{1F44B} \"\\" });
    log.append(change, Some(&before), None).await.unwrap();
}

fn numbers(found: &[troika_audit::store::Stored]) -> Vec<u64> {
    found.iter().map(|stored| stored.number).collect()
}

#[tokio::test]
async fn what_is_appended_is_read_back_to_the_letter_by_number_target_and_action() {
    for engine in engines().await {
        let (log, name) = (log(&engine.store), engine.name);
        for (action, target) in [
            ("bot.create", "a"),
            ("bot.update", "a"),
            ("bot.create", "b"),
            ("bot.delete", "a"),
        ] {
            append(&log, action, target).await;
        }
        let all = log.list(&Wanted::default(), 10).await.unwrap();
        assert_eq!(numbers(&all), [4, 3, 2, 1], "{name}");
        let newest = &all[0].entry.as_ref().unwrap().recorded;
        assert_eq!(
            newest.before, "{\"persona\":\"Grüße \u{1F44B} \\\"\\\\\"}",
            "{name}"
        );
        assert_eq!(
            (newest.after.as_str(), newest.role.as_str()),
            ("", "admin"),
            "{name}"
        );
        assert_eq!(newest.name, "ada@example.com", "{name}");
        let listed =
            async |wanted: Wanted, limit| numbers(&log.list(&wanted, limit).await.unwrap());
        let of = |target: Option<&str>, action: Option<&str>, before| Wanted {
            before,
            target: target.map(ToOwned::to_owned),
            action: action.map(ToOwned::to_owned),
        };
        assert_eq!(listed(of(None, None, None), 2).await, [4, 3], "{name}");
        assert_eq!(listed(of(None, None, Some(3)), 10).await, [2, 1], "{name}");
        assert_eq!(
            listed(of(Some("a"), None, Some(4)), 10).await,
            [2, 1],
            "{name}"
        );
        assert_eq!(
            listed(of(None, Some("bot.create"), None), 10).await,
            [3, 1],
            "{name}"
        );
        assert_eq!(
            listed(of(Some("b"), Some("bot.delete"), None), 10).await,
            Vec::<u64>::new(),
            "{name}"
        );
        let verified = log.verify().await.unwrap();
        assert_eq!(
            verified,
            Verified {
                entries: 4,
                first_broken: None
            },
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended_and_whoever_appends_meanwhile_has_other_numbers() {
    for engine in engines().await {
        append(&log(&engine.store), "bot.create", "a").await;
        let logs = [log(&engine.store), log(&engine.store), log(&engine.store)];
        let appending = logs.iter().map(|log| async move {
            for target in ["b", "c", "d", "e"] {
                append(log, "bot.update", target).await;
            }
        });
        futures::future::join_all(appending).await;
        let verified = logs[0].verify().await.unwrap();
        assert_eq!(
            verified,
            Verified {
                entries: 13,
                first_broken: None
            },
            "{}",
            engine.name
        );
    }
}

#[tokio::test]
async fn a_long_log_is_verified_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(file(&folder));
    let log = log(&store);
    for _ in 0..205 {
        append(&log, "bot.update", "a").await;
    }
    let verified = log.verify().await.unwrap();
    assert_eq!(
        verified,
        Verified {
            entries: 205,
            first_broken: None
        }
    );
}

#[tokio::test]
async fn an_entry_that_is_changed_in_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.redb");
    {
        let store: Arc<dyn Store> = Arc::new(file(&folder));
        let log = log(&store);
        for target in ["a", "b", "c"] {
            append(&log, "bot.update", target).await;
        }
    }
    let table = redb::TableDefinition::<u64, &[u8]>::new("audit");
    // Each makes the log worse than the one before.
    let tampered: [(u64, fn(String) -> String); 2] = [
        (3, |text| text.replace("ada@", "eve@")),
        (2, |_| "no entry".to_owned()),
    ];
    for (number, tamper) in tampered {
        let mut changed = false;
        while !changed {
            // The log's task may let go of the file a moment later.
            let Ok(database) = redb::Database::open(&path) else {
                tokio::task::yield_now().await;
                continue;
            };
            let write = database.begin_write().unwrap();
            {
                let mut entries = write.open_table(table).unwrap();
                let text = entries.get(number).unwrap().unwrap().value().to_vec();
                let text = tamper(String::from_utf8(text).unwrap());
                entries.insert(number, text.as_bytes()).unwrap();
            }
            write.commit().unwrap();
            changed = true;
        }
        let store: Arc<dyn Store> = Arc::new(opened(&path).await);
        let log = log(&store);
        let verified = log.verify().await.unwrap();
        assert_eq!(
            verified,
            Verified {
                entries: 3,
                first_broken: Some(number)
            }
        );
        let listed = log.list(&Wanted::default(), 10).await.unwrap();
        assert_eq!(numbers(&listed), [3, 2, 1]);
    }
}

/// The file, once whoever had it has let go.
async fn opened(path: &std::path::Path) -> embedded::Embedded {
    loop {
        match DatabaseFile::open(path, 1 << 20, embedded::make_tables) {
            Ok(file) => return embedded::Embedded::new(file),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_document_that_is_changed_or_removed_is_named_and_other_logs_are_not_touched() {
    let server = servers::mongodb();
    let mongo = connected(server.port).await;
    let store: Arc<dyn Store> = Arc::new(MongoStore::new(mongo.clone(), "chat"));
    let metrics: Arc<dyn Store> = Arc::new(MongoStore::new(mongo.clone(), "metrics"));
    let other = AuditLog::start("metrics", metrics, Drain::default());
    append(&other, "metrics.reset", "").await;
    let first = log(&store);
    for target in ["a", "b", "c", "d", "e"] {
        append(&first, "bot.update", target).await;
    }
    // Whoever starts anew knows no more than what is stored.
    let log = log(&store);
    let entries = mongo.db.collection::<Document>("auditlog");
    let whole = Verified {
        entries: 5,
        first_broken: None,
    };
    assert_eq!(log.verify().await.unwrap(), whole);
    let named = async |number: u64| {
        assert_eq!(log.verify().await.unwrap().first_broken, Some(number));
    };
    let of = |number: i64| doc! { "log": "chat", "number": number };
    entries.delete_one(of(5)).await.unwrap();
    assert_eq!(log.verify().await.unwrap().first_broken, None);
    assert_eq!(first.verify().await.unwrap().first_broken, Some(5));
    let target = doc! { "$set": { "target": "z" } };
    entries.update_one(of(4), target).await.unwrap();
    named(4).await;
    entries
        .update_one(of(3), doc! { "$set": { "number": 3_i32 } })
        .await
        .unwrap();
    named(3).await;
    entries.delete_one(of(2)).await.unwrap();
    named(2).await;
    let later = bson::DateTime::from_millis(1);
    entries
        .update_one(of(1), doc! { "$set": { "at": later } })
        .await
        .unwrap();
    named(1).await;
    // However broken it is, it goes on.
    append(&log, "bot.update", "f").await;
    let newest = log.list(&Wanted::default(), 1).await.unwrap();
    assert_eq!(newest[0].entry.as_ref().unwrap().recorded.target, "f");
    let other = other.verify().await.unwrap();
    assert_eq!(
        other,
        Verified {
            entries: 1,
            first_broken: None
        }
    );
}

#[tokio::test]
async fn a_server_that_refuses_or_hangs_fails_every_call_in_time_and_holds_up_no_change() {
    let hanging = servers::hanging();
    for port in [
        servers::refusing().port(),
        hanging.local_addr().unwrap().port(),
    ] {
        let store: Arc<dyn Store> = Arc::new(MongoStore::new(connected(port).await, "chat"));
        let log = log(&store);
        let began = Instant::now();
        assert!(log.list(&Wanted::default(), 1).await.is_err());
        assert!(log.verify().await.is_err());
        append(&log, "bot.update", "a").await;
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn what_waited_for_a_server_is_written_once_it_is_back() {
    let mut server = servers::mongodb();
    let store: Arc<dyn Store> = Arc::new(MongoStore::new(connected(server.port).await, "chat"));
    let drain = Drain::default();
    let log = AuditLog::start("chat", store, drain.clone());
    append(&log, "bot.create", "a").await;
    server.kill();
    append(&log, "bot.update", "a").await;
    append(&log, "bot.delete", "a").await;
    assert_eq!(drain.held(), [("entries of the audit log", 2)]);
    server.restart_mongodb();
    let began = Instant::now();
    while !drain.held().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "they still wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let verified = log.verify().await.unwrap();
    assert_eq!(
        verified,
        Verified {
            entries: 3,
            first_broken: None
        }
    );
}

//! What every store promises, asked of each of them; and of one that refuses and one that hangs.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use troika_chassis::mongo::{Mongo, MongoConfig};
use troika_metrics::{
    Dimension, Part, Resolution, Rollup,
    store::{DELTAS_KEPT, Known, Store, StoredDelta, embedded::Embedded, mongo::MongoStore},
};
use troika_tests::servers::{self, Server};

const NOW: u64 = 1_800_000_000;

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
            store: Arc::new(Embedded::open(&folder.path().join("metrics.redb")).unwrap()),
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

fn rollup(resolution: Resolution, part: Part, at: u64, replica: &str) -> Rollup {
    Rollup {
        resolution,
        part,
        at,
        replica: replica.to_owned(),
        number: 7,
        data: vec![0, 255, 1, 2, 3],
    }
}

fn delta(replica: &str, number: u64, at: u64) -> StoredDelta {
    StoredDelta {
        replica: replica.to_owned(),
        number,
        at,
        data: vec![9; 1000],
    }
}

#[tokio::test]
async fn what_is_written_is_found_by_its_time_and_part_and_replaced_in_its_place() {
    for engine in engines().await {
        let (store, name) = (&engine.store, engine.name);
        let total = |at, replica| rollup(Resolution::Minute, Part::Total, at, replica);
        let mut kept = vec![
            total(NOW, "a"),
            total(NOW + 60, "a"),
            total(NOW, "b"),
            rollup(Resolution::Hour, Part::Total, NOW, "a"),
            rollup(Resolution::Minute, Part::By(Dimension::Bot), NOW, "a"),
            rollup(Resolution::Life, Part::Total, NOW * 1_000_000, "a"),
        ];
        store.write(kept.clone(), delta("a", 1, NOW)).await.unwrap();
        // The same again, and one that has grown.
        kept[0].data = vec![42];
        store.write(kept.clone(), delta("a", 1, NOW)).await.unwrap();
        let found = |resolution, part, from, to| {
            let store = Arc::clone(store);
            async move { store.rollups(resolution, part, from, to).await.unwrap() }
        };
        let mut minutes = found(Resolution::Minute, Part::Total, NOW, NOW + 60).await;
        minutes.sort_by(|a, b| a.replica.cmp(&b.replica));
        assert_eq!(minutes, [kept[0].clone(), kept[2].clone()], "{name}");
        let all = found(Resolution::Minute, Part::Total, 0, u64::MAX).await;
        let times: Vec<u64> = all.iter().map(|rollup| rollup.at).collect();
        assert_eq!(times, [NOW, NOW, NOW + 60], "{name}");
        let bots = found(Resolution::Minute, Part::By(Dimension::Bot), 0, u64::MAX).await;
        assert_eq!(bots, [kept[4].clone()], "{name}");
        let life = found(Resolution::Life, Part::Total, NOW * 1_000_000, u64::MAX).await;
        assert_eq!(life, [kept[5].clone()], "{name}");
        assert_eq!(
            found(Resolution::Hour, Part::Arms, 0, u64::MAX).await,
            [],
            "{name}"
        );
    }
}

#[tokio::test]
async fn deltas_of_all_replicas_are_found_since_a_second() {
    for engine in engines().await {
        let (store, name) = (&engine.store, engine.name);
        for (replica, number, at) in [("a", 1, NOW), ("a", 2, NOW + 1), ("b", 1, NOW + 1)] {
            store
                .write(vec![], delta(replica, number, at))
                .await
                .unwrap();
        }
        let mut found = store.deltas(NOW + 1, &Known::new()).await.unwrap();
        found.sort_by(|a, b| a.replica.cmp(&b.replica));
        assert_eq!(
            found,
            [delta("a", 2, NOW + 1), delta("b", 1, NOW + 1)],
            "{name}"
        );
        assert_eq!(
            store.deltas(0, &Known::new()).await.unwrap().len(),
            3,
            "{name}"
        );
        // Nobody is told again what is known.
        let known = Known::from([
            ("a".to_owned(), 1),
            ("b".to_owned(), 1),
            ("c".to_owned(), 9),
        ]);
        let found = store.deltas(0, &known).await.unwrap();
        assert_eq!(found, [delta("a", 2, NOW + 1)], "{name}");
    }
}

#[tokio::test]
async fn notes_are_kept_by_their_key() {
    for engine in engines().await {
        let (store, name) = (&engine.store, engine.name);
        assert_eq!(store.noted("epoch").await.unwrap(), None, "{name}");
        store.note("epoch", vec![1]).await.unwrap();
        store.note("other", vec![2]).await.unwrap();
        store.note("epoch", vec![0, 255]).await.unwrap();
        assert_eq!(
            store.noted("epoch").await.unwrap(),
            Some(vec![0, 255]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_file_lets_go_of_what_was_kept_for_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("metrics.redb")).unwrap();
    let day = 24 * 60 * 60;
    let old = vec![
        rollup(Resolution::Minute, Part::Total, NOW - 3 * day, "a"),
        rollup(Resolution::Minute, Part::Arms, NOW - day, "a"),
        rollup(Resolution::Hour, Part::Total, NOW - 91 * day, "a"),
        rollup(Resolution::Hour, Part::Total, NOW - 89 * day, "a"),
        rollup(Resolution::Life, Part::Total, 1, "a"),
    ];
    let hour = DELTAS_KEPT.as_secs();
    store
        .write(old, delta("a", 1, NOW - hour - 1))
        .await
        .unwrap();
    store
        .write(vec![], delta("a", 2, NOW - hour))
        .await
        .unwrap();
    store.sweep(NOW).await.unwrap();
    let mut left = Vec::new();
    for resolution in [Resolution::Minute, Resolution::Hour, Resolution::Life] {
        for part in Part::all() {
            left.extend(store.rollups(resolution, part, 0, u64::MAX).await.unwrap());
        }
    }
    let times: Vec<u64> = left.iter().map(|rollup| rollup.at).collect();
    assert_eq!(times, [NOW - day, NOW - 89 * day, 1]);
    assert_eq!(
        store.deltas(0, &Known::new()).await.unwrap(),
        [delta("a", 2, NOW - hour)]
    );
}

#[tokio::test]
async fn a_server_lets_go_of_what_was_kept_by_its_index() {
    let server = servers::mongodb();
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{}/shop", server.port)
            .as_str()
            .into(),
        ..MongoConfig::default()
    };
    let mongo = Mongo::connect(&config).await.unwrap();
    let store = MongoStore::new(mongo.clone());
    let minute = rollup(Resolution::Minute, Part::Total, NOW, "a");
    store.write(vec![minute], delta("a", 1, NOW)).await.unwrap();
    for (name, kept) in [("metricsrollups", 2 * 24 * 3600), ("metricsdeltas", 3600)] {
        let collection = mongo.db.collection::<bson::Document>(name);
        let indexes = collection.list_index_names().await.unwrap();
        assert!(
            indexes.iter().any(|index| index == "expires_1"),
            "{indexes:?}"
        );
        let document = collection.find_one(bson::doc! {}).await.unwrap().unwrap();
        let expires = document.get_datetime("expires").unwrap().timestamp_millis() / 1000;
        assert_eq!(expires as u64, NOW + kept, "{name}");
    }
}

#[tokio::test]
async fn a_lease_has_one_holder_at_a_time() {
    let server = servers::mongodb();
    let store = mongo(server.port).await;
    let long = Duration::from_secs(60);
    assert!(store.lease("alerts", "a", long).await.unwrap());
    assert!(!store.lease("alerts", "b", long).await.unwrap());
    assert!(store.lease("other", "b", long).await.unwrap());
    assert!(store.lease("alerts", "a", Duration::ZERO).await.unwrap());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(store.lease("alerts", "b", long).await.unwrap());
    assert!(!store.lease("alerts", "a", long).await.unwrap());
}

#[tokio::test]
async fn a_server_that_refuses_or_hangs_fails_every_call_in_time() {
    let hanging = servers::hanging();
    for port in [
        servers::refusing().port(),
        hanging.local_addr().unwrap().port(),
    ] {
        let store = mongo(port).await;
        let began = Instant::now();
        assert!(store.write(vec![], delta("a", 1, NOW)).await.is_err());
        assert!(store.deltas(0, &Known::new()).await.is_err());
        assert!(store.noted("epoch").await.is_err());
        assert!(store.lease("alerts", "a", Duration::ZERO).await.is_err());
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
    let path = folder.path().join("metrics.redb");
    let _first = Embedded::open(&path).unwrap();
    let problem = Embedded::open(&path).unwrap_err().to_string();
    assert!(problem.contains("TROIKA_DATA_DIR"), "{problem}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.redb");
    drop(Embedded::open(&path).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

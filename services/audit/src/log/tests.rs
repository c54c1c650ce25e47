//! The log over a store that fails as it is told to.

use std::{
    future::pending,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use serde_json::json;
use troika_chassis::lifecycle::DrainConfig;
use troika_identity::Caller;

use super::*;
use crate::store::Appended;

/// What the store does with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Writes,
    Refuses,
    Hangs,
    /// Writes, and says that it failed.
    LosesItsAnswer,
}

#[derive(Debug)]
struct Memory {
    entries: Mutex<Vec<Said>>,
    does: Mutex<Does>,
    attempts: AtomicU64,
}

#[derive(Clone)]
struct Said(Entry);

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.recorded.action)
    }
}

impl Memory {
    fn new(does: Does) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            does: Mutex::new(does),
            attempts: AtomicU64::new(0),
        })
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn said(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        entries.iter().map(|said| said.0.clone()).collect()
    }

    fn stored(&self) -> Vec<Stored> {
        let stored = |entry: Entry| Stored {
            number: entry.number,
            entry: Some(entry),
        };
        self.said().into_iter().map(stored).collect()
    }

    fn write(&self, entry: &Entry) -> Appended {
        let mut entries = self.entries.lock().unwrap();
        if entries.iter().any(|said| said.0.number == entry.number) {
            return Appended::Taken;
        }
        entries.push(Said(entry.clone()));
        Appended::Done
    }
}

#[async_trait]
impl Store for Memory {
    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let does = *self.does.lock().unwrap();
        match does {
            Does::Writes => Ok(self.write(entry)),
            Does::Refuses => Err(StoreError::of("refused")),
            Does::Hangs => pending().await,
            Does::LosesItsAnswer => {
                self.write(entry);
                Err(StoreError::of("the answer is lost"))
            }
        }
    }

    async fn after(&self, number: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let later = |stored: &Stored| stored.number > number;
        Ok(self
            .stored()
            .into_iter()
            .filter(later)
            .take(limit)
            .collect())
    }

    async fn newest(&self, wanted: &Wanted, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let before = wanted.before.unwrap_or(u64::MAX);
        let fits = |stored: &Stored| stored.number < before && wanted.fits(stored);
        let found = self.stored().into_iter().rev().filter(fits);
        Ok(found.take(limit).collect())
    }
}

fn admin() -> Caller {
    Caller {
        role: troika_identity::Role::Admin,
        subject: "7".to_owned(),
        name: "ada@example.com".to_owned(),
        ..Caller::default()
    }
}

fn change<'a>(caller: &'a Caller, target: &'a str) -> Change<'a> {
    Change {
        caller,
        action: "bot.update",
        target,
        request_id: "r-1",
    }
}

fn log(store: &Arc<Memory>) -> AuditLog {
    AuditLog::start("chat", Arc::clone(store) as _, Drain::default())
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_what() {
    let store = Memory::new(Does::Writes);
    let log = log(&store);
    let (before, after) = (json!({ "name": "a" }), json!({ "name": "b" }));
    let intent = log.intend(change(&admin(), "b1"), Some(&before)).unwrap();
    assert!(store.said().is_empty());
    intent.done(Some(&after)).await;
    log.append(change(&admin(), "b2"), None, None)
        .await
        .unwrap();
    let said = store.said();
    let first = &said[0].recorded;
    assert_eq!(
        (first.subject.as_str(), first.role.as_str()),
        ("7", "admin")
    );
    assert_eq!(first.name, "ada@example.com");
    assert_eq!(
        (first.action.as_str(), first.target.as_str()),
        ("bot.update", "b1")
    );
    assert_eq!(
        (first.before.as_str(), first.after.as_str()),
        (r#"{"name":"a"}"#, r#"{"name":"b"}"#)
    );
    assert_eq!(first.request_id, "r-1");
    assert_eq!(
        (
            said[1].number,
            said[1].recorded.before.as_str(),
            said[1].recorded.after.as_str()
        ),
        (2, "", "")
    );
    let verified = log.verify().await.unwrap();
    assert_eq!(
        verified,
        Verified {
            entries: 2,
            first_broken: None
        }
    );
}

#[tokio::test]
async fn a_change_that_was_not_made_is_not_told_and_one_that_nobody_speaks_of_is() {
    let store = Memory::new(Does::Writes);
    let log = log(&store);
    log.intend(change(&admin(), "a"), None).unwrap().not_done();
    drop(log.intend(change(&admin(), "b"), None).unwrap());
    log.append(change(&admin(), "c"), None, None).await.unwrap();
    let said = store.said();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].recorded.target, "b");
    assert_eq!(said[0].recorded.after, r#"{"outcome":"unknown"}"#);
}

#[tokio::test]
async fn a_text_without_end_is_told_by_its_length() {
    let store = Memory::new(Does::Writes);
    let long = json!("x".repeat(1 << 20));
    let log = log(&store);
    log.append(change(&admin(), "a"), None, Some(&long))
        .await
        .unwrap();
    assert_eq!(store.said()[0].recorded.after, r#"{"bytes":1048578}"#);
}

#[tokio::test(start_paused = true)]
async fn a_change_stands_while_its_entry_waits_and_the_order_stays() {
    for does in [Does::Refuses, Does::LosesItsAnswer] {
        let store = Memory::new(does);
        let drain = Drain::default();
        let log = AuditLog::start("chat", Arc::clone(&store) as _, drain.clone());
        let began = tokio::time::Instant::now();
        log.append(change(&admin(), "a"), None, None).await.unwrap();
        drop(log.intend(change(&admin(), "b"), None).unwrap());
        assert!(began.elapsed() < Duration::from_secs(3), "{does:?}");
        // What landed without an answer is found, and not written again.
        let waiting = if does == Does::Refuses { 2 } else { 1 };
        assert_eq!(drain.held(), [("entries of the audit log", waiting)]);
        store.does(Does::Writes);
        until(|| drain.held().is_empty()).await;
        let said = store.said();
        let targets: Vec<_> = said
            .iter()
            .map(|it| (it.number, it.recorded.target.as_str()))
            .collect();
        assert_eq!(targets, [(1, "a"), (2, "b")], "{does:?}");
        assert_eq!(log.verify().await.unwrap().first_broken, None, "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_nothing_may_be_changed() {
    let store = Memory::new(Does::Hangs);
    let log = AuditLog::with_room("chat", Arc::clone(&store) as _, Drain::default(), 2);
    drop(log.intend(change(&admin(), "written"), None).unwrap());
    until(|| store.attempts.load(Ordering::Relaxed) > 0).await;
    let waiting = [
        log.intend(change(&admin(), "a"), None).unwrap(),
        log.intend(change(&admin(), "b"), None).unwrap(),
    ];
    let Err(refused) = log.intend(change(&admin(), "c"), None) else {
        panic!("there is room");
    };
    let refused = Error::from(refused);
    assert_eq!(
        (refused.code(), refused.reason()),
        (Code::Unavailable, "audit_unavailable")
    );
    for intent in waiting {
        intent.not_done();
    }
    assert!(log.intend(change(&admin(), "c"), None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_forced_to_end_waits_no_longer() {
    let store = Memory::new(Does::Hangs);
    let drain = Drain::new(DrainConfig {
        delay: Duration::ZERO,
        deadline: Duration::from_secs(1),
        force: Duration::from_secs(1),
    });
    let log = AuditLog::start("chat", Arc::clone(&store) as _, drain.clone());
    drop(log.intend(change(&admin(), "a"), None).unwrap());
    drop(log.intend(change(&admin(), "b"), None).unwrap());
    drain.begin();
    drain.finished().await;
    until(|| drain.held().is_empty()).await;
    assert!(log.intend(change(&admin(), "c"), None).is_err());
}

#[tokio::test]
async fn two_processes_share_the_numbers() {
    let store = Memory::new(Does::Writes);
    let (one, other) = (log(&store), log(&store));
    for round in 0..20 {
        let target = round.to_string();
        let caller = admin();
        let (first, second) = tokio::join!(
            one.append(change(&caller, &target), None, None),
            other.append(change(&caller, &target), None, None)
        );
        first.and(second).unwrap();
    }
    let verified = one.verify().await.unwrap();
    assert_eq!(
        verified,
        Verified {
            entries: 40,
            first_broken: None
        }
    );
}

#[tokio::test]
async fn what_is_changed_cut_or_rewritten_behind_its_back_is_named() {
    let store = Memory::new(Does::Writes);
    let log = log(&store);
    for target in ["a", "b", "c", "d"] {
        log.append(change(&admin(), target), None, None)
            .await
            .unwrap();
    }
    let whole = store.entries.lock().unwrap().clone();
    let broken = async |tamper: fn(&mut Vec<Said>)| {
        let mut entries = whole.clone();
        tamper(&mut entries);
        *store.entries.lock().unwrap() = entries;
        log.verify().await.unwrap().first_broken
    };
    assert_eq!(broken(|_| {}).await, None);
    assert_eq!(
        broken(|all| all[1].0.recorded.name = "eve".to_owned()).await,
        Some(2)
    );
    assert_eq!(
        broken(|all| all[2].0.hash = crate::chain::Hash([7; 32])).await,
        Some(3)
    );
    assert_eq!(broken(|all| drop(all.remove(1))).await, Some(2));
    assert_eq!(broken(|all| drop(all.remove(0))).await, Some(1));
    // The end is missing: only who saw it knows.
    assert_eq!(broken(|all| all.truncate(3)).await, Some(4));
    assert_eq!(broken(Vec::clear).await, Some(1));
    // A chain that is whole, and not the one that was written.
    let rewritten = broken(|all| {
        all[1].0.recorded.name = "eve".to_owned();
        let mut head = Head::default();
        for said in all {
            said.0 = Entry::after(head, "chat", said.0.recorded.clone());
            head = Head::from(&said.0);
        }
    });
    assert_eq!(rewritten.await, Some(4));
}

//! See `../book.rs`.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use troika_evaluation::built_in::STREAMING;
use troika_rollouts::decide::Decision;

use super::*;

/// A log in memory that others write to, and that can be away.
#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Vec<Entry>>,
    away: AtomicBool,
}

impl Shared {
    fn check(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::unavailable("away"));
        }
        Ok(())
    }

    /// As another replica would.
    fn others_set(&self, percentage: f64) {
        let mut log = self.log.lock().unwrap();
        let mut state = State::default();
        log.iter().for_each(|entry| state.take(entry));
        let flag = Flag {
            percentage,
            ..state.flags[STREAMING].clone()
        };
        let edit = Edit {
            flag: Some((STREAMING.to_owned(), Some(flag))),
            rollout: None,
        };
        log.push(entry(&state, author("another"), edit).unwrap());
    }
}

#[async_trait]
impl Store for Shared {
    async fn after(&self, revision: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.check()?;
        let log = self.log.lock().unwrap();
        Ok(log
            .iter()
            .filter(|entry| entry.revision > revision)
            .take(limit)
            .cloned()
            .collect())
    }
    async fn before(&self, _: u64, _: Option<&str>, _: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }
    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError> {
        self.check()?;
        let mut log = self.log.lock().unwrap();
        if log.iter().any(|there| there.revision == entry.revision) {
            return Ok(Appended::Taken);
        }
        log.push(entry.clone());
        Ok(Appended::Done)
    }
    async fn decide(&self, _: &str, _: &Decision) -> Result<(), StoreError> {
        Ok(())
    }
    async fn decisions(&self, _: &str, _: usize) -> Result<Vec<Decision>, StoreError> {
        Ok(Vec::new())
    }
    async fn lease(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }
    async fn release(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
    fn is_shared(&self) -> bool {
        true
    }
}

fn author(name: &str) -> Author {
    Author {
        name: name.to_owned(),
        reason: String::new(),
    }
}

fn book() -> (Arc<Shared>, Book) {
    let store = Arc::new(Shared::default());
    (store.clone(), Book::new(store))
}

/// Adds to the percentage: only right when decided on what is there.
async fn add(book: &Book, more: f64) -> f64 {
    let state = book
        .change(author("tests"), |state| {
            let flag = state.flags[STREAMING].clone();
            let flag = Flag {
                percentage: flag.percentage + more,
                ..flag
            };
            Ok(Edit {
                flag: Some((STREAMING.to_owned(), Some(flag))),
                rollout: None,
            })
        })
        .await;
    state.unwrap().flags[STREAMING].percentage
}

#[tokio::test]
async fn nobody_is_told_anything_before_the_log_was_read_to_its_end() {
    let (store, book) = book();
    for round in 0..2 * PAGE + 1 {
        store.others_set((round % 100) as f64);
    }
    assert_eq!(book.now().unwrap_err().reason(), "store_unavailable");
    let mut told = book.watch();
    book.read_on().await.unwrap();
    let state = told.borrow_and_update().clone().unwrap();
    assert_eq!(state.revision, 2 * PAGE as u64 + 1);
    assert_eq!(state.flags[STREAMING].percentage, ((2 * PAGE) % 100) as f64);
}

#[tokio::test]
async fn a_change_that_comes_second_is_decided_anew_on_the_first() {
    let (store, book) = book();
    book.read_on().await.unwrap();
    store.others_set(40.0);
    assert_eq!(add(&book, 2.0).await, 42.0);
    assert_eq!(book.now().unwrap().revision, 2);
}

#[tokio::test]
async fn while_the_store_is_away_changes_are_refused_and_the_kill_switch_is_not() {
    let (store, book) = book();
    book.read_on().await.unwrap();
    store.away.store(true, Ordering::Relaxed);
    let refused = book
        .change(author("tests"), |state| switched(state, STREAMING, false))
        .await;
    assert_eq!(refused.unwrap_err().reason(), "store_unavailable");
    assert!(book.now().unwrap().flags[STREAMING].enabled);

    assert!(!book.switch(STREAMING, false, author("ops")).await.unwrap());
    let state = book.now().unwrap();
    assert!(!state.flags[STREAMING].enabled);
    let nobody = troika_evaluation::context::Visitor::default();
    assert!(
        !state
            .snapshot()
            .evaluate(STREAMING, &nobody)
            .unwrap()
            .is_on()
    );
    assert_eq!(
        book.switch("none", false, author("ops"))
            .await
            .unwrap_err()
            .reason(),
        "flag_not_found"
    );

    // Others change the flag meanwhile; the switch holds, and what is stored says who threw it.
    store.away.store(false, Ordering::Relaxed);
    store.others_set(10.0);
    book.read_on().await.unwrap();
    assert!(!book.now().unwrap().flags[STREAMING].enabled);
    book.store_switches().await;
    let log = store.log.lock().unwrap();
    let last = log.last().unwrap();
    assert_eq!((log.len(), last.author.name.as_str()), (2, "ops"));
    let change = last.flag.as_ref().unwrap();
    assert!(change.before.as_ref().unwrap().enabled);
    let after = change.after.as_ref().unwrap();
    assert!(!after.enabled && after.percentage == 10.0);
}

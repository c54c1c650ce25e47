//! What a process counts by itself, and what it makes of Redis' answers.

use std::time::Duration;

use super::*;
use crate::gcra::Rate;

const RATE: Rate = Rate {
    interval: 1_000_000,
    burst: 3,
};

fn change(key: &Key, cost: i64) -> Change<'_> {
    Change {
        key,
        rate: RATE,
        cost,
    }
}

async fn cells(memory: &Memory, keys: &[&Key]) -> Vec<Arc<Cell>> {
    memory.cells(keys.iter().copied()).await
}

#[tokio::test(start_paused = true)]
async fn a_burst_and_then_one_by_one() {
    let memory = Memory::new();
    let key = Key::new("api", "a");
    let cells = cells(&memory, &[&key]).await;
    let take = || memory.take(&cells, &[change(&key, 1)]).0.is_none();
    assert_eq!([take(), take(), take(), take()], [true, true, true, false]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!([take(), take()], [true, false]);
}

#[tokio::test(start_paused = true)]
async fn all_or_nothing() {
    let memory = Memory::new();
    let (one, two) = (Key::new("api", "a"), Key::new("stream", "a"));
    let cells = cells(&memory, &[&one, &two]).await;
    let (refused, ahead) = memory.take(&cells, &[change(&one, 1), change(&two, 4)]);
    assert_eq!((refused, ahead), (Some(1), vec![0, 0]));
    let (refused, ahead) = memory.take(&cells, &[change(&one, 1), change(&two, 3)]);
    assert_eq!((refused, ahead), (None, vec![1_000_000, 3_000_000]));
}

#[tokio::test(start_paused = true)]
async fn one_key_named_twice_is_counted_twice() {
    let memory = Memory::new();
    let key = Key::new("api", "a");
    let cells = cells(&memory, &[&key, &key]).await;
    let both = [change(&key, 2), change(&key, 2)];
    assert_eq!(memory.take(&cells, &both), (Some(1), vec![0, 0]));
    let both = [change(&key, 1), change(&key, 2)];
    assert_eq!(memory.take(&cells, &both).1, [3_000_000, 3_000_000]);
}

#[tokio::test(start_paused = true)]
async fn what_redis_told_last_is_where_a_process_goes_on_alone() {
    let memory = Memory::new();
    let key = Key::new("api", "a");
    let cells = cells(&memory, &[&key]).await;
    let known = memory.known(&cells);
    assert_eq!((known[0].ahead, known[0].owed()), (0, 0));
    memory.learn(&cells, &known, 5, &[2_000_000]);
    // An answer that was overtaken.
    memory.learn(&cells, &known, 4, &[1_000_000]);
    assert_eq!(memory.take(&cells, &[change(&key, 1)]).0, None);
    assert_eq!(memory.take(&cells, &[change(&key, 1)]).0, Some(0));

    let known = memory.known(&cells);
    assert_eq!(known[0].owed(), 3_000_000, "Redis has to learn of it");
    memory.learn(&cells, &known, 6, &[3_000_000]);
    assert_eq!(memory.known(&cells)[0].owed(), 0, "and has");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_alone_while_redis_was_asked_is_still_owed() {
    let memory = Memory::new();
    let key = Key::new("api", "a");
    let cells = cells(&memory, &[&key]).await;
    let known = memory.known(&cells);
    memory.take(&cells, &[change(&key, 2)]);
    memory.learn(&cells, &known, 5, &[1_000_000]);
    assert_eq!(memory.known(&cells)[0].owed(), 2_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_clock_is_behind_is_believed() {
    let memory = Memory::new();
    let key = Key::new("api", "a");
    let cells = cells(&memory, &[&key]).await;
    let known = memory.known(&cells);
    memory.learn(&cells, &known, 100_000_000, &[0]);
    memory.learn(&cells, &known, 1_000_000, &[2_000_000]);
    assert_eq!(memory.known(&cells)[0].ahead, 2_000_000);
}

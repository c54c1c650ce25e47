//! Many tasks that ask, listen, leave and fail at once, on several threads.

use std::{collections::HashMap, sync::Mutex};

use tokio::task::JoinSet;

use super::*;

const KEYS: usize = 7;
const LISTENERS: usize = 2_000;

/// What engine number `number` says: its pieces are told apart from those of every other engine.
fn said(number: usize) -> Vec<Bytes> {
    (0..5)
        .map(|part| Bytes::from(format!("{number}/{part};").into_bytes()))
        .collect()
}

/// Says it in pieces with rests between; every fifth engine breaks off.
fn sound(number: usize, alive: Arc<AtomicUsize>) -> Sound {
    alive.fetch_add(1, Ordering::SeqCst);
    let alive = Alive(alive);
    let last = (number % 5 == 4).then(|| Err(throttled()));
    stream::iter(said(number).into_iter().map(Ok).chain(last))
        .then(move |piece| {
            let _alive = &alive;
            async {
                tokio::task::yield_now().await;
                piece
            }
        })
        .boxed()
}

/// Counts the sounds that are being made.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_asks_hears_one_sound_from_its_beginning_whatever_others_do() {
    let config = Config {
        lifetime: Duration::from_millis(20),
        memory: ByteSize::b(4 * (ENTRY_OVERHEAD as u64 + 64)),
        ..Config::default()
    };
    let recordings = Recordings::new(&config, None);
    let engines = Arc::new(AtomicUsize::new(0));
    let alive = Arc::new(AtomicUsize::new(0));
    // Which key each engine was asked for.
    let asked: Arc<Mutex<HashMap<usize, usize>>> = Arc::default();
    let mut listeners = JoinSet::new();
    for number in 0..LISTENERS {
        let (recordings, engines) = (recordings.clone(), engines.clone());
        let (alive, asked) = (alive.clone(), asked.clone());
        listeners.spawn(async move {
            for _ in 0..number % 13 {
                tokio::task::yield_now().await;
            }
            let text = number % KEYS;
            let of = asked.clone();
            let mut playback = recordings.play(key(&text.to_string()), move || {
                let engine = engines.fetch_add(1, Ordering::SeqCst);
                of.lock().unwrap().insert(engine, text);
                sound(engine, alive)
            });
            let patience = match number % 3 {
                0 => number % 5, // leaves before the end
                _ => usize::MAX,
            };
            let mut heard = Vec::new();
            let mut error = None;
            while heard.len() < patience.saturating_mul(4) {
                match playback.next().await {
                    Some(Ok(piece)) => heard.extend_from_slice(&piece),
                    Some(Err(failure)) => error = Some(failure),
                    None => break,
                }
            }
            if patience == usize::MAX {
                let told = String::from_utf8(heard).unwrap();
                let engine: usize = told.split_once('/').unwrap().0.parse().unwrap();
                assert_eq!(told.as_bytes(), said(engine).concat());
                assert_eq!(asked.lock().unwrap()[&engine], text, "another key's sound");
                assert_eq!(error.is_some(), engine % 5 == 4, "{error:?}");
            }
        });
    }
    let everybody = async { while listeners.join_next().await.transpose().unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), everybody)
        .await
        .unwrap();
    until("every engine is left", LONG, async || {
        alive.load(Ordering::SeqCst) == 0
    })
    .await;
    until("every seat is given up", LONG, async || {
        recordings.shelf.flights().is_empty()
    })
    .await;
    let counts = recordings.counts();
    let counted = counts.memory + counts.joined + counts.shared + counts.misses;
    assert!(counted <= LISTENERS as u64, "{counts:?}");
    assert!(
        counts.memory > 0 && counts.joined > 0 && counts.misses > 0,
        "{counts:?}"
    );
    assert_eq!(counts.misses, engines.load(Ordering::SeqCst) as u64);
}

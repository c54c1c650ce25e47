//! The one writer of messages: whatever is submitted is stored in the order of submission, in batches,
//! so that a turn waits for no disk. Knows the store only as a trait.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tracing::{error, warn};
use troika_chassis::lifecycle::{Drain, Hold};

use super::{Message, MessageStore};
use crate::store::StoreError;

/// Messages that wait at most; about 2 MB of ordinary conversation.
const QUEUE: usize = 1024;
/// Messages of one write.
const BATCH: usize = 128;
/// Waits between the attempts of one batch.
const RETRY_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// The way to the writer. Clones share it.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    drain: Drain,
}

struct Job {
    message: Message,
    saved: oneshot::Sender<bool>,
    /// The process does not end before the message is stored or given up.
    _hold: Hold,
}

/// Tells whether a message was stored. Dropping it changes nothing for the message.
pub(crate) struct Saved(Option<oneshot::Receiver<bool>>);

impl Saved {
    /// `true` once the message is durable; `false` when it was given up or `limit` has passed.
    pub(crate) async fn within(self, limit: Duration) -> bool {
        match self.0 {
            Some(saved) => matches!(tokio::time::timeout(limit, saved).await, Ok(Ok(true))),
            None => false,
        }
    }
}

impl Writer {
    /// Starts the writer. It ends when the last clone is dropped and everything submitted is stored.
    pub(crate) fn start(store: Arc<dyn MessageStore>, drain: Drain) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, jobs));
        Self { queue, drain }
    }

    /// Hands over a message; never waits. With a full queue the message is given up at once.
    pub(crate) fn submit(&self, message: Message) -> Saved {
        let (saved, told) = oneshot::channel();
        let job = Job {
            message,
            saved,
            _hold: self.drain.hold("messages to be stored"),
        };
        match self.queue.try_send(job) {
            Ok(()) => Saved(Some(told)),
            Err(_) => {
                error!(
                    queue = QUEUE,
                    "a message is lost: too many wait to be stored"
                );
                Saved(None)
            }
        }
    }
}

async fn write(store: Arc<dyn MessageStore>, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let (messages, told): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(
                |Job {
                     message,
                     saved,
                     _hold,
                 }| (message, (saved, _hold)),
            )
            .unzip();
        let stored = match append(&*store, &messages).await {
            Ok(()) => true,
            Err(error) => {
                error!(
                    messages = messages.len(),
                    error = &error as &dyn std::error::Error,
                    "messages are lost: they cannot be stored"
                );
                false
            }
        };
        for (saved, _hold) in told {
            // Whoever left does not wait for the answer.
            let _ = saved.send(stored);
        }
    }
}

/// Appending again is safe: the store keeps one message per turn and sender.
async fn append(store: &dyn MessageStore, messages: &[Message]) -> Result<(), StoreError> {
    for wait in RETRY_AFTER {
        match store.append(messages).await {
            Err(error @ StoreError::Unavailable(_)) => {
                warn!(error = &error as &dyn std::error::Error, retry_in = ?wait, "messages wait to be stored");
            }
            done => return done,
        }
        sleep(wait).await;
    }
    store.append(messages).await
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::SystemTime};

    use async_trait::async_trait;
    use troika_chassis::lifecycle::DrainConfig;

    use super::*;
    use crate::{
        bots::BotId,
        history::{Sender, Visitor},
    };

    /// Refuses the first `refusals` writes, then keeps what it gets.
    #[derive(Default)]
    struct Fickle {
        refusals: Mutex<u32>,
        kept: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl MessageStore for Fickle {
        async fn append(&self, messages: &[Message]) -> Result<(), StoreError> {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err(StoreError::unavailable("refused"));
            }
            self.kept
                .lock()
                .unwrap()
                .extend(messages.iter().map(|message| message.content.clone()));
            Ok(())
        }

        async fn recent(&self, _: BotId, _: &str, _: usize) -> Result<Vec<Message>, StoreError> {
            Ok(Vec::new())
        }
    }

    fn message(content: usize) -> Message {
        Message {
            bot: BotId([0; 12]),
            session: "s".into(),
            turn: None,
            sender: Sender::User,
            content: content.to_string(),
            time: SystemTime::UNIX_EPOCH,
            tokens: None,
            outcome: None,
            visitor: Visitor::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_stored_in_the_order_of_their_submission_though_the_store_refuses_at_first()
     {
        let store = Arc::new(Fickle {
            refusals: Mutex::new(2),
            ..Fickle::default()
        });
        let writer = Writer::start(store.clone(), Drain::new(DrainConfig::default()));
        let saved: Vec<Saved> = (0..500).map(|n| writer.submit(message(n))).collect();
        for one in saved {
            assert!(one.within(Duration::from_secs(5)).await);
        }
        let expected: Vec<String> = (0..500).map(|n| n.to_string()).collect();
        assert_eq!(*store.kept.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_refuses_for_good_is_told_and_the_next_message_is_tried() {
        let store = Arc::new(Fickle {
            refusals: Mutex::new(3),
            ..Fickle::default()
        });
        let writer = Writer::start(store.clone(), Drain::new(DrainConfig::default()));
        assert!(
            !writer
                .submit(message(1))
                .within(Duration::from_secs(5))
                .await
        );
        assert!(
            writer
                .submit(message(2))
                .within(Duration::from_secs(5))
                .await
        );
        assert_eq!(*store.kept.lock().unwrap(), ["2"]);
    }

    #[tokio::test]
    async fn a_full_queue_gives_a_message_up_at_once() {
        let (queue, _jobs) = mpsc::channel(1);
        let writer = Writer {
            queue,
            drain: Drain::new(DrainConfig::default()),
        };
        let _first = writer.submit(message(1));
        assert!(
            !writer
                .submit(message(2))
                .within(Duration::from_secs(5))
                .await
        );
    }
}

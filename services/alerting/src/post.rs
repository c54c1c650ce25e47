//! What waits for one receiver, and its way there: at the receiver's own pace, in one message, until it is taken. It must not
//! know which rules there are.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tracing::{info, warn};
use troika_chassis::outbound::endless_backoff;

use crate::{
    message::Message,
    pace::Pace,
    receivers::Receiver,
    state::{News, Notice},
};

/// Notices that wait for one receiver; older ones are counted alone.
const WAITING: usize = 200;
/// The first wait and the longest one (about) before a message is tried again.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// What waits for a receiver.
#[derive(Default)]
pub(crate) struct Post {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    notices: VecDeque<Notice>,
    left_out: usize,
}

impl Post {
    /// Adds what is new, and has what waits looked at again: a silence may be over.
    pub(crate) fn put(&self, notices: impl Iterator<Item = Notice>) {
        let mut waiting = self.lock();
        for notice in notices {
            waiting.add(notice);
        }
        if !waiting.notices.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Takes out what may be told now, as one message; `None` when there is nothing.
    fn take(&self, is_silent: impl Fn(&Notice) -> bool) -> Option<Message> {
        let mut waiting = self.lock();
        let all = std::mem::take(&mut waiting.notices);
        let (silent, notices): (Vec<_>, Vec<_>) = all.into_iter().partition(is_silent);
        waiting.notices = silent.into();
        if notices.is_empty() {
            return None;
        }
        Some(Message::News {
            notices,
            left_out: std::mem::take(&mut waiting.left_out),
        })
    }

    /// Puts back what nobody took, before what came meanwhile.
    fn put_back(&self, message: Message) {
        let Message::News { notices, left_out } = message else {
            return;
        };
        let mut waiting = self.lock();
        let newer = std::mem::take(&mut waiting.notices);
        waiting.left_out += left_out;
        for notice in notices.into_iter().chain(newer) {
            waiting.add(notice);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, notice: Notice) {
        let mut earlier = self.notices.iter_mut().rev();
        if let Some(last) = earlier.find(|it| it.name == notice.name)
            && notice.news == News::StillFiring
            && last.news != News::Resolved
        {
            // A reminder of what nobody has heard yet is no news.
            last.value = notice.value;
            return;
        }
        self.notices.push_back(notice);
        if self.notices.len() > WAITING {
            self.notices.pop_front();
            self.left_out += 1;
        }
    }
}

/// Delivers what waits. What cannot be delivered is tried again, together with what came meanwhile, for as long as it takes:
/// an alert that nobody heard of is worse than one that comes late. Never returns.
pub(crate) async fn deliver(
    receiver: Receiver,
    post: Arc<Post>,
    mut pace: Pace,
    is_silent: impl Fn(&Notice) -> bool,
) {
    loop {
        post.filled.notified().await;
        let mut waits = endless_backoff(SOONEST, LATEST);
        loop {
            let wait = pace.wait(Instant::now());
            if !wait.is_zero() {
                info!(
                    receiver = receiver.name,
                    ?wait,
                    "alerts are held back: there were too many messages"
                );
                // What comes meanwhile goes out together.
                tokio::time::sleep(wait).await;
                continue;
            }
            let Some(message) = post.take(&is_silent) else {
                break;
            };
            let Err(failure) = receiver.send(&message).await else {
                pace.count(Instant::now());
                break;
            };
            if failure.is_unclear {
                // Perhaps it arrived, and then it counts.
                pace.count(Instant::now());
            }
            post.put_back(message);
            let again = waits.next().unwrap_or(LATEST);
            warn!(
                receiver = receiver.name,
                problem = failure.problem,
                ?again,
                "an alert could not be delivered"
            );
            tokio::time::sleep(again).await;
        }
    }
}

#[cfg(test)]
mod tests;

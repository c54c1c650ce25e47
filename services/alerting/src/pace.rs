//! How many messages an hour may have. Pure: the time comes in as an argument.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The time over which messages are limited.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Counts the messages of the last hour.
#[derive(Debug)]
pub(crate) struct Pace {
    most: usize,
    sent: VecDeque<Instant>,
}

impl Pace {
    /// At most so many in any hour, and at least one.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most: most.max(1) as usize,
            sent: VecDeque::new(),
        }
    }

    /// How long the next message has to wait.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        while self.sent.front().is_some_and(|at| now >= *at + HOUR) {
            self.sent.pop_front();
        }
        match self.sent.len().checked_sub(self.most) {
            Some(first) => self
                .sent
                .get(first)
                .map_or(Duration::ZERO, |at| *at + HOUR - now),
            None => Duration::ZERO,
        }
    }

    /// A message went out.
    pub(crate) fn count(&mut self, now: Instant) {
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_hour_has_more_messages_than_it_may_and_none_waits_for_nothing(
            most in 1_u32..6,
            pauses in prop::collection::vec(0_u64..2000, 1..80),
        ) {
            let mut pace = Pace::new(most);
            let mut now = Instant::now();
            let mut sent = Vec::new();
            for pause in pauses {
                now += Duration::from_secs(pause);
                let wait = pace.wait(now);
                let lately = sent.iter().filter(|at| now < **at + HOUR).count();
                prop_assert_eq!(wait > Duration::ZERO, lately >= most as usize);
                now += wait;
                prop_assert_eq!(pace.wait(now), Duration::ZERO);
                pace.count(now);
                sent.push(now);
            }
            for (index, at) in sent.iter().enumerate() {
                let within = sent[index..].iter().take_while(|later| **later < *at + HOUR);
                prop_assert!(within.count() <= most as usize);
            }
        }
    }
}

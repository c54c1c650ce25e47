//! Rates over several keys at once: by Redis, which all processes share, and by the same arithmetic in this process
//! while there is none.

mod memory;

use std::{sync::Arc, time::Duration};

use troika_chassis::redis::Redis;

use self::memory::{Known, Memory};
use crate::{
    gcra::Rate,
    key::Key,
    link::{Link, Script},
    policy::Policy,
    streams::{Full, Slot, Streams},
};

/// What a request takes of one key.
#[derive(Clone, Debug)]
pub struct Charge {
    /// What is counted.
    pub key: Key,
    /// How often it may be.
    pub policy: Policy,
    /// How much it takes. More than the burst is never let through.
    pub cost: u32,
}

impl Charge {
    /// One of a key.
    pub fn one(key: Key, policy: Policy) -> Self {
        Self {
            key,
            policy,
            cost: 1,
        }
    }
}

/// How a key stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many are left.
    pub remaining: u64,
    /// How long until everything is back.
    pub reset_after: Duration,
    /// How long until there is what was asked for; nothing when there is.
    pub retry_after: Duration,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The first charge that there was no room for; nothing was taken of any key then.
    pub refused: Option<usize>,
    /// How each key stands, in the order of the charges; `None` where the policy is off.
    pub counted: Vec<Option<Counted>>,
}

impl Verdict {
    /// Whether everything was taken.
    pub fn is_allowed(&self) -> bool {
        self.refused.is_none()
    }

    /// How long until there is room for what was refused; nothing when nothing was.
    pub fn retry_after(&self) -> Duration {
        let waits = self.counted.iter().flatten().map(|it| it.retry_after);
        waits.max().unwrap_or_default()
    }
}

/// Counts how often. Cloning is cheap; every clone counts together, and so do all processes on one Redis, by its clock
/// and exactly.
///
/// # While Redis is away
///
/// Nothing fails. Each process goes on by itself from what Redis told it last, so that an outage opens no fresh burst
/// to who has used theirs up here. What it knows it tells Redis at the next call for the key: a Redis that comes back
/// empty learns it, and what was let through meanwhile counts. The slack: over one outage, and one loss of Redis' data,
/// each process lets through at most what the policy allows one process, because it does not see the others. With `n`
/// processes that is at most `n` times the policy more than the policy, and rates go on coming back in each of them for as
/// long as the outage lasts: until the breaker of the connection lets a call through again and Redis answers it.
///
/// A hundred thousand keys are remembered, those that are asked for most; a key that is forgotten starts anew in an
/// outage, and where there is no Redis at all.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    script: Script,
    memory: Memory,
    streams: Streams,
}

/// A charge to apply: what is taken counts up, what is given back down.
struct Change<'a> {
    key: &'a Key,
    rate: Rate,
    cost: i64,
}

impl Limiter {
    /// Counts on this Redis, or in this process alone. Waits for nobody. Must be called within a Tokio runtime.
    pub fn new(redis: Option<Redis>) -> Self {
        let link = Link::new(redis, "rates and streams");
        Self {
            shared: Arc::new(Shared {
                script: Script::new(include_str!("lua/rates.lua")),
                memory: Memory::new(),
                streams: Streams::new(link.clone()),
                link,
            }),
        }
    }

    /// Takes every charge or none, in one round trip. Charges whose policy is off are always let through. A future
    /// that is dropped may have taken them.
    pub async fn take(&self, charges: &[Charge]) -> Verdict {
        self.change(&[], charges).await
    }

    /// Gives back what was taken: the request turned out not to count.
    pub async fn give_back(&self, charges: &[Charge]) -> Verdict {
        self.change(charges, &[]).await
    }

    /// Takes other charges in place of those that were taken before: all of them or none. The former ones are given back
    /// in any case, and come first in the verdict.
    pub async fn exchange(&self, back: &[Charge], charges: &[Charge]) -> Verdict {
        self.change(back, charges).await
    }

    /// Begins one of at most so many streams at once of a key; 0 for as many as they like. It ends when the slot is
    /// dropped.
    ///
    /// A process that dies, or leaves while streams are open, leaves its slots taken for up to a minute. While Redis is away each process counts its own
    /// streams: at most so many of them in each. They count for all within 20 s after it is back.
    ///
    /// # Errors
    /// When there are so many already.
    pub async fn enter(&self, key: &Key, most: u32) -> Result<Slot, Full> {
        self.shared.streams.enter(key, most).await
    }

    async fn change(&self, back: &[Charge], taken: &[Charge]) -> Verdict {
        let signed = |charge: &Charge, sign: i64| sign * i64::from(charge.cost);
        let charges: Vec<(&Charge, i64)> = back
            .iter()
            .map(|charge| (charge, signed(charge, -1)))
            .chain(taken.iter().map(|charge| (charge, signed(charge, 1))))
            .collect();
        let (places, changes): (Vec<usize>, Vec<Change<'_>>) = charges
            .iter()
            .enumerate()
            .filter(|(_, (charge, _))| !charge.policy.is_off())
            .map(|(place, (charge, cost))| {
                let change = Change {
                    key: &charge.key,
                    rate: Rate::from(&charge.policy),
                    cost: *cost,
                };
                (place, change)
            })
            .unzip();
        let mut verdict = Verdict {
            refused: None,
            counted: vec![None; charges.len()],
        };
        if changes.is_empty() {
            return verdict;
        }
        let (refused, ahead) = self.apply(&changes).await;
        verdict.refused = refused.and_then(|refused| places.get(refused).copied());
        for ((place, change), ahead) in places.iter().zip(&changes).zip(ahead) {
            let short = verdict.refused.is_some() && change.cost > 0;
            let wait = short
                .then(|| change.rate.take(ahead, change.cost).err())
                .flatten();
            verdict.counted[*place] = Some(Counted {
                remaining: change.rate.remaining(ahead),
                reset_after: Duration::from_micros(ahead),
                retry_after: wait.unwrap_or_default(),
            });
        }
        verdict
    }

    /// Which change there was no room for, and how far each key is ahead now.
    async fn apply(&self, changes: &[Change<'_>]) -> (Option<usize>, Vec<u64>) {
        let memory = &self.shared.memory;
        let cells = memory.cells(changes.iter().map(|change| change.key)).await;
        if self.shared.link.is_there() {
            let known = memory.known(&cells);
            if let Some(answer) = self.ask(changes, &known).await {
                memory.learn(&cells, &known, answer.clock, &answer.ahead);
                return (answer.refused, answer.ahead);
            }
        }
        memory.take(&cells, changes)
    }

    async fn ask(&self, changes: &[Change<'_>], known: &[Known]) -> Option<Answer> {
        let keys = changes
            .iter()
            .map(|change| change.key.in_redis("rate"))
            .collect();
        let mut arguments = Vec::with_capacity(changes.len() * 5);
        for (change, known) in changes.iter().zip(known) {
            arguments.extend([
                change.rate.interval.to_string(),
                change.rate.burst.to_string(),
                change.cost.to_string(),
                known.ahead.to_string(),
                known.owed().to_string(),
            ]);
        }
        let link = &self.shared.link;
        let told: Vec<u64> = link.run(&self.shared.script, keys, arguments).await?;
        let [clock, refused, ahead @ ..] = &told[..] else {
            return None;
        };
        (ahead.len() == changes.len()).then(|| Answer {
            clock: *clock,
            refused: usize::try_from(*refused).unwrap_or_default().checked_sub(1),
            ahead: ahead.to_vec(),
        })
    }
}

/// What Redis said.
struct Answer {
    /// When it said so, by its clock.
    clock: u64,
    refused: Option<usize>,
    ahead: Vec<u64>,
}

#[cfg(test)]
mod tests;

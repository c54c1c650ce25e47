//! The one task that tells Redis of this process's streams: which still live, three times a lease, and which have
//! ended. It does one after the other, so that no stream that has ended is renewed afterwards.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{MissedTickBehavior, interval},
};

use super::Open;
use crate::{
    key::Key,
    link::{Link, Script},
};

/// Streams of one call.
const BATCH: usize = 256;

/// Streams that have ended and could not be told; the lease ends what is beyond.
const UNTOLD: usize = 10_000;

pub(super) struct Keeper {
    link: Link,
    lease: Duration,
    renew: Script,
    leave: Script,
    open: Weak<Open>,
    leaving: UnboundedReceiver<(Key, Arc<str>)>,
    /// Ended while Redis was away.
    untold: Vec<(Key, Arc<str>)>,
}

impl Keeper {
    pub(super) fn new(
        link: Link,
        lease: Duration,
        open: Weak<Open>,
        leaving: UnboundedReceiver<(Key, Arc<str>)>,
    ) -> Self {
        Self {
            link,
            lease,
            renew: Script::new(include_str!("../lua/renew.lua")),
            leave: Script::new(include_str!("../lua/leave.lua")),
            open,
            leaving,
            untold: Vec::new(),
        }
    }

    /// Until nobody can begin or end a stream any more.
    pub(super) async fn keep(mut self) {
        let mut renewals = interval(self.lease / 3);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ended = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = renewals.tick() => self.renew().await,
                received = self.leaving.recv_many(&mut ended, BATCH) => {
                    if received == 0 {
                        return;
                    }
                    if self.link.is_there() {
                        self.tell_ended(std::mem::take(&mut ended)).await;
                    }
                    ended.clear();
                }
            }
        }
    }

    async fn tell_ended(&mut self, ended: Vec<(Key, Arc<str>)>) {
        let (keys, ids) = apart(&ended);
        let told: Option<i64> = self.link.run(&self.leave, keys, ids).await;
        if told.is_none() {
            self.untold.extend(ended);
            self.untold.truncate(UNTOLD);
        }
    }

    async fn renew(&mut self) {
        if !self.link.is_there() {
            return;
        }
        for ended in chunks(std::mem::take(&mut self.untold)) {
            self.tell_ended(ended).await;
        }
        let Some(open) = self.open.upgrade() else {
            return;
        };
        for mut streams in chunks(open.all()) {
            // What ended since is told after this.
            streams.retain(|(key, id)| open.contains(key, id));
            if streams.is_empty() {
                continue;
            }
            let (keys, ids) = apart(&streams);
            let lease = self.lease.as_millis().to_string();
            let arguments = std::iter::once(lease).chain(ids).collect();
            let told: Option<i64> = self.link.run(&self.renew, keys, arguments).await;
            if told.is_none() {
                return;
            }
        }
    }
}

fn chunks(all: Vec<(Key, Arc<str>)>) -> Vec<Vec<(Key, Arc<str>)>> {
    all.chunks(BATCH).map(<[_]>::to_vec).collect()
}

/// The keys in Redis, and the streams.
fn apart(streams: &[(Key, Arc<str>)]) -> (Vec<String>, Vec<String>) {
    let pairs = streams
        .iter()
        .map(|(key, id)| (key.in_redis("streams"), id.to_string()));
    pairs.unzip()
}

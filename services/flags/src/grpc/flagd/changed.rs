//! flagd's event stream: ready at first, then which flags changed, and a sign of life in between.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_stream::stream;
use futures::{Stream, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::state::State;

/// How often a silent stream says that it lives, as flagd does.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// An event's type and data.
pub(super) type Event = (&'static str, Value);

/// The events of a stream of states.
pub(super) fn events(
    states: impl Stream<Item = Arc<State>> + Send,
) -> impl Stream<Item = Event> + Send {
    stream! {
        let mut states = std::pin::pin!(states);
        let mut known: Option<Arc<State>> = None;
        loop {
            match timeout(KEEP_ALIVE, states.next()).await {
                Err(_) => yield ("keep_alive", json!({})),
                Ok(None) => return,
                Ok(Some(state)) => {
                    match &known {
                        None => yield ("provider_ready", json!({})),
                        Some(before) => {
                            let flags = changes(before, &state);
                            if !flags.is_empty() {
                                yield ("configuration_change", json!({ "flags": flags }));
                            }
                        }
                    }
                    known = Some(state);
                }
            }
        }
    }
}

/// The keys that differ, with what became of each in flagd's words.
fn changes(before: &State, after: &State) -> Map<String, Value> {
    let keys: BTreeMap<&String, ()> = before
        .flags
        .keys()
        .chain(after.flags.keys())
        .map(|key| (key, ()))
        .collect();
    keys.into_keys()
        .filter_map(|key| {
            let what = match (before.flags.get(key), after.flags.get(key)) {
                (None, _) => "write",
                (_, None) => "delete",
                (Some(before), Some(after)) if before != after => "update",
                _ => return None,
            };
            Some((key.clone(), json!({ "type": what, "source": "troika" })))
        })
        .collect()
}

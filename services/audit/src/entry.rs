//! What an entry says. It knows neither stores nor wires.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Extensions;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use troika_chassis::context::RequestContext;
use troika_identity::Caller;
use uuid::Uuid;

use crate::chain::Hash;

/// The longest text that says what something was, or is; of a longer one its length is told.
const LONGEST_VALUE: usize = 64 << 10;

/// A change that is to be made, or was.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// Who makes it.
    pub caller: &'a Caller,
    /// What is done, such as `bot.update`.
    pub action: &'static str,
    /// To what: an id.
    pub target: &'a str,
    /// The request, as logs name it.
    pub request_id: &'a str,
}

/// Who makes changes, and in which request.
pub struct By {
    caller: Caller,
    request_id: String,
}

impl By {
    /// Who makes a request, as the door noted it.
    pub fn of(extensions: &Extensions) -> Self {
        Self {
            caller: Caller::from_extensions(extensions),
            request_id: RequestContext::from_extensions(extensions).request_id,
        }
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// A change of theirs.
    pub fn change<'a>(&'a self, action: &'static str, target: &'a str) -> Change<'a> {
        Change {
            caller: &self.caller,
            action,
            target,
            request_id: &self.request_id,
        }
    }
}

/// What is told of a change. No `Debug`: who made it is personal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Tells entries apart before they have a number.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who: an id that stays.
    pub subject: String,
    /// Who, for people.
    pub name: String,
    /// As what.
    pub role: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// What it was before, as JSON; empty for nothing.
    pub before: String,
    /// What it is now, as JSON; empty for nothing.
    pub after: String,
    /// The request, as logs name it.
    pub request_id: String,
}

impl Recorded {
    /// What is known before a change is made.
    pub(crate) fn begun(change: Change<'_>, before: Option<&Value>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: Uuid::new_v4().to_string(),
            at: now.unwrap_or_default().as_millis() as u64,
            subject: change.caller.subject.clone(),
            name: change.caller.name.clone(),
            role: change.caller.role.as_str().to_owned(),
            action: change.action.to_owned(),
            target: change.target.to_owned(),
            before: text(before),
            after: String::new(),
            request_id: change.request_id.to_owned(),
        }
    }

    /// When it was made.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.at)
    }
}

/// A value as an entry keeps it.
pub(crate) fn text(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let text = value.to_string();
    if text.len() <= LONGEST_VALUE {
        text
    } else {
        json!({ "bytes": text.len() }).to_string()
    }
}

/// What is told of a change of which nobody knows whether it was made.
pub(crate) fn unknown() -> Value {
    json!({ "outcome": "unknown" })
}

/// An entry of a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// 1, 2, 3 … without gaps.
    pub number: u64,
    /// Over what it says and the hash of the one before.
    pub hash: Hash,
    /// What it says.
    pub recorded: Recorded,
}

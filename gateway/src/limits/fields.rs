//! What an answer tells of limits: the fields `RateLimit-Policy` and `RateLimit` of the IETF's draft
//! (draft-ietf-httpapi-ratelimit-headers-10), and the three older ones that clients read.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use troika_limits::{Charge, Counted, Policy};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NOW: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// How the limits of a request stand.
#[derive(Default)]
pub(super) struct Told {
    items: Vec<Item>,
}

struct Item {
    name: &'static str,
    policy: Policy,
    counted: Counted,
    /// Whether clients that know of one limit alone are to hear of this one.
    is_common: bool,
}

impl Told {
    /// Adds how charges stand.
    pub(super) fn add(
        &mut self,
        names: &[&'static str],
        charges: &[Charge],
        counted: &[Option<Counted>],
    ) {
        for ((name, charge), counted) in names.iter().zip(charges).zip(counted) {
            self.add_apart(name, charge, *counted, true);
        }
    }

    /// Adds how one charge stands.
    pub(super) fn add_apart(
        &mut self,
        name: &'static str,
        charge: &Charge,
        counted: Option<Counted>,
        is_common: bool,
    ) {
        self.items.extend(counted.map(|counted| Item {
            name,
            policy: charge.policy,
            counted,
            is_common,
        }));
    }

    /// Writes the fields.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let (mut policies, mut now) = (String::new(), String::new());
        for item in &self.items {
            let comma = if policies.is_empty() { "" } else { ", " };
            let window = item.policy.per.as_secs();
            let (name, limit) = (item.name, item.policy.limit);
            let (left, reset) = (item.counted.remaining, seconds(item.counted.reset_after));
            // Writing into a string cannot fail.
            let _ = write!(policies, "{comma}\"{name}\";q={limit};w={window}");
            let _ = write!(now, "{comma}\"{name}\";r={left};t={reset}");
        }
        insert(headers, POLICY, policies);
        insert(headers, NOW, now);
        // Of several, the one that ends first; of equals, the last and most particular.
        let common = self.items.iter().rev().filter(|item| item.is_common);
        if let Some(item) = common.min_by_key(|item| item.counted.remaining) {
            headers.insert(LIMIT, item.policy.limit.into());
            headers.insert(REMAINING, item.counted.remaining.into());
            headers.insert(RESET, seconds(item.counted.reset_after).into());
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// Whole seconds, and never earlier than meant.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use troika_limits::Key;

    use super::*;

    fn told(of: &[(&'static str, u32, u64, bool)]) -> HeaderMap {
        let mut told = Told::default();
        for (name, limit, remaining, is_common) in of {
            let policy = Policy::new(*limit, Duration::from_secs(60));
            let charge = Charge::one(Key::new(name, "a"), policy);
            let counted = Counted {
                remaining: *remaining,
                reset_after: Duration::from_millis(1_200),
                retry_after: Duration::ZERO,
            };
            told.add_apart(name, &charge, Some(counted), *is_common);
        }
        let mut headers = HeaderMap::new();
        told.write(&mut headers);
        headers
    }

    #[test]
    fn every_policy_is_told_and_the_old_fields_tell_the_one_that_ends_first() {
        let headers = told(&[("api", 100, 40, true), ("stream", 30, 29, true)]);
        assert_eq!(
            headers["ratelimit-policy"],
            r#""api";q=100;w=60, "stream";q=30;w=60"#
        );
        assert_eq!(headers["ratelimit"], r#""api";r=40;t=2, "stream";r=29;t=2"#);
        assert_eq!(headers["ratelimit-limit"], "30");
        assert_eq!(headers["ratelimit-remaining"], "29");
        assert_eq!(headers["ratelimit-reset"], "2");
    }

    #[test]
    fn what_is_not_common_stands_in_the_new_fields_alone() {
        let headers = told(&[("api", 100, 40, true), ("invalid", 60, 3, false)]);
        assert_eq!(headers["ratelimit-limit"], "100");
        assert!(
            headers["ratelimit"]
                .to_str()
                .unwrap()
                .contains("\"invalid\";r=3")
        );
        assert!(told(&[]).is_empty());
    }
}

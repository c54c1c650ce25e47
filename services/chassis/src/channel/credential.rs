//! What a process shows with each of its calls, so that others know it. It must not know what that is.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

type Show = dyn Fn() -> Option<(HeaderName, HeaderValue)> + Send + Sync;

/// A header that goes with each call of a channel, made anew for each. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Credential(Option<Arc<Show>>);

impl Credential {
    /// Shows what `show` says at the time of each call.
    pub fn new(
        show: impl Fn() -> Option<(HeaderName, HeaderValue)> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(show)))
    }

    /// Adds the header; one that the call has already stays.
    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = self.0.as_ref().and_then(|show| show()) {
            headers.entry(name).or_insert(value);
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Credential(..)"
        } else {
            "Credential(none)"
        })
    }
}

/// No part of the settings that stand in a file: two that differ in it alone are the same.
impl PartialEq for Credential {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

//! What is logged: read from directives, and changed while the process runs. It must not know where lines go.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Libraries that are kept quieter than asked unless they are named: at debug some of them log what
/// they transport.
pub(super) const QUIET: [&str; 10] = [
    "fred",
    "h2",
    "hickory_proto",
    "hyper",
    "hyper_util",
    "mongodb",
    "reqwest",
    "rustls",
    "tonic",
    "tower",
];

/// Libraries that log the documents and answers they cannot read: silent unless they are named.
const SILENT: [&str; 3] = ["async_openai", "lopdf", "pdf_extract"];

/// Longest text that is shown again to who sent it.
const SHOWN: usize = 200;

/// A text that says nothing of levels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no level: write error, warn, info, debug, trace or off, or directives such as info,troika_chat=debug"
)]
pub struct NoLevel(String);

impl NoLevel {
    fn new(text: &str) -> Self {
        Self(text[..text.floor_char_boundary(SHOWN)].to_owned())
    }
}

/// The levels of this process. Cloning is cheap; every clone changes the same.
#[derive(Clone)]
pub struct LogLevels {
    shared: Arc<Shared>,
}

struct Shared {
    now: Mutex<String>,
    apply: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogLevels").field(&*self.lock()).finish()
    }
}

impl LogLevels {
    /// Levels that are in force; `apply` brings others into force.
    pub(crate) fn new(
        now: &str,
        apply: impl Fn(EnvFilter) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                now: Mutex::new(now.trim().to_owned()),
                apply: Box::new(apply),
            }),
        }
    }

    /// What is in force, as it was written.
    pub fn now(&self) -> String {
        self.lock().clone()
    }

    /// Brings others into force, until the process ends, and says so in the log.
    ///
    /// # Errors
    /// A text that says nothing of levels. Nothing is changed then.
    pub fn change(&self, to: &str) -> Result<(), NoLevel> {
        let to = to.trim();
        let filter = filter(to)?;
        // Under the lock: what is said to be in force is.
        let mut now = self.lock();
        let was_silent = shows_no_warnings(&now);
        let tell = || tracing::warn!(from = now.as_str(), to, "the levels of the log are changed");
        // Who silences the log still reads that it was silenced, and who brings it back that it speaks again.
        if !was_silent {
            tell();
        }
        if (self.shared.apply)(filter) {
            if was_silent {
                tell();
            }
            to.clone_into(&mut now);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.shared
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a warning of ours would not be seen.
fn shows_no_warnings(level: &str) -> bool {
    EnvFilter::builder()
        .parse(level)
        .ok()
        .and_then(|filter| filter.max_level_hint())
        .is_some_and(|most| most < LevelFilter::WARN)
}

/// The directives with quiet libraries, where they are not named.
pub(super) fn filter(level: &str) -> Result<EnvFilter, NoLevel> {
    let refused = || NoLevel::new(level);
    let parts: Vec<&str> = level
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    // A word that is no level would be taken for the name of a library, and silence everything else.
    let word = |part: &str| !part.contains(['=', '[', ':']);
    if parts.is_empty()
        || parts
            .iter()
            .any(|part| word(part) && part.parse::<LevelFilter>().is_err())
    {
        return Err(refused());
    }
    let named: Vec<&str> = parts
        .iter()
        .filter_map(|part| part.split(['=', '[', ':']).next())
        .map(str::trim)
        .collect();
    let quiet = QUIET
        .iter()
        .map(|library| (library, "warn"))
        .chain(SILENT.iter().map(|library| (library, "off")))
        .filter(|(library, _)| !named.contains(library))
        .map(|(library, level)| format!("{library}={level}"));
    let directives = quiet
        .chain(Some(level.to_owned()))
        .collect::<Vec<_>>()
        .join(",");
    EnvFilter::builder()
        .parse(directives)
        .map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn levels_are_changed_and_what_is_no_level_changes_nothing() {
        let applied = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&applied);
        let levels = LogLevels::new("info", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            true
        });
        levels.change(" info,troika_chat=debug\n").unwrap();
        assert_eq!(levels.now(), "info,troika_chat=debug");
        for wrong in ["", " , ", "loud", "info,loud", "troika_chat=loud", "a b c"] {
            let error = levels.change(wrong).unwrap_err();
            assert!(error.to_string().contains("is no level"), "{error}");
        }
        assert_eq!(levels.now(), "info,troika_chat=debug");
        assert_eq!(applied.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        assert!(filter("debug").unwrap().to_string().contains("h2=warn"));
        let named = filter("debug,h2=trace").unwrap().to_string();
        assert!(
            named.contains("h2=trace") && !named.contains("h2=warn"),
            "{named}"
        );
    }

    #[test]
    fn a_long_text_is_not_shown_in_full() {
        let error = filter(&"ä".repeat(5_000)).unwrap_err();
        assert!(error.to_string().len() < 400);
    }
}

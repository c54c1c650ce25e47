//! The certificates between processes: read once, and handed to everything that serves or calls. It must not know what
//! is said over them.

use troika_chassis::{
    meters::Meters,
    tls::{HTTP_2, Purpose, Tls},
};

use crate::{
    config::Config,
    exit::{Exit, Failure},
};

/// What they are for.
const PURPOSE: Purpose = Purpose {
    label: "services",
    section: "tls",
};

/// Reads them; none where none are configured. Must be called inside a tokio runtime.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn load(config: &Config, meters: &Meters) -> Result<Option<Tls>, Failure> {
    if !config.tls.is_set() {
        return Ok(None);
    }
    Tls::load(PURPOSE, &config.tls, &[HTTP_2], meters)
        .map(Some)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

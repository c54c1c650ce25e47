//! The certificates between processes: read once, and handed to everything that serves or calls. It must not know what
//! is said over them.

use troika_chassis::{
    meters::Meters,
    tls::{self, HTTP_2, Purpose, Tls, TlsError},
};

use crate::{
    cli::Role,
    config::{Config, rules},
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

/// Everything that is wrong with the files.
pub(crate) fn check(config: &Config) -> Vec<TlsError> {
    tls::check(PURPOSE, &config.tls)
}

/// Says so when the roles of one process cannot believe each other: they call each other by address, and certificates
/// are mostly for names.
pub(crate) fn warn_of_other_names(config: &Config) {
    let Some(shown) = &config.grpc.tls else {
        return;
    };
    let address = rules::reachable(rules::listen(config, Role::Chat)).ip();
    if config.tls.name.is_none() && !shown.bears(&address.to_string()) {
        tracing::warn!(
            %address,
            "tls.cert is not for the address at which the roles of this process call each other: set tls.name to a \
             name that it is for"
        );
    }
}

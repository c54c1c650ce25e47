//! Who the command line is to the roles it calls: whoever TROIKA_TOKEN says, else an admin by the secret at hand, which a
//! person who can read it could sign a token with anyway.

use std::{
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderValue, header::AUTHORIZATION};
use troika_chassis::channel::Credential;

use crate::{
    cli::Role,
    config::Config,
    exit::{Exit, Failure},
    secrets,
    verbs::{author, token},
};

/// Holds a token that was made elsewhere.
const TOKEN: &str = "TROIKA_TOKEN";

/// Longer than any command runs without a person at it.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// What is shown with each call.
///
/// # Errors
/// When TROIKA_TOKEN holds no token, or a token cannot be signed.
pub(super) fn of(config: &Config) -> Result<Credential, Failure> {
    let token = match env::var(TOKEN) {
        Ok(token) if !token.trim().is_empty() => token.trim().to_owned(),
        _ => match own(config)? {
            Some(token) => token,
            // Without a secret: what is open to all can be asked all the same.
            None => return Ok(Credential::default()),
        },
    };
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
        Failure::new(Exit::Usage, format!("{TOKEN} holds no token"))
            .with_detail("`troika token --role admin` prints one")
    })?;
    value.set_sensitive(true);
    Ok(Credential::new(move || {
        Some((AUTHORIZATION, value.clone()))
    }))
}

/// An admin's token by the secret of this machine.
fn own(config: &Config) -> Result<Option<String>, Failure> {
    if config.in_production() && config.auth.jwt_secret.is_empty() {
        return Ok(None);
    }
    let secrets = secrets::obtain(config, Role::Chat)?;
    if secrets.jwt.is_empty() {
        return Ok(None);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Where the system knows nobody, changes are signed by whoever is named in them.
    let name = author::of_the_system().unwrap_or_else(|| "command line".to_owned());
    token::admin(&config.auth, &secrets.jwt, &name, now, LIFE).map(Some)
}

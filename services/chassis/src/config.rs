//! Layered configuration: defaults in code, then a TOML file, then well-known environment names,
//! then `TROIKA_<SECTION>__<KEY>`; each layer overrides those before it. Every problem is reported at
//! once, unknown keys included. It must not know which settings there are.
//!
//! An environment variable that is set but blank counts as not set. Its text is read as TOML where
//! that fits the setting (`8080`, `true`, `["a", "b"]`), else as plain text; a list may also be written
//! with commas (`a,b`).

mod errors;
mod load;
mod problems;
mod secret;
mod tree;

use std::{collections::BTreeMap, path::PathBuf};

pub use errors::{ConfigError, ConfigErrors, ConfigProblem};
pub use load::load;
pub use problems::{Problems, Scope, Validate};
pub use secret::Secret;

/// Every environment name of the product begins with this.
const PREFIX: &str = "TROIKA_";

/// Stands between the parts of a key in an environment name.
const SEPARATOR: &str = "__";

/// Where settings come from.
#[derive(Clone, Default)]
pub struct Sources {
    /// A TOML file that must exist when it is named.
    pub file: Option<PathBuf>,
    /// The environment: usually [`environment`].
    pub env: BTreeMap<String, String>,
    /// Environment names that operators know. Where two name the same key, the later one wins.
    pub aliases: &'static [EnvAlias],
}

/// A well-known environment name for one key.
#[derive(Clone, Copy, Debug)]
pub struct EnvAlias {
    /// Such as `MONGODB_URI`.
    pub name: &'static str,
    /// Such as `mongodb.uri`.
    pub key: &'static str,
}

/// The environment of this process. Names and values that are not UTF-8 are left out.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The environment name that sets a key: its alias, else the one made from the key
/// (`chat.model.first_token` → `TROIKA_CHAT__MODEL__FIRST_TOKEN`).
pub fn env_name(key: &str, aliases: &[EnvAlias]) -> String {
    match aliases.iter().rev().find(|alias| alias.key == key) {
        Some(alias) => alias.name.to_owned(),
        None => format!("{PREFIX}{}", key.replace('.', SEPARATOR).to_uppercase()),
    }
}

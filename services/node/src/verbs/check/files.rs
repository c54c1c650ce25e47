//! The files that the configuration names: certificates, keys, authorities, key sets of tokens. It opens them as a start does.

use std::error::Error;

use troika_identity::check_key_file;

use crate::{config::Config, tls};

/// A file that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What names it.
    pub(super) setting: String,
    pub(super) file: String,
    /// What is wrong with it, and what to change; nothing of its contents.
    pub(super) problem: String,
}

/// Everything that is wrong with them.
pub(super) fn look(config: &Config) -> Vec<Wrong> {
    let certificates = tls::check(config)
        .into_iter()
        .chain(config.gateway.tls.check_files());
    let mut wrong: Vec<Wrong> = certificates
        .map(|error| Wrong {
            setting: error.setting,
            file: error.file,
            problem: error.problem,
        })
        .collect();
    if let Some(file) = &config.auth.jwks_file
        && let Err(error) = check_key_file(file)
    {
        wrong.push(Wrong {
            setting: "auth.jwks_file".to_owned(),
            file: file.display().to_string(),
            problem: format!(
                "{}: put the public keys of who signs tokens there, as a JSON Web Key Set",
                with_causes(error.as_ref())
            ),
        });
    }
    wrong
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

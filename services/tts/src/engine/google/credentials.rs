//! Credentials of Google Cloud: read, checked, made usable. What they hold stays out of every error.

use std::{io, path::Path};

use google_cloud_auth::{
    build_errors,
    credentials::{
        Credentials, anonymous, external_account, impersonated, service_account, user_account,
    },
};
use serde_json::Value;
use troika_chassis::config::Secret;

/// The value that stands for no credentials at all.
const ANONYMOUS: &str = "anonymous";

/// Kinds of credentials, by the "type" of their JSON, with what each must hold.
const KINDS: [(&str, &[&str]); 4] = [
    (
        "service_account",
        &[
            "client_email",
            "private_key",
            "private_key_id",
            "project_id",
        ],
    ),
    (
        "authorized_user",
        &["client_id", "client_secret", "refresh_token"],
    ),
    (
        "external_account",
        &[
            "audience",
            "subject_token_type",
            "token_url",
            "credential_source",
        ],
    ),
    (
        "impersonated_service_account",
        &["service_account_impersonation_url", "source_credentials"],
    ),
];

/// Why credentials cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsProblem {
    /// The file is not there or not readable.
    #[error("the file cannot be read ({0}): write the path of a JSON key file, or the JSON itself")]
    Unreadable(io::ErrorKind),
    /// No JSON object.
    #[error("is no JSON object: write the key as Google gave it out")]
    NotJson,
    /// The "type" is missing or another one.
    #[error(
        "has no known \"type\": it must be service_account, authorized_user, external_account or impersonated_service_account"
    )]
    UnknownType,
    /// Something is missing.
    #[error("has no \"{0}\", or it is empty: write the whole key as Google gave it out")]
    Missing(&'static str),
    /// The private key is not one.
    #[error("its \"private_key\" is no private key in PEM form: keep its line breaks as \\n")]
    NoKey,
    /// "anonymous" for Google itself.
    #[error("\"anonymous\" works only with an endpoint of your own")]
    AnonymousAtGoogle,
    /// Google's library finds them wrong.
    #[error("has a field that is not as Google gives it out")]
    Malformed,
}

impl From<build_errors::Error> for CredentialsProblem {
    /// The library quotes what it read, so its own words go no further.
    fn from(_: build_errors::Error) -> Self {
        Self::Malformed
    }
}

/// Credentials that were read and look whole.
pub(super) enum Source {
    Anonymous,
    Key { kind: &'static str, json: Value },
}

/// Reads and checks credentials, without the network.
pub(super) fn read(secret: &Secret, has_endpoint: bool) -> Result<Source, CredentialsProblem> {
    let value = secret.expose().trim();
    if value == ANONYMOUS {
        return if has_endpoint {
            Ok(Source::Anonymous)
        } else {
            Err(CredentialsProblem::AnonymousAtGoogle)
        };
    }
    let json = if value.starts_with(['{', '[', '"']) {
        value.to_owned()
    } else {
        std::fs::read_to_string(Path::new(value))
            .map_err(|error| CredentialsProblem::Unreadable(error.kind()))?
    };
    let json: Value = serde_json::from_str(&json).map_err(|_| CredentialsProblem::NotJson)?;
    if !json.is_object() {
        return Err(CredentialsProblem::NotJson);
    }
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    let (kind, needed) = KINDS
        .into_iter()
        .find(|(kind, _)| *kind == text("type"))
        .ok_or(CredentialsProblem::UnknownType)?;
    if let Some(missing) = needed
        .iter()
        .find(|key| text(key).trim().is_empty() && !json[**key].is_object())
    {
        return Err(CredentialsProblem::Missing(missing));
    }
    let is_pem = text("private_key").trim_start().starts_with("-----BEGIN ")
        && text("private_key").contains("PRIVATE KEY-----\n");
    if kind == "service_account" && !is_pem {
        return Err(CredentialsProblem::NoKey);
    }
    Ok(Source::Key { kind, json })
}

impl Source {
    /// Where the credentials are valid, when they say so.
    pub(super) fn universe(&self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::Key { json, .. } => json["universe_domain"].as_str().map(str::to_owned),
        }
    }

    /// Usable credentials. A task keeps their token fresh, so this needs a tokio runtime.
    pub(super) fn build(self) -> Result<Credentials, CredentialsProblem> {
        Ok(match self {
            Self::Anonymous => anonymous::Builder::new().build(),
            Self::Key { kind, json } => match kind {
                "authorized_user" => user_account::Builder::new(json).build()?,
                "external_account" => external_account::Builder::new(json).build()?,
                "impersonated_service_account" => impersonated::Builder::new(json).build()?,
                _ => service_account::Builder::new(json).build()?,
            },
        })
    }
}

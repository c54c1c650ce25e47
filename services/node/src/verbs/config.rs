//! `troika config`: the configuration in force, as TOML.

use serde_json::Value as Json;
use toml::Value;
use troika_chassis::config::Sources;
use url::Url;

use crate::{
    cli::Role,
    config::{Config, names_in_force},
    exit::{Exit, Failure},
    output, secrets,
};

/// Prints the configuration with secrets redacted.
///
/// # Errors
/// When a secret that production needs is missing.
pub(crate) fn show(sources: &Sources, config: &Config) -> Result<(), Failure> {
    let unwritable = |error: toml::ser::Error| {
        Failure::because(
            Exit::Failed,
            "the configuration cannot be written as TOML",
            &error,
        )
    };
    let mut tree = Value::try_from(config).map_err(unwritable)?;
    redact(&mut tree);
    let text = toml::to_string_pretty(&tree).map_err(unwritable)?;
    output::line(&format!("# {}", origin(sources)))?;
    let unset = unset(config);
    if !unset.is_empty() {
        output::line(&format!("# Without a value: {}.", unset.join(", ")))?;
    }
    output::line(&format!("\n{}", text.trim_end()))?;
    secrets::require(config, Role::Gateway)
}

/// Where the values come from.
fn origin(sources: &Sources) -> String {
    let file = sources
        .file
        .as_ref()
        .map(|file| format!(", {}", file.display()))
        .unwrap_or_default();
    let names = match names_in_force(&sources.env) {
        names if names.is_empty() => String::new(),
        names => format!(", the environment ({})", names.join(", ")),
    };
    format!("From the defaults{file}{names}.")
}

/// The settings that TOML cannot show, because they have no value.
fn unset(config: &Config) -> Vec<String> {
    fn collect(value: &Json, path: &str, found: &mut Vec<String>) {
        match value {
            Json::Null => found.push(path.to_owned()),
            Json::Object(section) => {
                for (key, value) in section {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    collect(value, &path, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(
        &serde_json::to_value(config).unwrap_or_default(),
        "",
        &mut found,
    );
    found
}

/// Takes user and password out of addresses: whoever put them there did not think of this output.
fn redact(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Ok(mut url) = Url::parse(text)
                && (url.password().is_some() || !url.username().is_empty())
                && url.set_username("redacted").is_ok()
                && url.set_password(None).is_ok()
            {
                *text = url.to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| redact(value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_user_and_password() {
        let mut tree: Value =
            toml::from_str("a = \"http://me:hunter2@host/v1\"\nb = [\"10s\"]\n[c]\nd = \"data\"")
                .unwrap();
        redact(&mut tree);
        assert_eq!(
            tree,
            toml::from_str("a = \"http://redacted@host/v1\"\nb = [\"10s\"]\n[c]\nd = \"data\"")
                .unwrap()
        );
    }

    #[test]
    fn settings_without_a_value_are_named() {
        let unset = unset(&Config::default());
        assert!(
            unset.iter().any(|key| key == "chat.model.base_url"),
            "{unset:?}"
        );
        assert!(
            !unset.iter().any(|key| key == "chat.model.name"),
            "{unset:?}"
        );
    }

    #[test]
    fn the_origin_names_files_and_names_but_no_values() {
        let mut sources = Sources {
            file: Some("troika.toml".into()),
            ..Sources::default()
        };
        sources.env.insert("JWT_SECRET".into(), "hunter2".into());
        assert_eq!(
            origin(&sources),
            "From the defaults, troika.toml, the environment (JWT_SECRET)."
        );
    }
}

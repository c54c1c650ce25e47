//! Layers, readings of environment texts, and everything that can be wrong.

use std::{io::Write as _, time::Duration};

use bytesize::ByteSize;
use serde::Deserialize;

use super::*;
use crate::config::{EnvAlias, Secret};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default)]
struct Config {
    environment: String,
    model: Model,
    gateway: Gateway,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Model {
    api_key: Secret,
    base_url: Option<url::Url>,
    #[serde(with = "humantime_serde")]
    first_token: Duration,
    temperature: f64,
    fallbacks: Vec<Fallback>,
    memory: Option<Memory>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Fallback {
    name: String,
    #[serde(default)]
    weight: u8,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Memory {
    size: ByteSize,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default)]
struct Gateway {
    port: u16,
    open: bool,
    whitelist: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment: "development".into(),
            model: Model::default(),
            gateway: Gateway::default(),
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            port: 5000,
            open: false,
            whitelist: Vec::new(),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        let mut gateway = problems.at("gateway");
        gateway.check(self.gateway.port != 0, "port", "must not be 0");
        gateway.check(!self.gateway.open, "open", "must be false");
    }
}

const ALIASES: &[EnvAlias] = &[
    EnvAlias {
        name: "NODE_ENV",
        key: "environment",
    },
    EnvAlias {
        name: "TROIKA_ENV",
        key: "environment",
    },
    EnvAlias {
        name: "PORT",
        key: "gateway.port",
    },
    EnvAlias {
        name: "OPENAI_API_KEY",
        key: "model.api_key",
    },
    EnvAlias {
        name: "OPENAI_BASE_URL",
        key: "model.base_url",
    },
    EnvAlias {
        name: "WHITELIST",
        key: "gateway.whitelist",
    },
];

fn from(file: &str, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    load(&Sources {
        file: Some(written.path().to_owned()),
        env,
        aliases: ALIASES,
    })
}

fn problems(file: &str, env: &[(&str, &str)]) -> Vec<(String, Option<String>, String)> {
    let errors = from(file, env).unwrap_err();
    errors
        .iter()
        .map(|error| (error.key.clone(), error.env.clone(), error.problem.clone()))
        .collect()
}

#[test]
fn each_layer_overrides_those_before_it() {
    let file = "[gateway]\nport = 1\n";
    assert_eq!(from("", &[]).unwrap().gateway.port, 5000);
    assert_eq!(from(file, &[]).unwrap().gateway.port, 1);
    assert_eq!(from(file, &[("PORT", "2")]).unwrap().gateway.port, 2);
    assert_eq!(
        from(file, &[("PORT", "2"), ("TROIKA_GATEWAY__PORT", "3")])
            .unwrap()
            .gateway
            .port,
        3
    );
}

#[test]
fn of_two_names_for_one_key_the_later_in_the_list_wins() {
    let env = [("NODE_ENV", "production"), ("TROIKA_ENV", "staging")];
    assert_eq!(from("", &env).unwrap().environment, "staging");
    assert_eq!(from("", &env[..1]).unwrap().environment, "production");
}

#[test]
fn what_is_set_but_blank_counts_as_not_set() {
    let env = [
        ("OPENAI_BASE_URL", ""),
        ("PORT", "  "),
        ("TROIKA_MODEL__FIRST_TOKEN", ""),
    ];
    assert_eq!(from("", &env).unwrap(), Config::default());
}

#[test]
fn text_settings_take_what_looks_like_a_number_or_a_truth() {
    for text in [
        "12345",
        "true",
        "007",
        "1e5",
        "[x]",
        "\"quoted\"",
        "2026-01-01",
        "a,b",
    ] {
        let env = [("OPENAI_API_KEY", text), ("TROIKA_ENV", text)];
        let config = from("", &env).unwrap();
        assert_eq!(
            (config.model.api_key.expose(), config.environment.as_str()),
            (text, text)
        );
    }
}

#[test]
fn settings_of_every_type_come_from_the_environment() {
    let config = from(
        "",
        &[
            ("TROIKA_MODEL__FIRST_TOKEN", "1m 30s"),
            ("TROIKA_MODEL__TEMPERATURE", "1"),
            ("TROIKA_MODEL__MEMORY__SIZE", "4 MiB"),
            ("TROIKA_MODEL__FALLBACKS", "[{name = \"a\", weight = 2}]"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
            ("WHITELIST", "10.0.0.0/8, 127.0.0.1"),
            ("UNRELATED__NAME", "x"),
            ("TROIKA_CHAT_SERVICE_HOST", "10.0.0.1"),
        ],
    )
    .unwrap();
    assert_eq!(config.model.first_token, Duration::from_secs(90));
    assert_eq!(config.model.temperature, 1.0);
    assert_eq!(
        config.model.memory,
        Some(Memory {
            size: ByteSize::mib(4)
        })
    );
    assert_eq!(
        config.model.fallbacks,
        [Fallback {
            name: "a".into(),
            weight: 2
        }]
    );
    assert_eq!(
        config.model.base_url.unwrap().as_str(),
        "http://127.0.0.1:9/v1"
    );
    assert_eq!(config.gateway.whitelist, ["10.0.0.0/8", "127.0.0.1"]);
    assert_eq!(
        from("", &[("WHITELIST", "::1")]).unwrap().gateway.whitelist,
        ["::1"]
    );
}

#[test]
fn all_errors_come_together_with_the_names_that_set_them() {
    let file = "environment = 5\nodd = 1\n[model]\nfallbacks = [{name = 1}, {name = \"b\", wait = 1}, {name = \"c\", weight = 300}]\n";
    let env = [
        ("PORT", "70000"),
        ("TROIKA_MODEL__FIRST_TOKEN", "10"),
        ("TROIKA_GATEWAY__OPEN", "true"),
        ("TROIKA_NO__SUCH", "1"),
    ];
    let found = problems(file, &env);
    let keys: Vec<_> = found
        .iter()
        .map(|(key, env, _)| (key.as_str(), env.as_deref().unwrap()))
        .collect();
    assert_eq!(
        keys,
        [
            ("environment", "TROIKA_ENV"),
            ("gateway.open", "TROIKA_GATEWAY__OPEN"),
            ("gateway.port", "PORT"),
            ("model.fallbacks.0.name", "TROIKA_MODEL__FALLBACKS__0__NAME"),
            ("model.fallbacks.1.wait", "TROIKA_MODEL__FALLBACKS__1__WAIT"),
            (
                "model.fallbacks.2.weight",
                "TROIKA_MODEL__FALLBACKS__2__WEIGHT"
            ),
            ("model.first_token", "TROIKA_MODEL__FIRST_TOKEN"),
            ("no.such", "TROIKA_NO__SUCH"),
            ("odd", "TROIKA_ODD"),
        ]
    );
}

#[test]
fn the_problem_of_the_reading_that_fits_best_is_told() {
    let found = problems(
        "",
        &[("PORT", "70000"), ("TROIKA_MODEL__FIRST_TOKEN", "10")],
    );
    assert!(
        found[0].2.contains("70000") && found[0].2.contains("u16"),
        "{found:?}"
    );
    assert!(found[1].2.ends_with("such as 10s or 1m 30s"), "{found:?}");
}

#[test]
fn errors_are_lines_that_name_key_place_and_problem() {
    let errors = from("", &[("PORT", "x")]).unwrap_err().to_string();
    assert_eq!(
        errors,
        "gateway.port (PORT): invalid type: string \"x\", expected u16"
    );
    let errors = from("[gateway]\nport = 0", &[]).unwrap_err().to_string();
    assert!(
        errors.starts_with("gateway.port (in /")
            && errors.ends_with("; environment: PORT): must not be 0"),
        "{errors}"
    );
}

#[test]
fn secrets_are_not_shown_in_errors() {
    let file = "[model]\napi_key = 271828\nbase_url = \"http://me:hunter2@\"\n";
    let errors = from(file, &[]).unwrap_err().to_string();
    assert!(
        !errors.contains("271828") && !errors.contains("hunter2"),
        "{errors}"
    );
    let errors = from("[model]\napi_key = hunter2\n", &[])
        .unwrap_err()
        .to_string();
    assert!(
        errors.contains("line 2") && !errors.contains("hunter2"),
        "{errors}"
    );
}

#[test]
fn a_wrong_part_of_a_list_is_told_as_that() {
    let found = problems(
        "",
        &[("TROIKA_MODEL__FALLBACKS", "[{name = \"a\"}, {name = 1}]")],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "model.fallbacks.1.name");
    assert_eq!(found[0].1.as_deref(), Some("TROIKA_MODEL__FALLBACKS"));
}

#[test]
fn a_named_file_must_exist() {
    let sources = Sources {
        file: Some("/nowhere/troika.toml".into()),
        ..Sources::default()
    };
    let errors = load::<Config>(&sources).unwrap_err().to_string();
    assert!(
        errors.starts_with("in /nowhere/troika.toml: cannot be read"),
        "{errors}"
    );
}

#[test]
fn a_name_inside_a_value_is_refused() {
    let found = problems(
        "",
        &[
            ("TROIKA_GATEWAY__PORT", "1"),
            ("TROIKA_GATEWAY__PORT__X", "1"),
            ("TROIKA_GATEWAY__", "1"),
        ],
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

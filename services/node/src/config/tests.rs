//! The merged configuration: names, rules across sections, and the example file that documents it.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::*;
use crate::cli::Role;

const EXAMPLE: &str = include_str!("../../troika.example.toml");

fn load(env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::load(&Sources {
        file: None,
        env,
        aliases: ALIASES,
    })
}

/// The paths of all settings of a tree; a list is one setting.
fn keys(tree: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match tree {
        Value::Object(section) => {
            for (key, value) in section {
                let path = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                keys(value, &path, found);
            }
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

fn keys_of(tree: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys(tree, "", &mut found);
    found
}

fn default_tree() -> Value {
    serde_json::to_value(Config::default()).unwrap()
}

#[test]
fn nothing_configured_is_a_working_configuration() {
    let config = load(&[]).unwrap();
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.gateway.address().to_string(), "127.0.0.1:5000");
    assert_eq!(config.gateway.chat.as_str(), "http://127.0.0.1:50051/");
    assert_eq!(config.drain().delay, Duration::ZERO);
    assert!(config.chat.embeddings.base_url.is_none());
}

#[test]
fn every_known_name_sets_a_setting_that_exists() {
    let known = keys_of(&default_tree());
    for alias in ALIASES {
        assert!(
            known.contains(alias.key),
            "{} stands for {}, which does not exist",
            alias.name,
            alias.key
        );
    }
}

#[test]
fn the_names_that_operators_know_are_read() {
    let config = load(&[
        ("PORT", "8080"),
        ("MONGODB_URI", "mongodb://db.internal/troika"),
        ("REDIS_URL", "redis://cache.internal:6379"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1"),
        ("OPENAI_MODEL", "small"),
        ("OPENAI_API_KEY", "12345"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("TROIKA_DATA_DIR", "/var/lib/troika"),
        ("TROIKA_CHAT__MODEL__FIRST_TOKEN", "3s"),
        ("RATE_LIMIT_IP_WHITELIST", "10.0.0.0/8, 192.168.1.7"),
    ])
    .unwrap();
    assert_eq!(config.gateway.port, 8080);
    assert_eq!(config.mongodb.uri.expose(), "mongodb://db.internal/troika");
    assert_eq!(config.redis.url.expose(), "redis://cache.internal:6379");
    assert_eq!(
        config.chat.model.base_url.unwrap().as_str(),
        "http://127.0.0.1:9000/v1"
    );
    assert_eq!(config.chat.model.name, "small");
    assert_eq!(config.chat.model.api_key.expose(), "12345");
    assert_eq!(config.data_dir, PathBuf::from("/var/lib/troika"));
    assert_eq!(config.chat.model.first_token, Duration::from_secs(3));
    assert_eq!(config.gateway.rate_limit_ip_whitelist.len(), 2);
}

#[test]
fn troika_env_wins_over_node_env() {
    let config = load(&[("NODE_ENV", "production"), ("TROIKA_ENV", "development")]).unwrap();
    assert!(!config.in_production());
    assert!(load(&[("NODE_ENV", "production")]).unwrap().in_production());
}

#[test]
fn production_drains_with_a_delay_unless_told_otherwise() {
    let production = ("NODE_ENV", "production");
    assert_eq!(
        load(&[production]).unwrap().drain().delay,
        Duration::from_secs(5)
    );
    assert_eq!(
        load(&[production, ("TROIKA_DRAIN__DELAY", "0s")])
            .unwrap()
            .drain()
            .delay,
        Duration::ZERO
    );
}

#[test]
fn a_key_alone_means_openai_for_both_models() {
    let chat = load(&[("OPENAI_API_KEY", "key")]).unwrap().chat;
    assert_eq!(
        chat.embeddings.base_url.unwrap().as_str(),
        troika_chat::OPENAI_BASE_URL
    );
    assert_eq!(chat.embeddings.api_key.expose(), "key");
}

#[test]
fn an_address_for_the_model_says_nothing_about_embeddings() {
    let chat = load(&[
        ("OPENAI_API_KEY", "key"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1"),
    ])
    .unwrap()
    .chat;
    assert!(chat.embeddings.base_url.is_none());
}

#[test]
fn the_key_is_shared_with_the_same_server_only() {
    let embeddings = |address| {
        let env = [
            ("OPENAI_API_KEY", "key"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1"),
            ("OPENAI_EMBEDDINGS_BASE_URL", address),
        ];
        load(&env).unwrap().chat.embeddings
    };
    assert_eq!(
        embeddings("http://127.0.0.1:9000/other/v1")
            .api_key
            .expose(),
        "key"
    );
    assert!(embeddings("http://127.0.0.1:9001/v1").api_key.is_empty());
}

#[test]
fn the_gateway_follows_a_chat_role_that_moved() {
    let chat = |listen| {
        load(&[("TROIKA_CHAT__LISTEN", listen)])
            .unwrap()
            .gateway
            .chat
            .to_string()
    };
    assert_eq!(chat("127.0.0.1:7000"), "http://127.0.0.1:7000/");
    assert_eq!(chat("0.0.0.0:7000"), "http://127.0.0.1:7000/");
    assert_eq!(chat("[::]:7000"), "http://[::1]:7000/");
}

#[test]
fn roles_call_each_other_over_tls_where_it_is_served() {
    let pair = [("TROIKA_TLS__CERT", "c.pem"), ("TROIKA_TLS__KEY", "k.pem")];
    let config = load(&pair).unwrap();
    for address in [
        &config.gateway.chat,
        &config.gateway.metrics,
        &config.chat.tts.address,
        &config.tts.flags.address,
        &config.flags.metrics.address,
    ] {
        assert!(
            address.as_str().starts_with("https://127.0.0.1:5005"),
            "{address}"
        );
    }
    let elsewhere = ("TROIKA_GATEWAY__CHAT", "http://chat:50051");
    let config = load(&[pair[0], pair[1], elsewhere]).unwrap();
    assert_eq!(config.gateway.chat.as_str(), "http://chat:50051/");
    let errors = load(&pair[..1]).unwrap_err().to_string();
    assert!(errors.contains("tls.key"), "{errors}");
}

#[test]
fn every_problem_is_reported_at_once_and_shows_no_secret() {
    let errors = load(&[
        ("PORT", "many"),
        ("JWT_SECRET", "hunter2"),
        ("TROIKA_CHAT__MODEL__FIRST_TOKN", "3s"),
        ("TROIKA_CHAT__LISTEN", "nowhere"),
    ])
    .unwrap_err();
    let text = errors.to_string();
    let keys: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "auth.jwt_secret",
            "chat.listen",
            "chat.model.first_tokn",
            "gateway.port"
        ],
        "{text}"
    );
    assert!(
        text.contains("JWT_SECRET") && text.contains("PORT") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn roles_on_one_port_are_refused() {
    let errors = load(&[("PORT", "7000"), ("TROIKA_CHAT__LISTEN", "127.0.0.1:7000")]).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("each role needs a port of its own"),
        "{errors}"
    );
    assert!(load(&[("PORT", "0"), ("TROIKA_CHAT__LISTEN", "127.0.0.1:0")]).is_ok());
}

#[test]
fn those_who_run_a_process_find_it_beside_its_role_on_its_own_machine() {
    let admin =
        |env: &[(&str, &str)], role| rules::admin_listen(&load(env).unwrap(), role).to_string();
    let moved = [("TROIKA_CHAT__LISTEN", "0.0.0.0:65500"), ("PORT", "0")];
    assert_eq!(admin(&[], Role::Gateway), "127.0.0.1:5100");
    assert_eq!(admin(&[], Role::Chat), "127.0.0.1:50151");
    assert_eq!(admin(&moved, Role::Chat), "127.0.0.1:65400");
    assert_eq!(admin(&moved, Role::Gateway), "127.0.0.1:0");
    let told = [("TROIKA_ADMIN__LISTEN", "0.0.0.0:9000")];
    assert_eq!(admin(&told, Role::Chat), "0.0.0.0:9000");
    let errors = load(&[("TROIKA_ADMIN__LISTEN", "127.0.0.1:50051")]).unwrap_err();
    assert!(errors.to_string().contains("admin.listen"), "{errors}");
}

#[test]
fn names_in_force_are_those_that_set_something() {
    let env = [
        ("PORT", "1"),
        ("REDIS_URL", " "),
        ("TROIKA_CONFIG", "x"),
        ("TROIKA_LOG__LEVEL", "info"),
        ("HOME", "/"),
    ];
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(names_in_force(&env), ["PORT", "TROIKA_LOG__LEVEL"]);
}

/// The example with the settings that have no default brought to life.
fn example_with_every_key() -> String {
    let is_setting = |line: &str| {
        line.split_once(" = ")
            .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|line| is_setting(line))
                .unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn load_text(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("troika.toml");
    fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        env: BTreeMap::new(),
        aliases: ALIASES,
    };
    loading::load(&sources).unwrap_or_else(|errors: ConfigErrors| panic!("{errors}"))
}

#[test]
fn the_example_file_holds_the_defaults() {
    assert_eq!(
        serde_json::to_value(load_text(EXAMPLE)).unwrap(),
        default_tree()
    );
}

#[test]
fn the_example_file_names_exactly_the_settings_there_are() {
    let text = example_with_every_key();
    let named: Value = toml::from_str(&text).unwrap();
    assert_eq!(keys_of(&named), keys_of(&default_tree()));
    load_text(&text);
}

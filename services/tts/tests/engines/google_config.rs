//! Google's settings: credentials are checked at start, and never shown.

use std::{io::Write as _, time::Duration};

use serde_json::{Value, json};
use troika_chassis::config::{Problems, Secret};
use troika_tts::engine::google::{Config, Google, SetUpError};

fn key() -> Value {
    json!({
        "type": "service_account",
        "client_email": "voice@project-zeta.example",
        "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        "private_key_id": "zeta-1",
        "project_id": "project-zeta",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

fn without(field: &str) -> String {
    let mut key = key();
    key.as_object_mut().unwrap().remove(field);
    key.to_string()
}

fn config(credentials: &str) -> Config {
    Config {
        credentials: Secret::from(credentials),
        ..Config::default()
    }
}

fn problem(credentials: &str) -> Option<String> {
    let problems = Problems::of(&config(credentials));
    let mut problems = problems.iter();
    let (key, problem) = problems.next()?;
    assert_eq!(key, "credentials");
    assert!(problems.next().is_none());
    for secret in ["zeta", "c2VjcmV0", "oauth2", "/no/such"] {
        assert!(!problem.contains(secret), "{problem}");
    }
    Some(problem.to_owned())
}

#[test]
fn whole_credentials_are_accepted_inline_and_as_a_file() {
    assert_eq!(problem(""), None, "no Google");
    assert_eq!(problem(&key().to_string()), None);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{:#}", key()).unwrap();
    assert_eq!(problem(file.path().to_str().unwrap()), None);
    for key in [
        json!({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}),
        json!({"type": "external_account", "audience": "a", "subject_token_type": "b", "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": "/token"}}),
    ] {
        assert_eq!(problem(&key.to_string()), None);
    }
}

#[test]
fn what_is_missing_is_named_and_nothing_is_shown() {
    for (credentials, named) in [
        ("/no/such/file".to_owned(), "cannot be read"),
        (
            "{\"type\": \"service_account\", zeta".to_owned(),
            "no JSON object",
        ),
        ("[1]".to_owned(), "no JSON object"),
        (without("type"), "\"type\""),
        (
            key().to_string().replace("service_account", "zeta"),
            "\"type\"",
        ),
        (without("client_email"), "\"client_email\""),
        (without("private_key"), "\"private_key\""),
        (without("project_id"), "\"project_id\""),
        (
            key().to_string().replace("BEGIN", "zeta"),
            "\"private_key\"",
        ),
        ("anonymous".to_owned(), "endpoint"),
    ] {
        let problem = problem(&credentials).expect(named);
        assert!(problem.contains(named), "{problem}");
    }
}

#[test]
fn limits_and_endpoint_are_checked() {
    let wrong = Config {
        credentials: Secret::from("anonymous"),
        endpoint: Some("ftp://example.com".parse().unwrap()),
        first_sound: Duration::ZERO,
        silence: Duration::ZERO,
        answer: Duration::ZERO,
    };
    let problems = Problems::of(&wrong);
    let keys: Vec<&str> = problems.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["endpoint", "first_sound", "silence", "answer"]);
    assert!(Problems::of(&Config::default()).is_empty());
}

#[tokio::test]
async fn a_client_is_made_of_each_kind_without_the_network() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for key in [
        key(),
        json!({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}),
        json!({"type": "external_account", "audience": "a", "subject_token_type": "b", "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": "/token"}}),
    ] {
        let made = Google::new(&config(&key.to_string()));
        assert!(made.is_ok(), "{:?}", made.err());
    }
    let wrong = Google::new(&config(&without("private_key")));
    assert!(matches!(wrong, Err(SetUpError::Credentials(_))));
}

#[tokio::test]
async fn a_key_that_signs_nothing_is_denied() {
    use troika_tts::engine::{Engine as _, EngineError};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = troika_tests::google::Google::start(Default::default()).await;
    let google = Google::new(&Config {
        endpoint: Some(server.url.parse().unwrap()),
        ..config(&key().to_string())
    })
    .unwrap();
    for voice in ["en-IN-Chirp3-HD-Leda", "en-IN-Wavenet-A"] {
        let (_, error) = crate::heard(google.speak(crate::utterance(voice, "hello"))).await;
        let error = error.unwrap();
        assert!(matches!(error, EngineError::Denied(_)), "{error:?}");
        assert!(!crate::words(&error).contains("c2VjcmV0"));
    }
    assert!(server.calls().is_empty());
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let made = Google::new(&config(&key().to_string()));
    assert!(matches!(made, Err(SetUpError::NoRuntime)));
}

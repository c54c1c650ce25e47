//! What may be configured and what is refused.

use super::*;

fn problems(config: &Config) -> Vec<String> {
    Problems::of(config)
        .iter()
        .map(|(key, problem)| format!("{key}: {problem}"))
        .collect()
}

fn read(json: serde_json::Value) -> Result<Config, serde_json::Error> {
    serde_json::from_value(json)
}

#[test]
fn the_defaults_are_valid_and_survive_being_written_and_read() {
    let config = Config::default();
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(config.address().to_string(), "127.0.0.1:5000");
    assert_eq!(config.chat.as_str(), "http://127.0.0.1:50051/");
    assert_eq!(config.tts.as_str(), "http://127.0.0.1:50052/");
    assert_eq!(config.flags.as_str(), "http://127.0.0.1:50053/");
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(read(written).unwrap(), config);
}

#[test]
fn the_whitelist_is_a_list_or_one_string_with_commas() {
    let expected = ["10.0.0.0/8", "192.168.1.7/32", "::1/128"];
    for whitelist in [
        serde_json::json!(["10.0.0.0/8", "192.168.1.7", "::1"]),
        serde_json::json!("10.0.0.0/8, 192.168.1.7,::1,"),
    ] {
        let config = read(serde_json::json!({ "rate_limit_ip_whitelist": whitelist })).unwrap();
        let networks: Vec<String> = config
            .rate_limit_ip_whitelist
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(networks, expected);
    }
    let error =
        read(serde_json::json!({ "rate_limit_ip_whitelist": "10.0.0.0/8,office" })).unwrap_err();
    assert!(error.to_string().contains("`office`"), "{error}");
}

#[test]
fn what_cannot_work_is_reported_all_together() {
    let config = read(serde_json::json!({
        "chat": "ftp://chat", "tts": "http://tts/speech", "body_limit": "0 B", "max_connections": 0, "max_listeners": 0, "heartbeat": "0s",
        "speech_deadline": "0s", "flags": "flags:1", "flags_deadline": "0s",
    }))
    .unwrap();
    let problems = problems(&config);
    let keys: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.split(':').next())
        .collect();
    let expected = [
        "chat",
        "tts",
        "flags",
        "body_limit",
        "max_connections",
        "max_listeners",
        "heartbeat",
        "speech_deadline",
        "flags_deadline",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn the_address_of_a_role_is_a_place_and_nothing_more() {
    for (address, problem) in [
        ("http://role:1/path", "an address without a path or a query"),
        (
            "http://me:hunter2@role:1",
            "an address without a user and a password",
        ),
    ] {
        for role in ["chat", "tts", "flags"] {
            let config = read(serde_json::json!({ role: address })).unwrap();
            assert_eq!(problems(&config), [format!("{role}: must be {problem}")]);
        }
    }
}

#[test]
fn tls_needs_both_files_and_a_place_to_send_people_to() {
    let wrong =
        |tls: serde_json::Value| problems(&read(serde_json::json!({ "tls": tls })).unwrap());
    let pair = serde_json::json!({ "cert": "c.pem", "key": "k.pem" });
    assert_eq!(wrong(pair), Vec::<String>::new());
    assert!(wrong(serde_json::json!({ "cert": "c.pem" }))[0].starts_with("tls.key: "));
    assert!(wrong(serde_json::json!({ "key": "k.pem" }))[0].starts_with("tls.cert: "));
    assert!(
        wrong(serde_json::json!({ "redirect_port": 80 }))[0].starts_with("tls.redirect_port: ")
    );
    let same = serde_json::json!({ "cert": "c", "key": "k", "redirect_port": 5000 });
    assert!(wrong(same)[0].starts_with("tls.redirect_port: "));
}

#[test]
fn browsers_are_told_nothing_where_nothing_is_to_be_told() {
    let told = |hsts: u64| {
        let hsts = Duration::from_secs(hsts);
        Tls {
            hsts,
            ..Tls::default()
        }
        .transport_security()
    };
    assert_eq!(told(0), None);
    assert_eq!(told(60).unwrap(), "max-age=60");
}

#[test]
fn proxies_are_counted_or_named_and_never_everybody() {
    for (section, expected) in [
        (serde_json::json!({}), &[][..]),
        (serde_json::json!({"hops": 2, "header": "forwarded"}), &[]),
        (serde_json::json!({"trusted": "10.0.0.0/8, 192.0.2.7"}), &[]),
        (
            serde_json::json!({"hops": 1, "trusted": ["10.0.0.0/8"]}),
            &["proxies.hops: must be 0"],
        ),
        (
            serde_json::json!({"hops": 17}),
            &["proxies.hops: must be at most 16"],
        ),
        (
            serde_json::json!({"trusted": ["10.0.0.0/8", "::/0"]}),
            &["proxies.trusted: must not be all"],
        ),
    ] {
        let config = read(serde_json::json!({ "proxies": section })).unwrap();
        let problems = problems(&config);
        assert_eq!(problems.len(), expected.len(), "{section}: {problems:?}");
        for (problem, start) in problems.iter().zip(expected) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }
    let error = read(serde_json::json!({ "proxies": {"header": "x-real-ip"} })).unwrap_err();
    assert!(error.to_string().contains("x-forwarded-for"), "{error}");
}

#[test]
fn operators_pages_are_origins() {
    let origins = [
        "https://admin.example.com",
        "https://*.example.com",
        "*",
        "https://*.com",
        "https://a.example/page",
        "null",
    ];
    let config = read(serde_json::json!({ "cors": {"origins": origins} })).unwrap();
    let keys: Vec<String> = problems(&config)
        .iter()
        .filter_map(|problem| problem.split_once(": ").map(|(key, _)| key.to_owned()))
        .collect();
    let expected = [2, 3, 4, 5].map(|at| format!("cors.origins[{at}]"));
    assert_eq!(keys, expected);
}

//! Which tokens open, and which do not.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn signed(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

/// What comes of a token with these claims.
fn said(claims: &Value) -> Result<String, TurnedAway> {
    sent(&format!(
        "Bearer {}",
        signed(Algorithm::HS256, claims, SECRET)
    ))
}

fn sent(authorization: &str) -> Result<String, TurnedAway> {
    admitted(SECRET, authorization)
}

fn admitted(secret: &str, authorization: &str) -> Result<String, TurnedAway> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, authorization.parse().unwrap());
    let admin = Gatekeeper::new(&Secret::from(secret)).admit(&headers)?;
    Ok(admin.name)
}

#[test]
fn an_admin_is_known_by_the_email_address_or_else_by_the_id() {
    let exp = now() + 60;
    let with_email = json!({"id": "s1", "email": "a@b.example", "role": "admin", "exp": exp, "iat": now(), "iss": "troika", "sub": "s1"});
    assert_eq!(said(&with_email).unwrap(), "a@b.example");
    let without = json!({"id": "s1", "role": "admin", "exp": exp});
    assert_eq!(said(&without).unwrap(), "s1");
    let empty = json!({"id": "s1", "email": " ", "role": "admin", "exp": exp});
    assert_eq!(said(&empty).unwrap(), "s1");
}

#[test]
fn others_are_told_that_it_takes_an_admin() {
    let exp = now() + 60;
    for claims in [
        json!({"id": "s1", "role": "user", "exp": exp}),
        json!({"id": "s1", "role": "Admin", "exp": exp}),
        json!({"id": "s1", "exp": exp}),
        json!({"userId": "v1", "phone": "+4915112345678", "chatbotId": "000000000000000000000001", "exp": exp}),
    ] {
        assert_eq!(said(&claims), Err(TurnedAway::NoAdmin), "{claims}");
    }
}

#[test]
fn a_token_that_is_over_or_has_no_end_or_no_beginning_yet_does_not_open() {
    let admin = |times: Value| {
        let mut claims = json!({"id": "s1", "role": "admin"});
        claims
            .as_object_mut()
            .unwrap()
            .extend(times.as_object().unwrap().clone());
        said(&claims)
    };
    assert!(admin(json!({"exp": now() - LEEWAY / 2})).is_ok());
    assert_eq!(
        admin(json!({"exp": now() - 60})),
        Err(TurnedAway::TokenExpired)
    );
    assert_eq!(admin(json!({"exp": 0})), Err(TurnedAway::TokenExpired));
    for times in [
        json!({}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"exp": -1}),
        json!({"exp": now() + 60, "nbf": now() + 60}),
        json!({"exp": now() + 60, "aud": "another service"}),
    ] {
        assert!(admin(times.clone()).is_err(), "{times}");
    }
}

#[test]
fn a_token_that_names_nobody_does_not_open() {
    for who in [json!({}), json!({"id": ""}), json!({"id": "", "email": ""})] {
        let mut claims = who.clone();
        claims["role"] = json!("admin");
        claims["exp"] = json!(now() + 60);
        assert_eq!(said(&claims), Err(TurnedAway::InvalidToken), "{who}");
    }
}

#[test]
fn only_our_signature_by_our_algorithm_opens() {
    let claims = json!({"id": "s1", "role": "admin", "exp": now() + 60});
    let ours = signed(Algorithm::HS256, &claims, SECRET);
    let (signed_part, signature) = ours.rsplit_once('.').unwrap();
    let (_, body) = signed_part.split_once('.').unwrap();
    let none = |algorithm: &str| {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#));
        format!("{header}.{body}")
    };
    let tampered = URL_SAFE_NO_PAD.encode(claims.to_string().replace("s1", "s2"));
    let header = signed_part.split_once('.').unwrap().0;
    for token in [
        signed(
            Algorithm::HS256,
            &claims,
            "another secret of thirty-two bytes",
        ),
        signed(Algorithm::HS256, &claims, ""),
        signed(Algorithm::HS384, &claims, SECRET),
        signed(Algorithm::HS512, &claims, SECRET),
        format!("{}.", none("none")),
        format!("{}.{signature}", none("none")),
        format!("{}.{signature}", none("None")),
        format!("{}.{signature}", none("RS256")),
        format!("{header}.{tampered}.{signature}"),
        format!("{signed_part}."),
        signed_part.to_owned(),
        format!("{ours}x"),
        "x".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(10_000),
    ] {
        assert_eq!(
            sent(&format!("Bearer {token}")),
            Err(TurnedAway::InvalidToken),
            "{token}"
        );
    }
    assert_eq!(sent(&format!("bearer   {ours}")).unwrap(), "s1");
}

#[test]
fn what_is_no_bearer_token_is_none() {
    for authorization in ["", "Bearer", "Bearer ", "Basic czE6czE=", "token"] {
        assert_eq!(
            sent(authorization),
            Err(TurnedAway::NoToken),
            "{authorization:?}"
        );
    }
    let nothing = Gatekeeper::new(&Secret::from(SECRET)).admit(&HeaderMap::new());
    assert_eq!(nothing.map(|_| ()), Err(TurnedAway::NoToken));
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, "Bearer a".parse().unwrap());
    twice.append(AUTHORIZATION, "Bearer b".parse().unwrap());
    let twice = Gatekeeper::new(&Secret::from(SECRET)).admit(&twice);
    assert_eq!(twice.map(|_| ()), Err(TurnedAway::InvalidToken));
}

#[test]
fn without_a_secret_nobody_is_let_in() {
    let claims = json!({"id": "s1", "role": "admin", "exp": now() + 60});
    for secret in ["", SECRET] {
        let token = signed(Algorithm::HS256, &claims, secret);
        assert_eq!(
            admitted("", &format!("Bearer {token}")),
            Err(TurnedAway::InvalidToken)
        );
    }
}

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0";

fn verifier(change: impl FnOnce(&mut Config)) -> Verifier {
    let mut config = Config::default();
    change(&mut config);
    Verifier::new(&config, &Secret::from(SECRET), None)
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

fn signed(header: &Header, secret: &str, change: Value) -> String {
    let mut claims = json!({"id": "s1", "role": "admin", "exp": in_seconds(60)});
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    encode(
        header,
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

fn hs256() -> Header {
    Header::new(jsonwebtoken::Algorithm::HS256)
}

async fn refusal(verifier: &Verifier, token: &str) -> Option<Refusal> {
    verifier.verify(token).await.err()
}

#[tokio::test]
async fn a_token_of_ours_is_good_until_it_expires_and_from_when_it_says() {
    let verifier = verifier(|_| {});
    for (claims, expected) in [
        (json!({}), None),
        (json!({"exp": in_seconds(-5)}), None), // within the leeway
        (json!({"exp": in_seconds(-15)}), Some(Refusal::TokenExpired)),
        (json!({"nbf": in_seconds(5)}), None),
        (json!({"nbf": in_seconds(15)}), Some(Refusal::InvalidToken)),
        (json!({"exp": null}), Some(Refusal::InvalidToken)),
        (json!({"exp": "soon"}), Some(Refusal::InvalidToken)),
        (json!({"role": "root"}), Some(Refusal::InvalidToken)),
    ] {
        let token = signed(&hs256(), SECRET, claims.clone());
        assert_eq!(refusal(&verifier, &token).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn another_secret_verifies_nothing_and_the_one_before_verifies_still() {
    let before = "0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1";
    let token = signed(&hs256(), before, json!({}));
    assert_eq!(
        refusal(&verifier(|_| {}), &token).await,
        Some(Refusal::InvalidToken)
    );
    let rotated = verifier(|config| config.jwt_previous_secret = Secret::from(before));
    assert_eq!(refusal(&rotated, &token).await, None);
    assert_eq!(
        refusal(&rotated, &signed(&hs256(), SECRET, json!({}))).await,
        None
    );
}

#[tokio::test]
async fn without_a_secret_and_without_keys_nothing_is_good() {
    let none = Verifier::new(&Config::default(), &Secret::default(), None);
    for secret in [SECRET, ""] {
        let token = signed(&hs256(), secret, json!({}));
        assert_eq!(refusal(&none, &token).await, Some(Refusal::InvalidToken));
    }
}

#[tokio::test]
async fn issuer_and_audience_are_asked_for_where_they_are_configured() {
    let strict = verifier(|config| {
        config.issuer = Some("us".to_owned());
        config.audience = Some("chat".to_owned());
    });
    for (claims, good) in [
        (json!({"iss": "us", "aud": "chat"}), true),
        (json!({"iss": "us", "aud": ["other", "chat"]}), true),
        (json!({"iss": "them", "aud": "chat"}), false),
        (json!({"iss": "us", "aud": "other"}), false),
        (json!({"iss": "us"}), false),
        (json!({"aud": "chat"}), false),
    ] {
        let token = signed(&hs256(), SECRET, claims.clone());
        assert_eq!(refusal(&strict, &token).await.is_none(), good, "{claims}");
    }
    let lax = verifier(|_| {});
    let token = signed(&hs256(), SECRET, json!({"iss": "x", "aud": "y"}));
    assert_eq!(refusal(&lax, &token).await, None);
}

#[tokio::test]
async fn what_is_revoked_stays_out() {
    let verifier = verifier(|_| {});
    let token = signed(&hs256(), SECRET, json!({}));
    let expires = verifier.verify(&token).await.unwrap().expires;
    assert!(verifier.revoke(&token, expires).await);
    assert_eq!(
        refusal(&verifier, &token).await,
        Some(Refusal::TokenRevoked)
    );
    let other = signed(&hs256(), SECRET, json!({"id": "s2"}));
    assert_eq!(refusal(&verifier, &other).await, None);
}

#[tokio::test]
async fn the_way_of_signing_is_ours_to_choose() {
    let verifier = verifier(|_| {});
    let good = signed(&hs256(), SECRET, json!({}));
    let (_, rest) = good.split_once('.').unwrap();
    // {"alg":"none"}, in all spellings, with and without the signature.
    for header in [
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJOb25lIn0",
        "eyJhbGciOiJOT05FIn0",
    ] {
        let (claims, _) = rest.split_once('.').unwrap();
        for token in [format!("{header}.{rest}"), format!("{header}.{claims}.")] {
            assert_eq!(
                refusal(&verifier, &token).await,
                Some(Refusal::InvalidToken)
            );
        }
    }
    for algorithm in [
        jsonwebtoken::Algorithm::HS384,
        jsonwebtoken::Algorithm::HS512,
    ] {
        let token = signed(&Header::new(algorithm), SECRET, json!({}));
        assert_eq!(
            refusal(&verifier, &token).await,
            Some(Refusal::InvalidToken)
        );
    }
    let mut critical = hs256();
    critical.crit = Some(vec!["exp".to_owned()]);
    let token = signed(&critical, SECRET, json!({}));
    assert_eq!(
        refusal(&verifier, &token).await,
        Some(Refusal::InvalidToken)
    );
    let only_public = self::verifier(|config| config.algorithms = vec![Algorithm::ES256]);
    assert_eq!(
        refusal(&only_public, &good).await,
        Some(Refusal::InvalidToken)
    );
}

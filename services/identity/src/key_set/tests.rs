//! Tokens that others sign, by the keys they publish.

use std::{path::Path, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Signing, EncodingKey, Header, encode, jwk::Jwk};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use serde_json::json;
use troika_chassis::config::Secret;

use crate::{Algorithm, Config, Refusal, Verifier};

/// A pair of keys with a name.
struct Pair {
    name: &'static str,
    algorithm: Signing,
    private: EncodingKey,
    /// The public key as it is, where the library does not make one of the private one.
    raw: Option<Vec<u8>>,
}

/// What comes before the 32 bytes of an Ed25519 key in the first version of PKCS #8 (RFC 8410, 10.3).
const ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl Pair {
    fn es256(name: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            name,
            algorithm: Signing::ES256,
            private: EncodingKey::from_ec_der(&pair.serialize_der()),
            raw: None,
        }
    }

    fn eddsa(name: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let private = [&ED25519[..], &pair.serialize_der()[16..48]].concat();
        Self {
            name,
            algorithm: Signing::EdDSA,
            private: EncodingKey::from_ed_der(&private),
            raw: Some(pair.public_key_raw().to_vec()),
        }
    }

    fn rs256(name: &'static str) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        Self {
            name,
            algorithm: Signing::RS256,
            private: EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes()),
            raw: None,
        }
    }

    fn public(&self) -> serde_json::Value {
        if let Some(raw) = &self.raw {
            let x = URL_SAFE_NO_PAD.encode(raw);
            return json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.name });
        }
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.name.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn sign(&self) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.name.to_owned());
        encode(&header, &claims(), &self.private).unwrap()
    }
}

fn claims() -> serde_json::Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    json!({ "id": "s1", "role": "admin", "exp": now.unwrap().as_secs() + 60 })
}

fn publish(file: &Path, keys: &[serde_json::Value]) {
    std::fs::write(file, json!({ "keys": keys }).to_string()).unwrap();
}

async fn verifier(file: &Path, change: impl FnOnce(&mut Config)) -> Verifier {
    let mut config = Config {
        jwks_file: Some(file.to_owned()),
        jwks_refresh: std::time::Duration::from_millis(50),
        ..Config::default()
    };
    change(&mut config);
    let verifier = Verifier::new(&config, &Secret::default(), None);
    verifier
        .keys_are_read(std::time::Duration::from_secs(10))
        .await;
    verifier
}

#[tokio::test]
async fn keys_of_all_kinds_verify_what_they_signed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let pairs = [Pair::es256("e"), Pair::eddsa("d"), Pair::rs256("r")];
    let mut published: Vec<_> = pairs.iter().map(Pair::public).collect();
    // Keys that are none of ours to use must not cost the others.
    published.push(json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "secret" }));
    published.push(json!({ "kty": "EC", "crv": "P-999", "x": "", "y": "", "kid": "odd" }));
    let mut for_encryption = Pair::es256("enc").public();
    for_encryption["use"] = json!("enc");
    published.push(for_encryption);
    publish(&file, &published);
    let verifier = verifier(&file, |_| {}).await;
    for pair in &pairs {
        assert!(verifier.verify(&pair.sign()).await.is_ok(), "{}", pair.name);
    }
    for stranger in [Pair::es256("e"), Pair::eddsa("d"), Pair::eddsa("unknown")] {
        let refused = verifier.verify(&stranger.sign()).await.err();
        assert_eq!(refused, Some(Refusal::InvalidToken));
    }
    let few = self::verifier(&file, |config| config.algorithms = vec![Algorithm::RS256]).await;
    assert!(few.verify(&pairs[2].sign()).await.is_ok());
    assert!(few.verify(&pairs[0].sign()).await.is_err());
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let pair = Pair::rs256("r");
    let public = pair.public();
    publish(&file, std::slice::from_ref(&public));
    let verifier = verifier(&file, |_| {}).await;
    // What everybody knows, in all the ways it is written, as a secret.
    for text in [
        public.to_string(),
        public["n"].as_str().unwrap().to_owned(),
        std::fs::read_to_string(&file).unwrap(),
        String::new(),
    ] {
        let mut header = Header::new(Signing::HS256);
        header.kid = Some("r".to_owned());
        let forged = encode(
            &header,
            &claims(),
            &EncodingKey::from_secret(text.as_bytes()),
        );
        let refused = verifier.verify(&forged.unwrap()).await.err();
        assert_eq!(refused, Some(Refusal::InvalidToken));
    }
}

#[tokio::test]
async fn keys_change_without_a_restart_and_a_broken_file_keeps_those_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let (first, second) = (Pair::es256("1"), Pair::es256("2"));
    publish(&file, &[first.public()]);
    let verifier = verifier(&file, |_| {}).await;
    assert!(verifier.verify(&first.sign()).await.is_ok());
    std::fs::write(&file, "{").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(verifier.verify(&first.sign()).await.is_ok());
    publish(&file, &[second.public()]);
    let changed = async {
        while verifier.verify(&second.sign()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), changed)
        .await
        .unwrap();
    assert!(verifier.verify(&first.sign()).await.is_err());
}

//! Whatever somebody shows at a door: nothing of it panics, nobody becomes somebody without a signature of ours, and a
//! signed token makes its bearer what it says and nothing more.

use std::{
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use proptest::{
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use troika_chassis::config::Secret;

use crate::{
    CALLER, CREDENTIAL, Caller, Config, Doors, Role, SESSION, Secrets, ServiceCredential, Services,
    Sessions, Verifier, caller::SignedSession, told,
};

const SECRET: &str = "3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0";
const OTHER: &str = "0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1";

/// One set of doors for all cases, and where what they wait for is waited for.
struct Ground {
    runtime: Runtime,
    doors: Doors,
    credential: HeaderValue,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let secrets = secrets(SECRET);
    let verifier = {
        let _inside = runtime.enter();
        Verifier::new(&Config::default(), &secrets.jwt, None)
    };
    Ground {
        doors: Doors {
            verifier,
            sessions: Sessions::new(&Config::default(), &secrets),
            services: Services::new(&secrets),
            required: false,
        },
        credential: ServiceCredential::new(&secrets, "gateway")
            .unwrap()
            .show()
            .unwrap(),
        runtime,
    }
});

fn secrets(secret: &str) -> Secrets {
    Secrets {
        jwt: Secret::from(secret),
        session: Secret::from(secret),
        service: Secret::default(),
    }
}

/// Who these headers show; `None` of those that are refused.
fn shown(headers: &HeaderMap) -> Option<Caller> {
    let ground = &*GROUND;
    ground.runtime.block_on(ground.doors.shown(headers)).ok()
}

fn bearing(token: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    headers.insert(AUTHORIZATION, value);
    Some(headers)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

// ---- what is shown ----

/// Any value, with what some reader takes for something else.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec![
            "",
            " ",
            "none",
            "None",
            "HS256",
            "HS512",
            "RS256",
            "ES256",
            "EdDSA",
            "JWT",
            "JWE",
            "admin",
            " admin ",
            "Admin",
            "super_admin",
            "superadmin",
            "user",
            "company",
            "visitor",
            "service",
            "anonymous",
            "DEF",
            "\u{0}",
            "00000000000000000000000A",
            "http://127.0.0.1:1/keys",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z$]{0,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Seconds since 1970, most of them about now.
fn moment() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-120_i64..120).prop_map(|seconds| Value::from(now() + seconds)),
        1 => select(vec![json!(u64::MAX), json!(i64::MAX), json!(0), json!(-1), json!(1e300), json!("4102444800")]),
    ]
}

fn fields(
    names: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((select(names), value()), 0..most).prop_map(|fields| {
        let named = |(name, value): (&str, Value)| (name.to_owned(), value);
        fields.into_iter().map(named).collect()
    })
}

/// What says how a token is signed: usually what is right, and beside it anything that some reader obeys.
fn head() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "typ", "cty", "kid", "jku", "jwk", "x5u", "x5c", "x5t", "crit", "enc", "zip", "b64",
        "nonce", "url",
    ];
    let algorithm = prop_oneof![
        3 => Just(json!("HS256")),
        1 => select(vec![
            "none", "None", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256", "",
        ]).prop_map(Value::from),
        1 => value(),
    ];
    // As their writers mean them: what says that the rest is to be read in another way.
    let meant = prop_oneof![
        1 => Just(None),
        1 => select(vec![
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("enc", json!("A128GCM")),
            ("zip", json!("DEF")),
            ("b64", json!(false)),
            ("kid", json!("../../dev/null")),
            ("cty", json!("JWT")),
        ])
        .prop_map(Some),
    ];
    (algorithm, fields(NAMES, 3), meant).prop_map(|(algorithm, mut head, meant)| {
        head.insert("alg".to_owned(), algorithm);
        if let Some((name, value)) = meant {
            head.insert(name.to_owned(), value);
        }
        Value::Object(head)
    })
}

/// What a token says: usually what makes somebody, and beside it anything under the names that are read.
fn claims() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "sub",
        "id",
        "userId",
        "user_id",
        "email",
        "phone",
        "role",
        "chatbotId",
        "chatbot_id",
        "companyId",
        "company",
        "iss",
        "aud",
        "iat",
        "jti",
        "exp",
        "nbf",
        "admin",
    ];
    let known = || {
        let role = select(vec![
            "admin",
            "super_admin",
            "user",
            "visitor",
            "service",
            "root",
        ]);
        (role, moment(), prop::option::of(moment())).prop_map(|(role, exp, nbf)| {
            let mut claims = json!({"id": "s1", "role": role, "exp": exp});
            if let Some(nbf) = nbf {
                claims["nbf"] = nbf;
            }
            claims
        })
    };
    let odd = (known(), fields(NAMES, 4)).prop_map(|(mut claims, fields)| {
        for (name, value) in fields {
            claims[name] = value;
        }
        claims
    });
    prop_oneof![5 => known(), 4 => odd, 1 => value()]
}

/// Head and claims, signed with this secret whatever the head says.
fn signed(head: &Value, claims: &Value, secret: &str) -> String {
    let packed = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", packed(head), packed(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// Text that nobody signed with a secret of ours, most of it in the shape of a token.
fn forged() -> impl Strategy<Value = String> {
    let part = "[A-Za-z0-9_=-]{0,60}";
    let unsigned = (head(), claims(), part).prop_map(|(head, claims, signature)| {
        let packed = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", packed(&head), packed(&claims))
    });
    let packed = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(packed);
    prop_oneof![
        3 => (head(), claims(), select(vec![OTHER, "", "secret"])).prop_map(|(head, claims, secret)| signed(&head, &claims, secret)),
        3 => unsigned,
        1 => (bytes(), bytes(), bytes()).prop_map(|(head, claims, signature)| format!("{head}.{claims}.{signature}")),
        1 => (head(), bytes()).prop_map(|(head, claims)| signed(&head, &Value::from(claims), OTHER)),
        1 => any::<String>(),
        1 => "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}",
    ]
}

/// Such text in some of the headers that doors look at.
fn forged_headers() -> impl Strategy<Value = HeaderMap> {
    let name = select(vec![
        AUTHORIZATION,
        HeaderName::from_static(SESSION),
        CREDENTIAL,
        CALLER,
    ]);
    let line = (name, forged(), any::<bool>());
    prop::collection::vec(line, 1..4).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, forged, with_scheme) in lines {
            let scheme = if with_scheme { "Bearer " } else { "" };
            // Some text is none for a header.
            if let Ok(value) = HeaderValue::from_str(&format!("{scheme}{forged}")) {
                headers.append(name, value);
            }
        }
        headers
    })
}

/// What may happen to a token on its way.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Put(Index, u8),
    Take(Index),
    Insert(Index, u8),
    Double(Index),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let letter = || prop_oneof![0x21_u8..0x7f, select(b"AQgw.-_=+/ ".to_vec())];
    let damage = prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), letter()).prop_map(|(place, byte)| Damage::Put(place, byte)),
        any::<Index>().prop_map(Damage::Take),
        (any::<Index>(), letter()).prop_map(|(place, byte)| Damage::Insert(place, byte)),
        any::<Index>().prop_map(Damage::Double),
    ];
    prop::collection::vec(damage, 1..4)
}

fn damaged(token: &str, damages: Vec<Damage>) -> String {
    let mut bytes = token.as_bytes().to_vec();
    for damage in damages {
        let length = bytes.len() + 1;
        match damage {
            Damage::Cut(place) => bytes.truncate(place.index(length)),
            Damage::Put(place, byte) => {
                if let Some(found) = bytes.get_mut(place.index(length)) {
                    *found = byte;
                }
            }
            Damage::Take(place) => {
                let place = place.index(length);
                if place < bytes.len() {
                    bytes.remove(place);
                }
            }
            Damage::Insert(place, byte) => bytes.insert(place.index(length), byte),
            Damage::Double(place) => {
                let more = bytes[place.index(length)..].to_vec();
                bytes.extend(more);
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![
        Role::Anonymous,
        Role::Visitor,
        Role::User,
        Role::Admin,
        Role::SuperAdmin,
        Role::Service,
    ])
}

// ---- what must hold ----

proptest! {
    #[test]
    fn nobody_becomes_somebody_without_a_signature_of_ours(headers in forged_headers()) {
        if let Some(caller) = shown(&headers) {
            prop_assert!(!caller.is_known() && caller.session.is_none());
        }
        // A credential that is not good is refused, and without one nobody is a process.
        let process = GROUND.doors.services.caller(&headers);
        prop_assert!(!matches!(process, Ok(Some(_))));
    }

    #[test]
    fn a_signed_token_makes_its_bearer_what_it_says(head in head(), claims in claims()) {
        let token = signed(&head, &claims, SECRET);
        let Some(caller) = shown(&bearing(&token).unwrap()) else { return Ok(()) };
        prop_assert_eq!(&head["alg"], "HS256");
        for name in ["crit", "enc", "zip"] {
            prop_assert!(head.get(name).is_none_or(Value::is_null), "{}", head);
        }
        prop_assert!(claims["exp"].as_f64().unwrap() > now() as f64 - 15.0, "{}", claims);
        if let Some(begins) = claims.get("nbf").and_then(Value::as_f64) {
            prop_assert!(begins < now() as f64 + 15.0, "{}", claims);
        }
        let said = claims["role"].as_str().unwrap_or_default().trim();
        let expected = match said {
            "admin" => Role::Admin,
            "super_admin" | "superadmin" => Role::SuperAdmin,
            "user" | "company" => Role::User,
            "visitor" | "" => Role::Visitor,
            other => return Err(TestCaseError::fail(format!("{other} makes somebody"))),
        };
        prop_assert_eq!(caller.role, expected);
        prop_assert!(!caller.subject.trim().is_empty());
        prop_assert_eq!(caller.role == Role::User, caller.owns(caller.company.as_deref()) && !caller.is_admin());
    }

    /// Else the property above would hold for a verifier that takes nothing.
    #[test]
    fn a_token_of_ours_is_taken_whatever_else_it_says(
        role in select(vec!["admin", "super_admin", "user", "visitor"]),
        seconds in 30_i64..1_000_000,
        more in prop::collection::btree_map("x_[a-z]{0,6}", value(), 0..4),
    ) {
        let mut claims = json!({"id": "s1", "role": role, "exp": now() + seconds});
        for (name, value) in more {
            claims[name] = value;
        }
        let token = signed(&json!({"alg": "HS256", "typ": "JWT"}), &claims, SECRET);
        let caller = shown(&bearing(&token).unwrap());
        prop_assert!(caller.is_some_and(|caller| caller.role.as_str() == role && caller.subject == "s1"));
    }

    #[test]
    fn a_damaged_token_session_or_credential_is_none(damages in damages(), one_byte in any::<bool>()) {
        let damages: Vec<_> = damages.into_iter().take(if one_byte { 1 } else { 4 }).collect();
        let ground = &*GROUND;
        let token = signed(&json!({"alg": "HS256"}), &json!({"id": "s1", "role": "admin", "exp": now() + 60}), SECRET);
        let changed = damaged(&token, damages.clone());
        if let Some(headers) = bearing(&changed) {
            let caller = shown(&headers);
            // Blanks around a token are not the token's.
            prop_assert_eq!(caller.is_some(), changed.trim() == token, "{}", changed);
        }
        let session = ground.doors.sessions.sign("00000000000000000000000a", "s").unwrap();
        let changed = damaged(&session, damages.clone());
        prop_assert_eq!(ground.doors.sessions.read(&changed).is_some(), changed == session, "{}", changed);
        let (sign_in, _) = ground.doors.sessions.sign_in("1", "a@b.example", true, 3).unwrap();
        let changed = damaged(&sign_in, damages.clone());
        prop_assert_eq!(ground.doors.sessions.signed_in(&changed).is_some(), changed == sign_in, "{}", changed);
        let credential = ground.credential.to_str().unwrap();
        let changed = damaged(credential, damages);
        if let Ok(value) = HeaderValue::from_str(&changed) {
            let mut headers = HeaderMap::new();
            headers.insert(CREDENTIAL, value);
            prop_assert_eq!(ground.doors.services.caller(&headers).is_ok(), changed == credential, "{}", changed);
        }
    }

    #[test]
    fn a_process_tells_whom_it_calls_for_whole_or_is_refused(
        role in role(),
        texts in prop::collection::vec(any::<String>(), 6),
        named in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(CREDENTIAL, GROUND.credential.clone());
        if let Some(bytes) = named {
            // Whatever bytes stand in for a caller.
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.insert(CALLER, value);
                let _ = GROUND.doors.services.caller(&headers);
            }
            let value = URL_SAFE_NO_PAD.encode(&bytes);
            headers.insert(CALLER, HeaderValue::from_str(&value).unwrap());
            let _ = GROUND.doors.services.caller(&headers);
        }
        let mut texts = texts.into_iter();
        let mut text = || texts.next().unwrap();
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let caller = Caller {
            role,
            subject: text(),
            name: text(),
            chatbot: filled(text()),
            company: filled(text()),
            session: filled(text()).map(|id| SignedSession {
                bot: "0123456789abcdef01234567".to_owned(),
                id,
            }),
            address: "2001:db8::1".parse().ok(),
            origin: filled(text()),
        };
        headers.insert(CALLER, told(&caller).unwrap());
        match GROUND.doors.services.caller(&headers) {
            Ok(read) => prop_assert!(read == Some(caller)),
            Err(()) => prop_assert!(headers[CALLER].len() > 4096),
        }
    }
}

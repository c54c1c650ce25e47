//! Every door of the system with everything that can be shown at it: each route of the gateway and each method of each role
//! has a row here that says who may pass, and what everybody else is told. A route or a method without a row fails.

mod stopping;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, HeaderValue, uri::PathAndQuery};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};
use tonic::{Code, Request, Status, client::Grpc, metadata::MetadataMap, transport::Channel};
use tonic_prost::ProstCodec;
use troika_identity::{Caller, Role, Secrets, ServiceCredential, told};
use troika_tests::{
    listener::DEMO_BOT,
    sandbox::{SECRET, Troika, token},
};

use crate::sandbox;

const OTHER_BOT: &str = "0000000000000000000000ff";
const OWN_COMPANY: &str = "64b0c0ffee00000000000001";

/// Who may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Everybody who shows nothing bad.
    All,
    /// Whoever shows any good token.
    Token,
    /// Companies and admins.
    Staff,
    /// Admins.
    Admin,
    /// Those who may change accounts.
    SuperAdmin,
    /// The same, at a door that all admins pass.
    SuperAdminOfAdmins,
    /// Processes, and admins.
    Service,
    /// Whoever signed in on a page: no token is a sign-in.
    SignedIn,
}

use Who::*;

/// Each route of the gateway that its description names.
const ROUTES: &[(&str, &str, Who)] = &[
    ("post", "/api/chat/query/stream", All),
    ("post", "/api/chat/query", All),
    ("post", "/api/chat/stop", All),
    ("post", "/api/text-to-speech", All),
    ("get", "/api/tts/voices", All),
    ("get", "/api/metrics/feature-flags", All),
    ("post", "/api/metrics/feature-flags/rollout", Admin),
    ("get", "/api/flags", Admin),
    ("post", "/api/flags", Admin),
    ("get", "/api/flags/{key}", Admin),
    ("put", "/api/flags/{key}", Admin),
    ("delete", "/api/flags/{key}", Admin),
    ("post", "/api/flags/{key}/switch", Admin),
    ("get", "/api/flags/changes", Admin),
    ("get", "/api/flags/{key}/changes", Admin),
    ("post", "/api/flags/{key}/restore", Admin),
    ("post", "/api/flags/{key}/explain", Admin),
    ("get", "/api/rollouts", Admin),
    ("post", "/api/rollouts", Admin),
    ("get", "/api/rollouts/{id}", Admin),
    ("post", "/api/rollouts/{id}/pause", Admin),
    ("post", "/api/rollouts/{id}/resume", Admin),
    ("post", "/api/rollouts/{id}/abort", Admin),
    ("post", "/api/rollouts/{id}/approve", Admin),
    ("post", "/api/rollouts/{id}/step", Admin),
    ("get", "/api/rollouts/{id}/decisions", Admin),
    ("get", "/api/rollouts/{id}/watch", Admin),
    ("get", "/api/metrics/streaming", All),
    ("get", "/api/metrics/streaming/summary", All),
    ("get", "/api/metrics/streaming/events", All),
    ("post", "/api/metrics/streaming/reset", Admin),
    ("get", "/api/metrics/health/streaming", All),
    ("get", "/prometheus/metrics", All),
    ("get", "/api/metrics/figures", Admin),
    ("get", "/api/metrics/history", Admin),
    ("get", "/api/metrics/live", Admin),
    ("get", "/api/metrics/alerts", Admin),
    ("post", "/api/metrics/alerts/silences", Admin),
    ("delete", "/api/metrics/alerts/silences/{id}", Admin),
    ("post", "/api/metrics/alerts/test", Admin),
    ("post", "/ofrep/v1/evaluate/flags/{key}", All),
    ("post", "/ofrep/v1/evaluate/flags", All),
    ("get", "/ofrep/v1/events", All),
    ("post", "/api/auth/validate-token", Token),
    ("post", "/api/auth/logout", All),
    ("get", "/api/auth/status", All),
    ("post", "/api/admin/sign-in", All),
    ("post", "/api/admin/sign-out", All),
    ("get", "/api/admin/session", SignedIn),
    ("get", "/api/audit", Admin),
    ("get", "/api/audit/verify", Admin),
    ("get", "/health", All),
    ("get", "/ready", All),
];

/// What a route's parameters say of who may pass: whose audit log it is. That of accounts tells addresses.
const PARTICULAR: &[(&str, &str, Who)] = &[
    ("get", "/api/audit?source=chat", Admin),
    ("get", "/api/audit?source=metrics", Admin),
    ("get", "/api/audit?source=flags", Admin),
    ("get", "/api/audit?source=accounts", SuperAdminOfAdmins),
    ("get", "/api/audit/verify?source=chat", Admin),
    (
        "get",
        "/api/audit/verify?source=accounts",
        SuperAdminOfAdmins,
    ),
];

/// Methods that several roles have, and those of them that are not where [`METHODS`] are called.
const ELSEWHERE: &[(&str, &str, Who)] = &[
    ("troika.chat", "troika.audit.v1.Audit/ListEntries", Admin),
    ("troika.chat", "troika.audit.v1.Audit/Verify", Admin),
    (
        "troika.accounts",
        "troika.audit.v1.Audit/ListEntries",
        SuperAdmin,
    ),
    (
        "troika.accounts",
        "troika.audit.v1.Audit/Verify",
        SuperAdmin,
    ),
];

/// Each method of each role.
const METHODS: &[(&str, Who)] = &[
    ("troika.chat.v1.ChatStream/Query", All),
    ("troika.chat.v1.ChatStream/Answer", All),
    ("troika.chat.v1.ChatStream/Stop", All),
    ("troika.chat.v1.ChatStream/DescribeBot", All),
    ("troika.chat.v1.Chatbots/CreateBot", Admin),
    ("troika.chat.v1.Chatbots/GetBot", Staff),
    ("troika.chat.v1.Chatbots/UpdateBot", Staff),
    ("troika.chat.v1.Chatbots/ListBots", Staff),
    ("troika.chat.v1.Chatbots/DeleteBot", Admin),
    ("troika.chat.v1.Chatbots/ImportKnowledge", Staff),
    ("troika.chat.v1.Chatbots/ListKnowledge", Staff),
    ("troika.chat.v1.Chatbots/DeleteKnowledge", Staff),
    ("troika.chat.v1.Chatbots/ListMessages", Staff),
    ("troika.tts.v1.TTS/Synthesize", All),
    ("troika.tts.v1.TTS/Speak", All),
    ("troika.tts.v1.TTS/SynthesizeStream", All),
    ("troika.tts.v1.TTS/ListVoices", All),
    ("troika.flags.v1.Flags/ListFlags", Admin),
    ("troika.flags.v1.Flags/GetFlag", Admin),
    ("troika.flags.v1.Flags/CreateFlag", Admin),
    ("troika.flags.v1.Flags/UpdateFlag", Admin),
    ("troika.flags.v1.Flags/DeleteFlag", Admin),
    ("troika.flags.v1.Flags/SwitchFlag", Admin),
    ("troika.flags.v1.Flags/SetPercentage", Admin),
    ("troika.flags.v1.Flags/ListChanges", Admin),
    ("troika.flags.v1.Flags/RestoreFlag", Admin),
    ("troika.flags.v1.Flags/Evaluate", All),
    ("troika.flags.v1.Flags/EvaluateAll", All),
    ("troika.flags.v1.Flags/Explain", Admin),
    ("troika.flags.v1.Flags/Watch", Service),
    ("troika.flags.v1.Rollouts/StartRollout", Admin),
    ("troika.flags.v1.Rollouts/PauseRollout", Admin),
    ("troika.flags.v1.Rollouts/ResumeRollout", Admin),
    ("troika.flags.v1.Rollouts/AbortRollout", Admin),
    ("troika.flags.v1.Rollouts/SetStep", Admin),
    ("troika.flags.v1.Rollouts/ApproveStep", Admin),
    ("troika.flags.v1.Rollouts/GetRollout", Admin),
    ("troika.flags.v1.Rollouts/ListRollouts", Admin),
    ("troika.flags.v1.Rollouts/ListDecisions", Admin),
    ("troika.flags.v1.Rollouts/WatchRollout", Admin),
    ("troika.accounts.v1.Accounts/SignIn", Service),
    ("troika.accounts.v1.Accounts/CheckAccount", Service),
    // The first one; any other is for super admins, as its own suite says.
    ("troika.accounts.v1.Accounts/CreateAccount", Admin),
    ("troika.accounts.v1.Accounts/UpdateAccount", SuperAdmin),
    ("troika.accounts.v1.Accounts/ListAccounts", SuperAdmin),
    ("troika.accounts.v1.Accounts/DeleteAccount", SuperAdmin),
    ("flagd.evaluation.v1.Service/ResolveAll", All),
    ("flagd.evaluation.v1.Service/ResolveBoolean", All),
    ("flagd.evaluation.v1.Service/ResolveString", All),
    ("flagd.evaluation.v1.Service/ResolveFloat", All),
    ("flagd.evaluation.v1.Service/ResolveInt", All),
    ("flagd.evaluation.v1.Service/ResolveObject", All),
    ("flagd.evaluation.v1.Service/EventStream", All),
    ("flagd.evaluation.v2.Service/ResolveBoolean", All),
    ("flagd.evaluation.v2.Service/ResolveString", All),
    ("flagd.evaluation.v2.Service/ResolveFloat", All),
    ("flagd.evaluation.v2.Service/ResolveInt", All),
    ("flagd.evaluation.v2.Service/ResolveObject", All),
    ("flagd.evaluation.v2.Service/EventStream", All),
    ("flagd.sync.v1.FlagSyncService/SyncFlags", All),
    ("flagd.sync.v1.FlagSyncService/FetchAllFlags", All),
    ("flagd.sync.v1.FlagSyncService/GetMetadata", All),
    ("troika.metrics.v1.Metrics/Report", Service),
    ("troika.metrics.v1.Metrics/CompareArms", Service),
    ("troika.metrics.v1.Metrics/GetSnapshot", All),
    ("troika.metrics.v1.Metrics/GetSummary", All),
    ("troika.metrics.v1.Metrics/WatchSummary", Admin),
    ("troika.metrics.v1.Metrics/ListEvents", Token),
    ("troika.metrics.v1.Metrics/GetHistory", Admin),
    ("troika.metrics.v1.Metrics/GetHealth", All),
    ("troika.metrics.v1.Metrics/Reset", Admin),
    ("troika.metrics.v1.Alerts/ListAlerts", Admin),
    ("troika.metrics.v1.Alerts/Silence", Admin),
    ("troika.metrics.v1.Alerts/LiftSilence", Admin),
    ("troika.metrics.v1.Alerts/TestAlert", Admin),
    ("troika.audit.v1.Audit/ListEntries", Admin),
    ("troika.audit.v1.Audit/Verify", Admin),
];

/// What somebody shows.
struct Shown {
    what: &'static str,
    token: Option<String>,
    /// What everybody is told who shows it, whatever they ask for; `None` when it is good.
    bad: Option<&'static str>,
    role: Role,
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

/// Everything that can be shown, good and bad. `pair` is a key of which the gateway knows the public half.
fn everything(pair: &rcgen::KeyPair) -> Vec<Shown> {
    let admin = json!({ "id": "s1", "email": "a@b.example", "role": "admin" });
    let mut dated = admin.clone();
    dated["exp"] = json!(4_000_000_000_u64);
    let mut expired = admin.clone();
    expired["exp"] = json!(1_000_000_000_u64);
    let mut early = dated.clone();
    early["nbf"] = json!(3_900_000_000_u64);
    let good = token(dated.clone());
    let (_, payload) = good.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let bad = |what, token, code| Shown {
        what,
        token: Some(token),
        bad: Some(code),
        role: Role::Anonymous,
    };
    let of = |what, claims, role| Shown {
        what,
        token: Some(token(claims)),
        bad: None,
        role,
    };
    vec![
        Shown {
            what: "nothing",
            token: None,
            bad: None,
            role: Role::Anonymous,
        },
        bad("expired", token(expired), "token_expired"),
        bad("not yet valid", token(early), "invalid_token"),
        bad(
            "another key",
            signed(
                Algorithm::HS256,
                &EncodingKey::from_secret(b"another secret of thirty-two bytes"),
                &dated,
            ),
            "invalid_token",
        ),
        bad(
            "another algorithm",
            signed(Algorithm::HS512, &secret, &dated),
            "invalid_token",
        ),
        // {"alg":"none","typ":"JWT"}
        bad(
            "no signature",
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}."),
            "invalid_token",
        ),
        bad(
            "a public key for a secret",
            signed(
                Algorithm::HS256,
                &EncodingKey::from_secret(pair.public_key_pem().as_bytes()),
                &dated,
            ),
            "invalid_token",
        ),
        bad(
            "a public key's bytes for a secret",
            signed(
                Algorithm::HS256,
                &EncodingKey::from_secret(pair.public_key_raw()),
                &dated,
            ),
            "invalid_token",
        ),
        bad("no token at all", "garbage".to_owned(), "invalid_token"),
        bad(
            "a role that there is not",
            token(json!({ "id": "s1", "role": "root" })),
            "invalid_token",
        ),
        of(
            "a visitor",
            json!({ "userId": "v1", "phone": "+4915112345678", "chatbotId": DEMO_BOT }),
            Role::Visitor,
        ),
        of(
            "a company",
            json!({ "id": OWN_COMPANY, "role": "user" }),
            Role::User,
        ),
        of("an admin", admin, Role::Admin),
        Shown {
            what: "an admin by a public key",
            token: Some(signed(
                Algorithm::ES256,
                &EncodingKey::from_ec_der(&pair.serialize_der()),
                &dated,
            )),
            bad: None,
            role: Role::Admin,
        },
        of(
            "a super admin",
            json!({ "id": "s2", "role": "super_admin" }),
            Role::SuperAdmin,
        ),
    ]
}

/// What somebody is told at a door; `None` when they pass.
fn expected(who: Who, shown: &Shown) -> Option<&'static str> {
    if shown.bad.is_some() {
        return shown.bad;
    }
    let anonymous = shown.role == Role::Anonymous;
    let admin = matches!(shown.role, Role::Admin | Role::SuperAdmin);
    match who {
        All => None,
        SignedIn => Some("auth_required"),
        _ if anonymous => Some("auth_required"),
        Token => None,
        Staff => (!admin && shown.role != Role::User).then_some("admin_required"),
        Admin => (!admin).then_some("admin_required"),
        SuperAdminOfAdmins if !admin => Some("admin_required"),
        SuperAdmin | SuperAdminOfAdmins => {
            (shown.role != Role::SuperAdmin).then_some("super_admin_required")
        }
        Service => (!admin).then_some("service_required"),
    }
}

/// All roles, with a public key that tokens may be signed by.
fn house(pair: &rcgen::KeyPair) -> Troika {
    let private = EncodingKey::from_ec_der(&pair.serialize_der());
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
    let sandbox = sandbox();
    let file = sandbox.data().join("keys.json");
    std::fs::write(&file, json!({ "keys": [jwk] }).to_string()).unwrap();
    sandbox
        .env("TROIKA_AUTH__JWKS_FILE", file.to_str().unwrap())
        .start()
}

fn pair() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// A good token that its owner took back.
async fn revoked(gateway: &str) -> Shown {
    let taken_back = token(json!({ "id": "s9", "email": "a@b.example", "role": "admin" }));
    let out = troika_tests::http()
        .post(format!("{gateway}/api/auth/logout"))
        .bearer_auth(&taken_back);
    assert_eq!(out.send().await.unwrap().status(), 200);
    Shown {
        what: "a revoked token",
        token: Some(taken_back),
        bad: Some("token_revoked"),
        role: Role::Anonymous,
    }
}

/// Sends a request to a route with nothing sensible in it: doors are passed before anything else is looked at.
async fn knock(gateway: &str, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let path = path.replace("{key}", "streaming").replace("{id}", "none");
    let url = format!("{gateway}{path}");
    let http = troika_tests::http();
    let mut request = http.request(method.to_uppercase().parse().unwrap(), url);
    if method != "get" {
        request = request.json(&json!({ "chatbotId": DEMO_BOT }));
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status < 400 {
        // It may be a stream that never ends.
        return (status, String::new());
    }
    let problem: Value = response.json().await.unwrap_or_default();
    (
        status,
        problem["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_it_should_and_tells_the_others_why_not() {
    let pair = pair();
    let troika = house(&pair);
    let gateway = troika.gateway();
    let described: Value = troika_tests::get(format!("{gateway}/openapi.json"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let described: BTreeSet<(String, String)> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (method.clone(), path.clone()))
        })
        .collect();
    let rows: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(described, rows, "each route has a row");
    let mut everything = everything(&pair);
    everything.push(revoked(gateway).await);
    let mut wrong = Vec::new();
    for (method, path, who) in ROUTES.iter().chain(PARTICULAR) {
        for shown in &everything {
            // It would take the token back that the next rows show.
            if *path == "/api/auth/logout" && shown.bad.is_none() {
                continue;
            }
            let (status, code) = knock(gateway, method, path, shown.token.as_deref()).await;
            let right = match expected(*who, shown) {
                Some(expected) => {
                    let of_roles = expected.ends_with("_required") && expected != "auth_required";
                    code == expected && status == if of_roles { 403 } else { 401 }
                }
                // The body holds nothing sensible: that is what they are told. Nobody is away, and nobody asked too much.
                None => {
                    (!matches!(status, 401 | 403 | 429) && status < 500)
                        || ["wrong_credentials", "too_many_tries"].contains(&code.as_str())
                }
            };
            if !right {
                wrong.push(format!("{method} {path}, {}: {status} {code}", shown.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_its_bot_and_its_company_and_over_when_it_is_revoked() {
    let troika = sandbox().start();
    let gateway = troika.gateway();
    let asked = json!({ "query": "What is troika?", "chatbotId": DEMO_BOT });
    let ask = async |path: &str, token: &str| {
        let request = troika_tests::http()
            .post(format!("{gateway}{path}"))
            .bearer_auth(token)
            .json(&asked);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let problem: Value = response.json().await.unwrap_or_default();
        (
            status,
            problem["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let visitor = token(json!({ "userId": "v1", "chatbotId": DEMO_BOT }));
    let elsewhere = token(json!({ "userId": "v1", "chatbotId": OTHER_BOT }));
    for path in ["/api/chat/query", "/api/chat/query/stream"] {
        assert_eq!(ask(path, &visitor).await.0, 200);
        let refused = (403, "token_for_other_bot".to_owned());
        assert_eq!(ask(path, &elsewhere).await, refused);
    }
    let out = troika_tests::http()
        .post(format!("{gateway}/api/auth/logout"))
        .bearer_auth(&visitor);
    assert_eq!(out.send().await.unwrap().status(), 200);
    for path in [
        "/api/chat/query",
        "/api/chat/query/stream",
        "/api/auth/validate-token",
    ] {
        let revoked = (401, "token_revoked".to_owned());
        assert_eq!(ask(path, &visitor).await, revoked);
    }
}

/// Calls a method with an empty message, which every method can read.
async fn call(channel: &Channel, method: &str, headers: HeaderMap) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/{method}")).unwrap();
    let mut request = Request::new(tokio_stream::once(()));
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    request.set_timeout(std::time::Duration::from_secs(5));
    let opened = client
        .streaming(request, path, ProstCodec::<(), ()>::default())
        .await;
    // What a door says stands in the head; streams that go on are let go.
    opened.map(drop)
}

fn reason(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    let details = status.get_details_error_info();
    details.map(|info| info.reason).unwrap_or_default()
}

fn bearer(token: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        headers.insert("authorization", value);
    }
    headers
}

/// The methods of the contract, by their full names.
fn contract() -> BTreeSet<String> {
    use prost::Message as _;
    use troika_proto as proto;
    let sets = [
        proto::chat::v1::FILE_DESCRIPTOR_SET,
        proto::tts::v1::FILE_DESCRIPTOR_SET,
        proto::flags::v1::FILE_DESCRIPTOR_SET,
        proto::metrics::v1::FILE_DESCRIPTOR_SET,
        proto::audit::v1::FILE_DESCRIPTOR_SET,
        proto::accounts::v1::FILE_DESCRIPTOR_SET,
        proto::flagd::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = BTreeSet::new();
    for set in sets {
        for file in FileDescriptorSet::decode(set).unwrap().file {
            for service in &file.service {
                for method in &service.method {
                    methods.insert(format!(
                        "{}.{}/{}",
                        file.package(),
                        service.name(),
                        method.name()
                    ));
                }
            }
        }
    }
    methods
}

async fn channels(troika: &Troika) -> BTreeMap<&'static str, Channel> {
    let mut channels = BTreeMap::new();
    for (package, address) in [
        ("troika.chat", troika.chat()),
        ("troika.tts", troika.tts()),
        ("troika.flags", troika.flags()),
        ("troika.accounts", troika.flags()),
        ("flagd.", troika.flags()),
        ("troika.metrics", troika.metrics()),
        ("troika.audit", troika.metrics()),
    ] {
        let channel = Channel::from_shared(address.to_owned()).unwrap();
        channels.insert(package, channel.connect().await.unwrap());
    }
    channels
}

fn of<'a>(channels: &'a BTreeMap<&'static str, Channel>, method: &str) -> &'a Channel {
    let found = channels
        .iter()
        .find(|(package, _)| method.starts_with(**package));
    found.unwrap().1
}

/// Each method wherever it is, and who may call it there.
fn everywhere<'a>(
    channels: &'a BTreeMap<&'static str, Channel>,
) -> impl Iterator<Item = (&'a Channel, &'static str, Who)> {
    let own = METHODS
        .iter()
        .map(|(method, who)| (of(channels, method), *method, *who));
    let further = ELSEWHERE
        .iter()
        .map(|(package, method, who)| (&channels[package], *method, *who));
    own.chain(further)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_holds_whoever_calls_it_directly_to_the_same_rules() {
    let rows: BTreeSet<String> = METHODS
        .iter()
        .map(|(method, _)| (*method).to_owned())
        .collect();
    assert_eq!(contract(), rows, "each method has a row");
    let pair = pair();
    let troika = house(&pair);
    let channels = channels(&troika).await;
    let mut wrong = Vec::new();
    let mut everything = everything(&pair);
    everything.push(revoked(troika.gateway()).await);
    for shown in everything {
        for (channel, method, who) in everywhere(&channels) {
            let headers = bearer(shown.token.as_deref());
            let outcome = call(channel, method, headers).await;
            let refused = outcome.as_ref().err().filter(|status| {
                matches!(
                    status.code(),
                    Code::Unauthenticated | Code::PermissionDenied
                )
            });
            let told = refused.map(reason);
            if told.as_deref() != expected(who, &shown) {
                wrong.push(format!("{method}, {}: {outcome:?}", shown.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a process that knows `secret` shows, and whom it names.
fn process(secret: &str, caller: Option<&Caller>) -> HeaderMap {
    let secrets = Secrets {
        jwt: secret.into(),
        ..Secrets::default()
    };
    let credential = ServiceCredential::new(&secrets, "a test").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(troika_identity::CREDENTIAL, credential.show().unwrap());
    if let Some(caller) = caller {
        headers.insert(troika_identity::CALLER, told(caller).unwrap());
    }
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_nothing_is_refused_everywhere_where_the_configuration_says_so() {
    let troika = sandbox()
        .env("TROIKA_AUTH__REQUIRE_CREDENTIALS", "true")
        .start();
    let channels = channels(&troika).await;
    let admin = Caller {
        role: Role::Admin,
        subject: "forged".to_owned(),
        ..Caller::default()
    };
    let mut forged = HeaderMap::new();
    forged.insert(troika_identity::CALLER, told(&admin).unwrap());
    for (channel, method, who) in everywhere(&channels) {
        for (headers, expected) in [
            (HeaderMap::new(), Some("auth_required")),
            (forged.clone(), Some("auth_required")),
            (
                process("0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1", Some(&admin)),
                Some("invalid_credential"),
            ),
            // The edge may ask for who is nobody, where nobody may ask.
            (
                process(SECRET, Some(&Caller::default())),
                match who {
                    All | Token => None,
                    _ => Some("auth_required"),
                },
            ),
            (
                process(SECRET, Some(&admin)),
                (who == SuperAdmin).then_some("super_admin_required"),
            ),
        ] {
            let outcome = call(channel, method, headers).await;
            let refused = outcome.as_ref().err().filter(|status| {
                matches!(
                    status.code(),
                    Code::Unauthenticated | Code::PermissionDenied
                )
            });
            assert_eq!(refused.map(reason).as_deref(), expected, "{method}");
        }
    }
    // The system itself works: the gateway asks for a visitor who shows nothing.
    let asked = json!({ "query": "What is troika?", "chatbotId": DEMO_BOT });
    let answer = troika_tests::http()
        .post(format!("{}/api/chat/query", troika.gateway()))
        .json(&asked);
    assert_eq!(answer.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_was_signed_can_be_gone_on_with_by_its_visitor_alone() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let url = format!("{}/api/chat/query", troika.gateway());
    let ask = async |session: Option<&str>, proof: Option<&str>, token: Option<&str>| {
        let asked =
            json!({ "query": "What is troika?", "chatbotId": DEMO_BOT, "sessionId": session });
        let mut request = troika_tests::http().post(&url).json(&asked);
        if let Some(proof) = proof {
            request = request.header("x-session-token", proof);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let signed = response.headers().get("x-session-token");
        let signed = signed.map(|signed| signed.to_str().unwrap().to_owned());
        let answer: Value = response.json().await.unwrap();
        (answer, signed)
    };
    let (first, signed) = ask(None, None, None).await;
    let session = first["sessionId"].as_str().unwrap();
    let signed = signed.unwrap();
    // Old clients show nothing and go on by the id that they made.
    let (second, _) = ask(Some(session), None, None).await;
    assert_eq!(second["sessionId"], session);
    // Who shows the signed session makes it theirs.
    let (third, _) = ask(Some(session), Some(&signed), None).await;
    assert_eq!(third["sessionId"], session);
    let other = ask(None, None, None).await.1.unwrap();
    let visitor = token(json!({ "userId": "v1", "chatbotId": DEMO_BOT }));
    for (proof, token) in [
        (Some(other.as_str()), None),
        (Some("garbage"), None),
        (None, Some(visitor.as_str())),
    ] {
        let (refused, _) = ask(Some(session), proof, token).await;
        assert_eq!(refused["code"], "session_not_yours", "{refused}");
    }
    let (last, _) = ask(Some(session), Some(&signed), None).await;
    assert_eq!(last["sessionId"], session);
    // The same id at another bot is another conversation, and what is signed there opens nothing here.
    let made = sandbox.run(&[
        "bots",
        "create",
        "--id",
        OTHER_BOT,
        "--name",
        "Other",
        "--addr",
        troika.chat(),
    ]);
    assert!(made.status.success());
    let there = troika_tests::http().post(&url).json(&json!({
        "query": "What is troika?", "chatbotId": OTHER_BOT, "sessionId": session,
    }));
    let there = there.send().await.unwrap();
    let forged = there.headers()["x-session-token"]
        .to_str()
        .unwrap()
        .to_owned();
    let (refused, _) = ask(Some(session), Some(&forged), None).await;
    assert_eq!(refused["code"], "session_not_yours", "{refused}");
}

//! The service as its callers see it, over both stores, and over stores that are away.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tonic::{
    Code, Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use troika_accounts::{Config, TryLimits, build};
use troika_chassis::{
    deps::Deps,
    error::Error,
    lifecycle::{Drain, DrainConfig, Readiness},
    meters::Meters,
    mongo::{Mongo, MongoConfig},
};
use troika_identity::{Caller, Role};
use troika_proto::accounts::v1::{
    Account, AccountRole, CheckAccountRequest, CreateAccountRequest, DeleteAccountRequest,
    ListAccountsRequest, SignInRequest, UpdateAccountRequest, accounts_client::AccountsClient,
};
use troika_tests::servers::{self, Server};

const PASSWORD: &str = "meadow piston quartz violin";
const ANOTHER: &str = "copper lantern orbit thistle";
const CLIENT: &str = "192.0.2.7";

/// The service of one process.
struct House {
    name: &'static str,
    routes: Routes,
    folder: Option<TempDir>,
    _server: Option<Server>,
}

/// Says who calls, as the door does.
#[derive(Clone)]
struct As(Caller);

impl Interceptor for As {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(self.0.clone());
        Ok(request)
    }
}

type Client = AccountsClient<InterceptedService<Routes, As>>;

impl House {
    fn by(&self, role: Role) -> Client {
        let caller = Caller {
            role,
            subject: "somebody".to_owned(),
            ..Caller::default()
        };
        AccountsClient::new(InterceptedService::new(self.routes.clone(), As(caller)))
    }

    async fn create(&self, by: Role, email: &str, role: AccountRole) -> Result<Account, Status> {
        let asked = CreateAccountRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            role: role.into(),
        };
        let created = self.by(by).create_account(asked).await?;
        Ok(created.into_inner().account.unwrap())
    }

    async fn sign_in_from(
        &self,
        email: &str,
        password: &str,
        from: &str,
    ) -> Result<Account, Status> {
        let asked = SignInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            client_address: from.to_owned(),
        };
        let answer = self.by(Role::Service).sign_in(asked).await?;
        Ok(answer.into_inner().account.unwrap())
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<Account, Status> {
        self.sign_in_from(email, password, CLIENT).await
    }

    async fn is_good(&self, account: &Account) -> bool {
        let asked = CheckAccountRequest {
            id: account.id.clone(),
            revision: account.revision,
        };
        let answer = self.by(Role::Service).check_account(asked).await;
        answer.unwrap().into_inner().good
    }

    async fn update(&self, change: UpdateAccountRequest) -> Result<Account, Status> {
        let updated = self.by(Role::SuperAdmin).update_account(change).await?;
        Ok(updated.into_inner().account.unwrap())
    }

    async fn list(&self) -> Vec<Account> {
        let mut client = self.by(Role::SuperAdmin);
        let listed = client.list_accounts(ListAccountsRequest {}).await;
        listed.unwrap().into_inner().accounts
    }

    async fn delete(&self, id: &str) -> Result<(), Status> {
        let asked = DeleteAccountRequest { id: id.to_owned() };
        self.by(Role::SuperAdmin)
            .delete_account(asked)
            .await
            .map(drop)
    }
}

fn deps(folder: &Path, mongo: Option<Mongo>) -> Deps {
    Deps {
        mongo,
        redis: None,
        max_message: 4 << 20,
        data_dir: folder.to_owned(),
        readiness: Readiness::default(),
        drain: Drain::new(DrainConfig::default()),
        meters: Meters::new(),
    }
}

async fn mongo(port: u16) -> Mongo {
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{port}/shop").as_str().into(),
        server_selection_timeout: Duration::from_millis(500),
        operation_timeout: Duration::from_secs(1),
        ..MongoConfig::default()
    };
    Mongo::connect(&config).await.unwrap()
}

async fn embedded(config: &Config) -> House {
    let folder = tempfile::tempdir().unwrap();
    let service = build(config.clone(), deps(folder.path(), None)).await;
    House {
        name: "embedded",
        routes: service.unwrap().routes,
        folder: Some(folder),
        _server: None,
    }
}

/// The routes of a process that has the same folder after another one.
async fn again(config: &Config, folder: &TempDir) -> Routes {
    let begun = Instant::now();
    loop {
        match build(config.clone(), deps(folder.path(), None)).await {
            Ok(service) => return service.routes,
            // The other one's log lets go of the file once its task has ended.
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error:?}"),
        }
        tokio::task::yield_now().await;
    }
}

/// One of several processes over the same server.
async fn replica(config: &Config, port: u16) -> House {
    let deps = deps(Path::new("nowhere"), Some(mongo(port).await));
    House {
        name: "mongo",
        routes: build(config.clone(), deps).await.unwrap().routes,
        folder: None,
        _server: None,
    }
}

async fn houses(config: &Config) -> [House; 2] {
    let server = servers::mongodb();
    let mongo = replica(config, server.port).await;
    let mongo = House {
        _server: Some(server),
        ..mongo
    };
    [embedded(config).await, mongo]
}

/// Tries are not what these tests are about.
fn patient() -> Config {
    Config {
        tries: TryLimits {
            per_account: 1000,
            per_address: 1000,
            ..TryLimits::default()
        },
        ..Config::default()
    }
}

fn reason(status: &Status) -> String {
    Error::from(status).reason().to_owned()
}

fn refused<T>(outcome: Result<T, Status>) -> String {
    match outcome {
        Ok(_) => "nothing".to_owned(),
        Err(status) => reason(&status),
    }
}

#[tokio::test]
async fn an_admin_makes_the_first_account_which_is_a_super_admin_and_no_other() {
    for house in &houses(&patient()).await {
        let name = house.name;
        for nobody in [Role::Anonymous, Role::Visitor, Role::User, Role::Service] {
            let outcome = house
                .create(nobody, "eve@shop.example", AccountRole::Admin)
                .await;
            let told = refused(outcome);
            assert!(
                told == "auth_required" || told == "admin_required",
                "{name}: {told}"
            );
        }
        let first = house
            .create(Role::Admin, " Ada@Shop.example", AccountRole::Admin)
            .await
            .unwrap();
        assert_eq!(first.role(), AccountRole::SuperAdmin, "{name}");
        assert_eq!(first.email, "ada@shop.example", "{name}");
        assert!(first.enabled && first.created_at.is_some() && first.last_sign_in.is_none());
        let second = house
            .create(Role::Admin, "bob@shop.example", AccountRole::SuperAdmin)
            .await;
        assert_eq!(refused(second), "super_admin_required", "{name}");
        let second = house
            .create(
                Role::SuperAdmin,
                "bob@shop.example",
                AccountRole::Unspecified,
            )
            .await;
        assert_eq!(second.unwrap().role(), AccountRole::Admin, "{name}");
        let again = house
            .create(Role::SuperAdmin, "ADA@shop.example", AccountRole::Admin)
            .await;
        let again = again.unwrap_err();
        assert_eq!(
            (again.code(), reason(&again).as_str()),
            (Code::AlreadyExists, "account_exists"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_new_account_is_told_at_once() {
    let house = embedded(&patient()).await;
    let asked = CreateAccountRequest {
        email: "ada".to_owned(),
        password: "short".to_owned(),
        role: 1,
    };
    let status = house
        .by(Role::Admin)
        .create_account(asked)
        .await
        .unwrap_err();
    let error = Error::from(&status);
    let kinds: BTreeMap<&str, &str> = error
        .violations()
        .iter()
        .map(|violation| (violation.field.as_str(), violation.kind.as_str()))
        .collect();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        kinds,
        BTreeMap::from([("email", "string.email"), ("password", "string.min")])
    );
    let asked = CreateAccountRequest {
        email: "administrator@shop.example".to_owned(),
        password: "Administrator".to_owned(),
        role: 9,
    };
    let status = house
        .by(Role::Admin)
        .create_account(asked.clone())
        .await
        .unwrap_err();
    assert_eq!(Error::from(&status).violations()[0].field, "role");
    let asked = CreateAccountRequest { role: 0, ..asked };
    let status = house
        .by(Role::Admin)
        .create_account(asked)
        .await
        .unwrap_err();
    assert_eq!(
        Error::from(&status).violations()[0].kind,
        "password.address"
    );
    assert!(house.list().await.is_empty());
}

#[tokio::test]
async fn a_right_password_signs_in_and_whatever_is_wrong_is_told_alike() {
    for house in &houses(&patient()).await {
        let name = house.name;
        let ada = house
            .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        let bob = house
            .create(Role::SuperAdmin, "bob@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        let disabled = UpdateAccountRequest {
            id: bob.id,
            enabled: Some(false),
            ..UpdateAccountRequest::default()
        };
        house.update(disabled).await.unwrap();
        let signed_in = house.sign_in("ADA@shop.example ", PASSWORD).await.unwrap();
        assert_eq!(
            (&signed_in.id, signed_in.revision),
            (&ada.id, ada.revision),
            "{name}"
        );
        assert!(signed_in.last_sign_in.is_some(), "{name}");
        assert_eq!(
            house.list().await[0].last_sign_in,
            signed_in.last_sign_in,
            "{name}"
        );
        assert!(house.is_good(&signed_in).await, "{name}");
        let long = "x".repeat(100_000);
        let mut answers = Vec::new();
        for (email, password) in [
            ("ada@shop.example", ANOTHER),
            ("ada@shop.example", ""),
            ("ada@shop.example", long.as_str()),
            ("bob@shop.example", PASSWORD),
            ("eve@shop.example", PASSWORD),
            ("eve@shop.example", ""),
            ("no address", PASSWORD),
            ("", ""),
        ] {
            let status = house.sign_in(email, password).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{name} {email}");
            answers.push((status.message().to_owned(), status.details().to_vec()));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{name}: {answers:?}");
    }
}

#[tokio::test]
async fn an_unknown_address_costs_the_work_of_a_wrong_password() {
    let house = embedded(&patient()).await;
    house
        .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
        .await
        .unwrap();
    let mut fastest = BTreeMap::new();
    for _ in 0..5 {
        for email in ["ada@shop.example", "eve@shop.example", "no address"] {
            let begun = Instant::now();
            house.sign_in(email, ANOTHER).await.unwrap_err();
            let took = begun.elapsed();
            let fastest = fastest.entry(email).or_insert(took);
            *fastest = took.min(*fastest);
        }
    }
    let known = fastest["ada@shop.example"];
    for unknown in ["eve@shop.example", "no address"] {
        assert!(fastest[unknown] * 2 > known, "{fastest:?}");
    }
}

#[tokio::test]
async fn what_changes_an_account_ends_its_sessions() {
    for house in &houses(&patient()).await {
        let name = house.name;
        house
            .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        let bob = house
            .create(Role::SuperAdmin, "bob@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        let of_bob = || UpdateAccountRequest {
            id: bob.id.clone(),
            ..UpdateAccountRequest::default()
        };
        let session = house.sign_in("bob@shop.example", PASSWORD).await.unwrap();
        // What says nothing new changes nothing.
        let same = UpdateAccountRequest {
            role: Some(AccountRole::Admin.into()),
            enabled: Some(true),
            ..of_bob()
        };
        house.update(same).await.unwrap();
        assert!(house.is_good(&session).await, "{name}");
        for change in [
            UpdateAccountRequest {
                password: Some(ANOTHER.to_owned()),
                ..of_bob()
            },
            UpdateAccountRequest {
                role: Some(AccountRole::SuperAdmin.into()),
                ..of_bob()
            },
            UpdateAccountRequest {
                enabled: Some(false),
                ..of_bob()
            },
        ] {
            let before = house.list().await.pop().unwrap();
            assert!(house.is_good(&before).await, "{name}");
            let after = house.update(change).await.unwrap();
            assert_eq!(after.revision, before.revision + 1, "{name}");
            assert!(!house.is_good(&before).await, "{name}");
        }
        assert!(
            !house.is_good(&house.list().await.pop().unwrap()).await,
            "{name}: disabled"
        );
        let enabled = UpdateAccountRequest {
            enabled: Some(true),
            ..of_bob()
        };
        let enabled = house.update(enabled).await.unwrap();
        assert!(house.is_good(&enabled).await, "{name}");
        let old = house.sign_in("bob@shop.example", PASSWORD).await;
        assert_eq!(refused(old), "wrong_credentials", "{name}");
        house.sign_in("bob@shop.example", ANOTHER).await.unwrap();
        house.delete(&bob.id).await.unwrap();
        assert!(!house.is_good(&enabled).await, "{name}: deleted");
        assert_eq!(
            refused(house.delete(&bob.id).await),
            "account_not_found",
            "{name}"
        );
        assert_eq!(
            refused(
                house
                    .update(UpdateAccountRequest {
                        enabled: Some(true),
                        ..of_bob()
                    })
                    .await
            ),
            "account_not_found",
            "{name}"
        );
        assert_eq!(
            refused(house.delete("no id").await),
            "account_not_found",
            "{name}"
        );
        assert_eq!(
            refused(house.update(of_bob()).await),
            "invalid_argument",
            "{name}"
        );
    }
}

#[tokio::test]
async fn somebody_is_always_left_who_can_change_accounts() {
    for house in &houses(&patient()).await {
        let name = house.name;
        let ada = house
            .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        let bob = house
            .create(
                Role::SuperAdmin,
                "bob@shop.example",
                AccountRole::SuperAdmin,
            )
            .await
            .unwrap();
        let of = |account: &Account| UpdateAccountRequest {
            id: account.id.clone(),
            ..UpdateAccountRequest::default()
        };
        // One who is disabled is nobody.
        house
            .update(UpdateAccountRequest {
                enabled: Some(false),
                ..of(&bob)
            })
            .await
            .unwrap();
        let demoted = UpdateAccountRequest {
            role: Some(AccountRole::Admin.into()),
            ..of(&ada)
        };
        let disabled = UpdateAccountRequest {
            enabled: Some(false),
            ..of(&ada)
        };
        for outcome in [
            house.update(demoted.clone()).await.map(drop),
            house.update(disabled).await.map(drop),
            house.delete(&ada.id).await,
        ] {
            assert_eq!(refused(outcome), "last_super_admin", "{name}");
        }
        house
            .update(UpdateAccountRequest {
                password: Some(ANOTHER.to_owned()),
                ..of(&ada)
            })
            .await
            .unwrap();
        house
            .update(UpdateAccountRequest {
                enabled: Some(true),
                ..of(&bob)
            })
            .await
            .unwrap();
        house.update(demoted).await.unwrap();
        assert_eq!(
            refused(house.delete(&bob.id).await),
            "last_super_admin",
            "{name}"
        );
    }
}

#[tokio::test]
async fn of_two_who_demote_each_other_at_two_replicas_one_stays() {
    let server = servers::mongodb();
    let (one, other) = (
        replica(&patient(), server.port).await,
        replica(&patient(), server.port).await,
    );
    let ada = one
        .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
        .await
        .unwrap();
    let bob = other
        .create(
            Role::SuperAdmin,
            "bob@shop.example",
            AccountRole::SuperAdmin,
        )
        .await
        .unwrap();
    let set = |account: &Account, role: AccountRole| UpdateAccountRequest {
        id: account.id.clone(),
        role: Some(role.into()),
        ..UpdateAccountRequest::default()
    };
    for _ in 0..5 {
        let (of_ada, of_bob) = tokio::join!(
            one.update(set(&ada, AccountRole::Admin)),
            other.update(set(&bob, AccountRole::Admin))
        );
        assert!(of_ada.is_ok() != of_bob.is_ok(), "{of_ada:?} {of_bob:?}");
        let told = refused(of_ada.and(of_bob));
        assert_eq!(told, "last_super_admin");
        one.update(set(&ada, AccountRole::SuperAdmin))
            .await
            .unwrap();
        other
            .update(set(&bob, AccountRole::SuperAdmin))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn of_two_first_accounts_at_two_replicas_one_is_the_first() {
    let server = servers::mongodb();
    let (one, other) = (
        replica(&patient(), server.port).await,
        replica(&patient(), server.port).await,
    );
    let (first, second) = tokio::join!(
        one.create(Role::Admin, "ada@shop.example", AccountRole::Admin),
        other.create(Role::Admin, "bob@shop.example", AccountRole::Admin)
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(refused(first.and(second)), "super_admin_required");
    assert_eq!(one.list().await.len(), 1);
}

#[tokio::test]
async fn only_those_who_may_are_let_in_where_no_door_stands_before() {
    let house = embedded(&patient()).await;
    let ada = house
        .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
        .await
        .unwrap();
    for role in [
        Role::Anonymous,
        Role::Visitor,
        Role::User,
        Role::Admin,
        Role::Service,
    ] {
        let mut client = house.by(role);
        let told = if role == Role::Anonymous {
            "auth_required"
        } else {
            "super_admin_required"
        };
        let outcome = client.list_accounts(ListAccountsRequest {}).await;
        assert_eq!(refused(outcome), told, "{role:?}");
        let outcome = client
            .delete_account(DeleteAccountRequest { id: ada.id.clone() })
            .await;
        assert_eq!(refused(outcome), told, "{role:?}");
        let change = UpdateAccountRequest {
            id: ada.id.clone(),
            password: Some(ANOTHER.to_owned()),
            ..UpdateAccountRequest::default()
        };
        assert_eq!(
            refused(client.update_account(change).await),
            told,
            "{role:?}"
        );
    }
    for role in [Role::Anonymous, Role::Visitor, Role::User] {
        let mut client = house.by(role);
        let told = if role == Role::Anonymous {
            "auth_required"
        } else {
            "service_required"
        };
        let asked = SignInRequest {
            email: "ada@shop.example".to_owned(),
            password: PASSWORD.to_owned(),
            client_address: CLIENT.to_owned(),
        };
        assert_eq!(refused(client.sign_in(asked).await), told, "{role:?}");
        let asked = CheckAccountRequest {
            id: ada.id.clone(),
            revision: 1,
        };
        assert_eq!(refused(client.check_account(asked).await), told, "{role:?}");
    }
    let without_address = house.sign_in_from("ada@shop.example", PASSWORD, "").await;
    assert_eq!(refused(without_address), "invalid_argument");
}

#[tokio::test]
async fn after_five_wrong_tries_an_account_waits_whoever_asks_and_whether_it_exists_or_not() {
    for house in &houses(&Config::default()).await {
        let name = house.name;
        house
            .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        for email in ["ada@shop.example", "eve@shop.example"] {
            for host in 1..=5 {
                let outcome = house
                    .sign_in_from(email, ANOTHER, &format!("192.0.2.{host}"))
                    .await;
                assert_eq!(
                    refused(outcome),
                    "wrong_credentials",
                    "{name} {email} {host}"
                );
            }
            let status = house
                .sign_in_from(email, PASSWORD, "192.0.2.99")
                .await
                .unwrap_err();
            let error = Error::from(&status);
            assert_eq!(
                (status.code(), error.reason()),
                (Code::ResourceExhausted, "too_many_tries"),
                "{name}"
            );
            let wait = error.retry_after().unwrap();
            assert!(
                wait <= Duration::from_secs(30) && wait > Duration::from_secs(5),
                "{name}: {wait:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_right_password_forgets_the_account_s_wrong_ones_and_not_the_address_s() {
    let config = Config {
        tries: TryLimits {
            per_address: 8,
            ..TryLimits::default()
        },
        ..Config::default()
    };
    let house = embedded(&config).await;
    house
        .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
        .await
        .unwrap();
    for _ in 0..2 {
        for _ in 0..3 {
            let wrong = house.sign_in("ada@shop.example", ANOTHER).await;
            assert_eq!(refused(wrong), "wrong_credentials");
        }
        house.sign_in("ada@shop.example", PASSWORD).await.unwrap();
    }
    // Six wrong ones from here so far: two are left, for whatever account.
    for email in ["eve@shop.example", "mallory@shop.example"] {
        assert_eq!(
            refused(house.sign_in(email, ANOTHER).await),
            "wrong_credentials"
        );
    }
    let told = refused(house.sign_in("ada@shop.example", PASSWORD).await);
    assert_eq!(told, "too_many_tries");
    house
        .sign_in_from("ada@shop.example", PASSWORD, "192.0.2.8")
        .await
        .unwrap();
}

#[tokio::test]
async fn many_tries_at_once_are_no_way_around_the_limit() {
    for house in &houses(&Config::default()).await {
        let name = house.name;
        house
            .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
            .await
            .unwrap();
        let all = (0..30).map(|host| async move {
            let from = format!("192.0.2.{host}");
            refused(house.sign_in_from("ada@shop.example", ANOTHER, &from).await)
        });
        let told = futures::future::join_all(all).await;
        let looked_at = told
            .iter()
            .filter(|told| *told == "wrong_credentials")
            .count();
        assert!((1..=5).contains(&looked_at), "{name}: {told:?}");
        let waiting = told.iter().filter(|told| *told == "too_many_tries").count();
        assert_eq!(looked_at + waiting, 30, "{name}: {told:?}");
    }
}

#[tokio::test]
async fn replicas_count_together_and_a_restart_forgets_nothing() {
    let server = servers::mongodb();
    let (one, other) = (
        replica(&Config::default(), server.port).await,
        replica(&Config::default(), server.port).await,
    );
    for house in [&one, &other, &one, &other, &one] {
        assert_eq!(
            refused(house.sign_in("eve@shop.example", PASSWORD).await),
            "wrong_credentials"
        );
    }
    for house in [&one, &other] {
        assert_eq!(
            refused(house.sign_in("eve@shop.example", PASSWORD).await),
            "too_many_tries"
        );
    }
    let House { routes, folder, .. } = embedded(&Config::default()).await;
    let house = House {
        name: "embedded",
        routes,
        folder: None,
        _server: None,
    };
    for _ in 0..5 {
        house
            .sign_in("eve@shop.example", PASSWORD)
            .await
            .unwrap_err();
    }
    drop(house);
    let folder = folder.unwrap();
    let house = House {
        name: "embedded",
        routes: again(&Config::default(), &folder).await,
        folder: Some(folder),
        _server: None,
    };
    assert_eq!(
        refused(house.sign_in("eve@shop.example", PASSWORD).await),
        "too_many_tries"
    );
}

#[tokio::test]
async fn passwords_are_hashed_anew_when_the_settings_rise_and_sessions_go_on() {
    let House { routes, folder, .. } = embedded(&patient()).await;
    let house = House {
        name: "before",
        routes,
        folder: None,
        _server: None,
    };
    house
        .create(Role::Admin, "ada@shop.example", AccountRole::Admin)
        .await
        .unwrap();
    let session = house.sign_in("ada@shop.example", PASSWORD).await.unwrap();
    drop(house);
    let folder = folder.unwrap();
    let mut config = patient();
    config.hashing.passes = 3;
    let house = House {
        name: "after",
        routes: again(&config, &folder).await,
        folder: None,
        _server: None,
    };
    house.sign_in("ada@shop.example", PASSWORD).await.unwrap();
    assert!(house.is_good(&session).await);
    house.sign_in("ada@shop.example", PASSWORD).await.unwrap();
    drop(house);
    let bytes = std::fs::read(folder.path().join("accounts.redb")).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(holds(b"m=19456,t=3,p=1"));
    assert!(!holds(PASSWORD.as_bytes()));
}

#[tokio::test]
async fn a_store_that_is_away_is_told_as_such_and_counts_nobody_s_tries() {
    let hanging = servers::hanging();
    for port in [
        servers::refusing().port(),
        hanging.local_addr().unwrap().port(),
    ] {
        let house = replica(&Config::default(), port).await;
        let begun = Instant::now();
        for _ in 0..6 {
            let status = house
                .sign_in("ada@shop.example", PASSWORD)
                .await
                .unwrap_err();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unavailable, "store_unavailable")
            );
        }
        let created = house
            .create(Role::SuperAdmin, "ada@shop.example", AccountRole::Admin)
            .await;
        assert_eq!(refused(created), "store_unavailable");
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn every_method_has_a_rule() {
    use prost::Message as _;

    let mut methods = Vec::new();
    for set in [
        troika_proto::accounts::v1::FILE_DESCRIPTOR_SET,
        troika_proto::audit::v1::FILE_DESCRIPTOR_SET,
    ] {
        for file in prost_types::FileDescriptorSet::decode(set).unwrap().file {
            for service in &file.service {
                for method in &service.method {
                    let (package, service) = (file.package(), service.name());
                    methods.push(format!("{package}.{service}/{}", method.name()));
                }
            }
        }
    }
    for method in &methods {
        assert!(
            troika_accounts::RULES
                .iter()
                .any(|(name, _)| name == method),
            "{method}"
        );
    }
    assert_eq!(methods.len(), troika_accounts::RULES.len());
}

#[tokio::test]
async fn who_changes_accounts_waits_for_another_replica_and_not_for_ever() {
    let server = servers::mongodb();
    let house = replica(&patient(), server.port).await;
    let other = mongo(server.port).await;
    let minute = Duration::from_secs(60);
    assert!(other.lease("accounts", "another", minute).await.unwrap());
    let refused = house.create(Role::Admin, "ada@shop.example", AccountRole::Admin);
    let status = refused.await.unwrap_err();
    let told = (status.code(), reason(&status));
    assert_eq!(told, (Code::Unavailable, "accounts_busy".to_owned()));
    other.release("accounts", "another").await.unwrap();
    let created = house.create(Role::Admin, "ada@shop.example", AccountRole::Admin);
    created.await.unwrap();
}

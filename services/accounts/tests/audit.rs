//! What the audit log says of accounts, over both stores.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{
    Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use troika_accounts::{Config, build};
use troika_chassis::{
    deps::Deps,
    error::Error,
    lifecycle::{Drain, DrainConfig, Readiness},
    meters::Meters,
    mongo::{Mongo, MongoConfig},
};
use troika_identity::{Caller, Role};
use troika_proto::{
    accounts::v1::{
        Account, AccountRole, CreateAccountRequest, DeleteAccountRequest, SignInRequest,
        UpdateAccountRequest, accounts_client::AccountsClient,
    },
    audit::v1::{Entry, ListEntriesRequest, VerifyRequest, audit_client::AuditClient},
};
use troika_tests::{
    servers::{self, Server},
    until,
};

const PASSWORD: &str = "meadow piston quartz violin";
const ANOTHER: &str = "copper lantern orbit thistle";
const SOON: Duration = Duration::from_secs(10);

/// Says who calls, as the door does.
#[derive(Clone)]
struct As(Caller);

impl Interceptor for As {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(self.0.clone());
        Ok(request)
    }
}

struct House {
    name: &'static str,
    routes: Routes,
    _folder: Option<TempDir>,
    _server: Option<Server>,
}

impl House {
    fn by(&self, role: Role) -> InterceptedService<Routes, As> {
        let caller = Caller {
            role,
            subject: "7".to_owned(),
            name: "root@shop.example".to_owned(),
            ..Caller::default()
        };
        InterceptedService::new(self.routes.clone(), As(caller))
    }

    fn accounts(&self) -> AccountsClient<InterceptedService<Routes, As>> {
        AccountsClient::new(self.by(Role::SuperAdmin))
    }

    async fn create(&self, email: &str) -> Result<Account, Status> {
        let asked = CreateAccountRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            role: AccountRole::Admin.into(),
        };
        let created = self.accounts().create_account(asked).await?;
        Ok(created.into_inner().account.unwrap())
    }

    async fn update(&self, change: UpdateAccountRequest) {
        self.accounts().update_account(change).await.unwrap();
    }

    async fn delete(&self, id: &str) -> Result<(), Status> {
        let asked = DeleteAccountRequest { id: id.to_owned() };
        self.accounts().delete_account(asked).await.map(drop)
    }

    /// Entries, the oldest first.
    async fn entries(&self) -> Vec<Entry> {
        let mut audit = AuditClient::new(self.by(Role::SuperAdmin));
        let asked = ListEntriesRequest::default();
        let listed = audit.list_entries(asked).await.unwrap();
        listed.into_inner().entries.into_iter().rev().collect()
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

async fn houses() -> [House; 2] {
    let folder = tempfile::tempdir().unwrap();
    let embedded = build(Config::default(), deps(folder.path(), None)).await;
    let server = servers::mongodb();
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{}/shop", server.port)
            .as_str()
            .into(),
        ..MongoConfig::default()
    };
    let mongo = Mongo::connect(&config).await.unwrap();
    let shared = build(Config::default(), deps(Path::new("nowhere"), Some(mongo))).await;
    [
        House {
            name: "embedded",
            routes: embedded.unwrap().routes,
            _folder: Some(folder),
            _server: None,
        },
        House {
            name: "mongo",
            routes: shared.unwrap().routes,
            _folder: None,
            _server: Some(server),
        },
    ]
}

fn read(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(text).unwrap()
    }
}

#[tokio::test]
async fn every_change_is_told_with_who_made_it_and_no_password_is() {
    for house in &houses().await {
        let name = house.name;
        house.create("ada@shop.example").await.unwrap();
        let bob = house.create("bob@shop.example").await.unwrap();
        let of_bob = || UpdateAccountRequest {
            id: bob.id.clone(),
            ..UpdateAccountRequest::default()
        };
        house
            .update(UpdateAccountRequest {
                password: Some(ANOTHER.to_owned()),
                ..of_bob()
            })
            .await;
        house
            .update(UpdateAccountRequest {
                role: Some(AccountRole::SuperAdmin.into()),
                ..of_bob()
            })
            .await;
        house
            .update(UpdateAccountRequest {
                enabled: Some(false),
                ..of_bob()
            })
            .await;
        house.delete(&bob.id).await.unwrap();

        let entries = house.entries().await;
        let told: Vec<_> = entries
            .iter()
            .map(|entry| {
                let both = (read(&entry.before), read(&entry.after));
                (entry.action.as_str(), both.0, both.1)
            })
            .collect();
        let person = |email: &str, role: &str, enabled: bool| json!({ "email": email, "role": role, "enabled": enabled });
        assert_eq!(
            told,
            [
                (
                    "account.create",
                    Value::Null,
                    person("ada@shop.example", "super_admin", true)
                ),
                (
                    "account.create",
                    Value::Null,
                    person("bob@shop.example", "admin", true)
                ),
                (
                    "account.update",
                    Value::Null,
                    Value::from_iter([("password", "changed")])
                ),
                (
                    "account.update",
                    json!({ "role": "admin" }),
                    json!({ "role": "super_admin" })
                ),
                (
                    "account.update",
                    json!({ "enabled": true }),
                    json!({ "enabled": false })
                ),
                (
                    "account.delete",
                    person("bob@shop.example", "super_admin", false),
                    Value::Null
                ),
            ],
            "{name}"
        );
        for entry in &entries[1..] {
            assert_eq!(entry.target, bob.id, "{name}");
            let who = (
                entry.subject.as_str(),
                entry.name.as_str(),
                entry.role.as_str(),
            );
            assert_eq!(who, ("7", "root@shop.example", "super_admin"), "{name}");
        }
        let all = format!("{entries:?}");
        for secret in [PASSWORD, ANOTHER, "argon2"] {
            assert!(!all.contains(secret), "{name}: {secret}");
        }
        let mut audit = AuditClient::new(house.by(Role::SuperAdmin));
        let verified = audit.verify(VerifyRequest {}).await.unwrap().into_inner();
        assert_eq!((verified.entries, verified.first_broken), (6, 0), "{name}");
    }
}

#[tokio::test]
async fn what_was_not_changed_is_not_told() {
    for house in &houses().await {
        let name = house.name;
        let ada = house.create("ada@shop.example").await.unwrap();
        assert!(house.create("ADA@shop.example").await.is_err(), "{name}");
        assert!(house.delete(&ada.id).await.is_err(), "{name}");
        let same = UpdateAccountRequest {
            id: ada.id,
            enabled: Some(true),
            ..UpdateAccountRequest::default()
        };
        house.update(same).await;
        assert_eq!(house.entries().await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn an_account_that_has_to_wait_is_told_and_one_that_is_not_there_is_not() {
    for house in &houses().await {
        let name = house.name;
        let ada = house.create("ada@shop.example").await.unwrap();
        let mut service = AccountsClient::new(house.by(Role::Service));
        for (net, email) in [(1, "eve@shop.example"), (2, "ada@shop.example")] {
            // The last of these has to wait and is no try.
            for host in 1..=6 {
                let asked = SignInRequest {
                    email: email.to_owned(),
                    password: ANOTHER.to_owned(),
                    client_address: format!("192.0.{net}.{host}"),
                };
                service.sign_in(asked).await.unwrap_err();
            }
        }
        until("the wait is told", SOON, async || {
            house.entries().await.len() > 1
        })
        .await;
        let entries = house.entries().await;
        assert_eq!(entries.len(), 2, "{name}");
        assert_eq!(entries[1].action, "account.wait", "{name}");
        assert_eq!(entries[1].target, ada.id, "{name}");
        assert_eq!(entries[1].role, "service", "{name}");
        assert_eq!(
            read(&entries[1].after),
            json!({ "waitSeconds": 30 }),
            "{name}"
        );
    }
}

#[tokio::test]
async fn nobody_but_super_admins_reads_it() {
    for house in &houses().await {
        for (role, told) in [
            (Role::Anonymous, "auth_required"),
            (Role::User, "super_admin_required"),
            (Role::Admin, "super_admin_required"),
            (Role::Service, "super_admin_required"),
        ] {
            let mut audit = AuditClient::new(house.by(role));
            let listed = audit.list_entries(ListEntriesRequest::default()).await;
            let verified = audit.verify(VerifyRequest {}).await;
            for refused in [listed.map(drop), verified.map(drop)] {
                let error = Error::from(&refused.unwrap_err());
                assert_eq!(error.reason(), told, "{}, {role:?}", house.name);
            }
        }
    }
}

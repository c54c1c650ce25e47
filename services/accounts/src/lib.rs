//! The accounts of those who run the system: passwords as Argon2id, limits on tries. Served beside the flags role.
//!
//! It exports its [`Config`], [`RULES`] and [`build`].

use std::sync::Arc;

use tonic::service::Routes;
use troika_audit::{
    AuditLog, Readers,
    store::{Store as AuditStore, mongo::MongoStore as AuditCollection},
};
use troika_chassis::{deps::Deps, server::GrpcService};
use troika_proto::{
    accounts::v1::{
        FILE_DESCRIPTOR_SET,
        accounts_server::{AccountsServer, SERVICE_NAME as ACCOUNTS},
    },
    audit::v1::{FILE_DESCRIPTOR_SET as AUDIT_DESCRIPTOR_SET, audit_server::SERVICE_NAME as AUDIT},
};

mod account;
mod accounts;
mod audited;
mod config;
mod grpc;
mod hashing;
mod password;
mod rules;
mod sign_in;
pub mod store;
mod tries;
mod turn;

pub use account::{Account, Email, Role};
pub use config::{Config, Hashing, TryLimits};
pub use rules::RULES;
pub use tries::Tries;

use accounts::Accounts;
use grpc::AccountsService;
use hashing::{Hasher, HashingError};
use store::{Store, embedded::Embedded, mongo::MongoStore};

/// The embedded store's file in the data folder.
pub const EMBEDDED_FILE: &str = "accounts.redb";

/// The name of the audit log.
const AUDIT_LOG: &str = "accounts";

/// Why accounts cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The embedded store cannot be opened.
    #[error("the accounts store cannot be opened")]
    Store(#[source] store::embedded::OpenError),
    /// Passwords cannot be hashed as the settings say.
    #[error("accounts.hashing cannot be used")]
    Hashing(#[source] HashingError),
}

/// Assembles the service from its configuration and the process's connections. Waits for no server: while the store is away,
/// those who ask are told so.
///
/// # Errors
/// When the embedded store cannot be opened, or passwords cannot be hashed as the settings say.
pub async fn build(config: Config, deps: Deps) -> Result<GrpcService, BuildError> {
    let (store, audit): (Arc<dyn Store>, Arc<dyn AuditStore>) = match deps.mongo.clone() {
        Some(mongo) => {
            let audit = AuditCollection::new(mongo.clone(), AUDIT_LOG);
            (Arc::new(MongoStore::new(mongo)), Arc::new(audit))
        }
        None => {
            let path = deps.data_dir.join(EMBEDDED_FILE);
            let store = Embedded::open(&path).map_err(BuildError::Store)?;
            let audit = store.audit();
            (Arc::new(store), Arc::new(audit))
        }
    };
    let hasher = Hasher::new(&config.hashing)
        .await
        .map_err(BuildError::Hashing)?;
    let audit = AuditLog::start(AUDIT_LOG, audit, deps.drain.clone());
    let accounts = Accounts::new(store, hasher, config.tries, audit.clone());
    let service = AccountsService {
        accounts: Arc::new(accounts),
    };
    let server = AccountsServer::new(service).max_decoding_message_size(deps.max_message);
    Ok(GrpcService {
        routes: Routes::new(server).add_service(troika_audit::server(audit, Readers::SuperAdmins)),
        service_names: vec![ACCOUNTS, AUDIT],
        descriptors: vec![FILE_DESCRIPTOR_SET, AUDIT_DESCRIPTOR_SET],
    })
}

//! The accounts of those who run the system: passwords as Argon2id, limits on tries. Served beside the flags role.
//!
//! It exports its [`Config`], [`RULES`] and [`build`].

use std::sync::Arc;

use tonic::service::Routes;
use troika_chassis::{deps::Deps, server::GrpcService};
use troika_proto::accounts::v1::{
    FILE_DESCRIPTOR_SET,
    accounts_server::{AccountsServer, SERVICE_NAME},
};

mod account;
mod accounts;
mod config;
mod grpc;
mod hashing;
mod note;
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
    let store: Arc<dyn Store> = match deps.mongo.clone() {
        Some(mongo) => Arc::new(MongoStore::new(mongo)),
        None => {
            let path = deps.data_dir.join(EMBEDDED_FILE);
            Arc::new(Embedded::open(&path).map_err(BuildError::Store)?)
        }
    };
    let hasher = Hasher::new(&config.hashing)
        .await
        .map_err(BuildError::Hashing)?;
    let service = AccountsService {
        accounts: Arc::new(Accounts::new(store, hasher, config.tries)),
    };
    let server = AccountsServer::new(service).max_decoding_message_size(deps.max_message);
    Ok(GrpcService {
        routes: Routes::new(server),
        service_names: vec![SERVICE_NAME],
        descriptors: vec![FILE_DESCRIPTOR_SET],
    })
}

//! The flags role: feature flags with their history, and rollouts that are advanced and rolled back by
//! evidence.
//!
//! It exports its [`Config`] and [`build`].

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use troika_chassis::{deps::Deps, server::GrpcService};
use troika_proto::{
    flagd::{
        self,
        evaluation::{
            v1::service_server::{SERVICE_NAME as FLAGD_V1, ServiceServer as FlagdV1},
            v2::service_server::{SERVICE_NAME as FLAGD_V2, ServiceServer as FlagdV2},
        },
        sync::v1::flag_sync_service_server::{FlagSyncServiceServer, SERVICE_NAME as FLAGD_SYNC},
    },
    flags::v1::{
        FILE_DESCRIPTOR_SET,
        flags_server::{FlagsServer, SERVICE_NAME as FLAGS},
        rollouts_server::{RolloutsServer, SERVICE_NAME as ROLLOUTS},
    },
};

mod author;
mod book;
mod config;
mod controller;
mod evidence;
mod flags;
mod grpc;
pub mod log;
mod peers;
mod rollouts;
mod rules;
pub mod state;
pub mod store;

pub use config::Config;
pub use rules::RULES;

use book::Book;
use controller::Controller;
use grpc::{
    Watchers,
    flagd::{EvaluationV1, EvaluationV2, Sync},
    flags::FlagsService,
    rollouts::RolloutsService,
};
use peers::metrics::Metrics;
use store::{Store, embedded::Embedded, mongo::MongoStore};

/// The embedded store's file in the data folder.
pub const EMBEDDED_FILE: &str = "flags.redb";

/// Why the role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The embedded store cannot be opened.
    #[error("the flags store cannot be opened")]
    Store(#[source] store::embedded::OpenError),
    /// The metrics role's address cannot be used.
    #[error("flags.metrics.address cannot be called")]
    MetricsAddress(#[source] http::uri::InvalidUri),
}

/// Assembles the role from its configuration and the process's connections. Waits for no server: until the log was
/// read for the first time, the role says that its store is away, and those who ask it go on with what they know.
///
/// # Errors
/// When the embedded store cannot be opened, or an address cannot be used.
pub async fn build(config: Config, deps: Deps) -> Result<GrpcService, BuildError> {
    let store: Arc<dyn Store> = match deps.mongo.clone() {
        Some(mongo) => Arc::new(MongoStore::new(mongo)),
        None => {
            let path = deps.data_dir.join(EMBEDDED_FILE);
            Arc::new(Embedded::open(&path).map_err(BuildError::Store)?)
        }
    };
    let metrics = Metrics::new(&config.metrics).map_err(BuildError::MetricsAddress)?;
    let book = Arc::new(Book::new(store));
    let controller = Arc::new(Controller::new(
        Arc::clone(&book),
        Arc::new(metrics),
        config.rollouts.clone(),
    ));
    let tasks = [
        tokio::spawn({
            let (book, every) = (Arc::clone(&book), config.poll);
            async move { book.follow(every).await }
        }),
        tokio::spawn({
            let (controller, drain) = (Arc::clone(&controller), deps.drain.clone());
            async move { controller.run(drain).await }
        }),
    ];
    let tasks = Arc::new(tasks.map(AbortOnDropHandle::new));
    let watchers = Watchers::new(config.max_watchers, deps.drain.clone());

    let flags = FlagsService {
        book: Arc::clone(&book),
        watchers: watchers.clone(),
        _tasks: tasks,
    };
    let rollouts = RolloutsService {
        book: Arc::clone(&book),
        controller,
        watchers: watchers.clone(),
    };
    let flagd_v1 = EvaluationV1 {
        book: Arc::clone(&book),
        watchers: watchers.clone(),
    };
    let flagd_v2 = EvaluationV2 {
        book: Arc::clone(&book),
        watchers: watchers.clone(),
    };
    let sync = Sync { book, watchers };
    let routes = Routes::new(FlagsServer::new(flags).max_decoding_message_size(deps.max_message))
        .add_service(RolloutsServer::new(rollouts).max_decoding_message_size(deps.max_message))
        .add_service(FlagdV1::new(flagd_v1).max_decoding_message_size(deps.max_message))
        .add_service(FlagdV2::new(flagd_v2).max_decoding_message_size(deps.max_message))
        .add_service(FlagSyncServiceServer::new(sync));
    Ok(GrpcService {
        routes,
        service_names: vec![FLAGS, ROLLOUTS, FLAGD_V1, FLAGD_V2, FLAGD_SYNC],
        descriptors: vec![FILE_DESCRIPTOR_SET, flagd::FILE_DESCRIPTOR_SET],
    })
}

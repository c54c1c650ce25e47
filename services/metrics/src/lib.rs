//! The metrics role: outcomes of turns in, figures out, seen as they come and kept.
//!
//! It exports its [`Config`], [`build`], and its [`store`]s.

use std::sync::Arc;

use tonic::service::Routes;
use troika_alerting::Alerting;
use troika_audit::{
    AuditLog, Readers,
    store::{Store as AuditStore, mongo::MongoStore as AuditCollection},
};
use troika_chassis::{deps::Deps, server::GrpcService};
use troika_proto::{
    audit::v1::{FILE_DESCRIPTOR_SET as AUDIT_DESCRIPTOR_SET, audit_server::SERVICE_NAME as AUDIT},
    metrics::v1::{
        FILE_DESCRIPTOR_SET,
        alerts_server::{AlertsServer, SERVICE_NAME as ALERTS},
        metrics_server::{MetricsServer, SERVICE_NAME as METRICS},
    },
};
use uuid::Uuid;

mod alerts;
mod arm;
mod config;
mod delta;
mod figures;
mod grpc;
mod health;
mod history;
mod keeper;
mod latency;
mod ledger;
mod moment;
mod outbox;
mod rules;
mod sessions;
mod slice;
pub mod store;
mod turn;
mod window;

pub use config::{Config, Health, Price, Prices};
pub use delta::{Part, Resolution, Rollup};
pub use rules::RULES;
pub use slice::Dimension;

use alerts::Alerts;
use grpc::{MetricsService, alerts::AlertsService};
use keeper::Kept;
use store::{
    Store, StoreError,
    embedded::{Embedded, OpenError},
    mongo::MongoStore,
};

/// The embedded store's file in the data folder.
pub const EMBEDDED_FILE: &str = "metrics.redb";

/// The name of the role's audit log.
const AUDIT_LOG: &str = "metrics";

/// The one replica that an embedded store has.
const ALONE: &str = "embedded";

/// Why the role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The embedded store cannot be opened.
    #[error("the metrics store cannot be opened")]
    Open(#[source] OpenError),
    /// The embedded store cannot be read.
    #[error("the metrics store cannot be read")]
    Read(#[source] StoreError),
    /// A receiver of alerts cannot be used.
    #[error("metrics.alerts cannot be used: {0}")]
    Alerts(String),
}

/// Assembles the role from its configuration and the process's connections. Waits for no server: only the embedded
/// store is opened and read.
///
/// # Errors
/// An embedded store that cannot be used.
pub async fn build(config: Config, deps: Deps) -> Result<GrpcService, BuildError> {
    let (store, audit, replica): (Arc<dyn Store>, Arc<dyn AuditStore>, String) =
        match deps.mongo.clone() {
            Some(mongo) => {
                let audit = AuditCollection::new(mongo.clone(), AUDIT_LOG);
                let replica = Uuid::new_v4().to_string();
                (Arc::new(MongoStore::new(mongo)), Arc::new(audit), replica)
            }
            None => {
                let path = deps.data_dir.join(EMBEDDED_FILE);
                let store = Embedded::open(&path).map_err(BuildError::Open)?;
                let audit = store.audit();
                (Arc::new(store), Arc::new(audit), ALONE.to_owned())
            }
        };
    let kept = Arc::new(Kept::new(config, store, replica, deps.drain.clone()));
    if !kept.store.is_shared() {
        kept.restore().await.map_err(BuildError::Read)?;
    }
    keeper::start(Arc::clone(&kept));
    let alerting = Alerting::new(&kept.config.alerts).map_err(BuildError::Alerts)?;
    let alerts = Arc::new(Alerts::start(alerting, Arc::clone(&kept), &deps.meters));
    let audit = AuditLog::start(AUDIT_LOG, audit, deps.drain.clone());
    let service = MetricsService {
        kept,
        audit: audit.clone(),
        drain: deps.drain.clone(),
    };
    let alerts = AlertsService {
        alerts,
        audit: audit.clone(),
    };
    let server = MetricsServer::new(service).max_decoding_message_size(deps.max_message);
    Ok(GrpcService {
        routes: Routes::new(server)
            .add_service(AlertsServer::new(alerts))
            .add_service(troika_audit::server(audit, Readers::Admins)),
        service_names: vec![METRICS, ALERTS, AUDIT],
        descriptors: vec![FILE_DESCRIPTOR_SET, AUDIT_DESCRIPTOR_SET],
    })
}

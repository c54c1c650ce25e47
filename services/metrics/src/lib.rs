//! The metrics role: outcomes of turns in, figures out. For now it keeps two days in memory and answers what rollouts
//! are judged by.
//!
//! It exports its [`Config`] and [`build`].

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use tonic::service::Routes;
use troika_chassis::{deps::Deps, server::GrpcService};
use troika_proto::metrics::v1::{
    FILE_DESCRIPTOR_SET,
    metrics_server::{MetricsServer, SERVICE_NAME as METRICS},
};

mod arm;
mod config;
mod grpc;
mod window;

pub use config::Config;

use grpc::MetricsService;
use window::Window;

/// Assembles the role from its configuration and the process's connections. Waits for no server.
///
/// # Errors
/// None: nothing keeps it from starting.
pub async fn build(config: Config, deps: Deps) -> Result<GrpcService, Infallible> {
    let service = MetricsService {
        window: Arc::new(Mutex::new(Window::new(config.max_flags))),
        drain: deps.drain.clone(),
    };
    let server = MetricsServer::new(service).max_decoding_message_size(deps.max_message);
    Ok(GrpcService {
        routes: Routes::new(server),
        service_names: vec![METRICS],
        descriptors: &[FILE_DESCRIPTOR_SET],
    })
}

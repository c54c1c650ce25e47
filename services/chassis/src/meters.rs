//! The figures of this process for Prometheus: registered by whoever counts, written down when somebody asks. Calls,
//! the process itself and its roles are counted here. It must not know what else is.

mod call;
mod classic;
mod counted;
mod grpc;
mod http;
mod process;
mod standing;

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::text,
    metrics::{counter::Counter, family::Family},
    registry::{Metric, Registry},
};

pub(crate) use self::grpc::{KnownMethods, MeasuredServerLayer};
use self::standing::Standings;
pub use self::{
    call::{MeasuredBody, MeasuredFuture},
    counted::CountedHistogram,
    grpc::{GrpcCall, MeasuredChannel},
    http::{HttpExchange, HttpLayer, MeasuredHttp},
    standing::Standing,
};
use crate::lifecycle::{Drain, Readiness};

/// The content type of [`Meters::open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The content type of [`Meters::text`].
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Looks into caches, by cache and result.
type Lookups = Family<[(&'static str, &'static str); 2], Counter>;

/// The figures of one process. Cloning is cheap; every clone is the same figures.
#[derive(Clone)]
pub struct Meters {
    shared: Arc<Shared>,
}

struct Shared {
    registry: RwLock<Registry>,
    /// What is registered, by name, for who asks for the same again.
    known: Mutex<HashMap<&'static str, Box<dyn Any + Send + Sync>>>,
    standings: Standings,
    lookups: Lookups,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Meters {
    /// Counts what every process has: calls in and out, its resources, its roles.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        grpc::register(&mut registry);
        http::register(&mut registry);
        process::register(&mut registry);
        let lookups = Lookups::default();
        registry.register(
            "troika_cache_lookups",
            "Looks into caches, by what they found",
            lookups.clone(),
        );
        let standings = Standings::default();
        registry.register_collector(Box::new(standings.clone()));
        Self {
            shared: Arc::new(Shared {
                registry: RwLock::new(registry),
                known: Mutex::default(),
                standings,
                lookups,
            }),
        }
    }

    /// A metric under this name, made at the first call: several roles of a process that count the same count
    /// together. A counter's name goes without `_total`, and the help text without its full stop.
    pub fn metric<M: Metric + Clone>(
        &self,
        name: &'static str,
        help: &'static str,
        new: impl FnOnce() -> M,
    ) -> M {
        let mut known = self
            .shared
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(name) {
            return known.downcast_ref().cloned().unwrap_or_else(|| {
                tracing::error!(name, "two metrics of different kinds have one name");
                new()
            });
        }
        let metric = new();
        known.insert(name, Box::new(metric.clone()));
        self.registry_mut().register(name, help, metric.clone());
        metric
    }

    /// Figures that are made when somebody asks.
    pub fn collector(&self, collector: Box<dyn Collector>) {
        self.registry_mut().register_collector(collector);
    }

    /// A role of this process: told with its version, and whether it is ready.
    pub fn role(&self, name: &'static str, readiness: Readiness, drain: Drain) {
        self.shared.standings.role(name, readiness, drain);
    }

    /// How a role stands, asked whenever somebody asks for the figures.
    pub fn standing(&self, role: &'static str, now: impl Fn() -> Standing + Send + Sync + 'static) {
        self.shared.standings.standing(role, Box::new(now));
    }

    /// Somebody looked into a cache so often.
    pub fn looked(&self, cache: &'static str, hits: u64, misses: u64) {
        for (result, count) in [("hit", hits), ("miss", misses)] {
            self.shared
                .lookups
                .get_or_create(&[("cache", cache), ("result", result)])
                .inc_by(count);
        }
    }

    /// As `OpenMetrics` 1.0, with exemplars.
    pub fn open_metrics(&self) -> String {
        let mut written = String::new();
        let registry = self
            .shared
            .registry
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        // Writing into a string cannot fail; a collector that does leaves out its own figures.
        if let Err(error) = text::encode(&mut written, &registry) {
            tracing::error!(%error, "not all metrics can be written");
        }
        written
    }

    /// As Prometheus' text format 0.0.4, which knows no exemplars.
    pub fn text(&self) -> String {
        classic::of(&self.open_metrics())
    }

    fn registry_mut(&self) -> std::sync::RwLockWriteGuard<'_, Registry> {
        self.shared
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

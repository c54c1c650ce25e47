//! Alerts over this role's figures: one replica at a time looks at the rules each second and tells people; what it knows is
//! stored, so that another one goes on where it stopped. While the store is away the one who looked last looks on. It must
//! not know how anybody is told.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};
use troika_alerting::{
    Alerting, Figure, Reading, Readings, Window,
    state::{MOST_SILENCES, Silence, State},
};
use troika_chassis::meters::Meters;
use troika_proto::metrics::v1::{BreakerState, DependencyState};
use uuid::Uuid;

use crate::{
    figures::Figures,
    health::Status,
    keeper::Kept,
    ledger::{Ledger, Span},
    store::{Store, StoreError},
};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long the one who looks keeps the lease without renewing it.
const LEASE: Duration = Duration::from_secs(10);
/// The lease's name, and the notes'.
const LEADER: &str = "alerts";
const STATE: &str = "alerts";
const SILENCES: &str = "silences";
/// Failed turns in per cent that the objective of 99 % success allows.
const BUDGET: f64 = 1.0;

/// Alerts, and the task that looks; it ends when this is dropped.
pub(crate) struct Alerts {
    pub(crate) alerting: Alerting,
    store: Arc<dyn Store>,
    _looking: AbortOnDropHandle<()>,
}

impl Alerts {
    /// Begins to look. Must be called inside a tokio runtime.
    pub(crate) fn start(alerting: Alerting, kept: Arc<Kept>, meters: &Meters) -> Self {
        let watch = Watch {
            health: meters.metric(
                "troika_health_status",
                "The system's health: 0 healthy, 1 degraded, 2 unhealthy",
                Gauge::default,
            ),
            firing: meters.metric(
                "troika_alerts_firing",
                "Built-in alerts that fire",
                Gauge::default,
            ),
            alerting: alerting.clone(),
            kept: Arc::clone(&kept),
            holder: Uuid::new_v4().to_string(),
            leads: false,
            stored: State::default(),
        };
        Self {
            alerting,
            store: Arc::clone(&kept.store),
            _looking: AbortOnDropHandle::new(tokio::spawn(watch.run())),
        }
    }

    /// What is known now, also where another replica looks.
    pub(crate) async fn known(&self) -> Result<State, StoreError> {
        let noted = note(&*self.store, STATE).await?;
        let mut state: State = noted.unwrap_or_default();
        state.set_silences(self.silences().await?);
        Ok(state)
    }

    /// Begins a silence for all replicas; `false` when there are too many.
    pub(crate) async fn silence(&self, silence: Silence) -> Result<bool, StoreError> {
        let mut silences = self.silences().await?;
        let room = silences.len() < MOST_SILENCES;
        if room {
            silences.push(silence);
            keep(&*self.store, SILENCES, &silences).await?;
        }
        Ok(room)
    }

    /// Ends a silence for all replicas. One that is over already is no error.
    pub(crate) async fn lift(&self, id: &str) -> Result<(), StoreError> {
        let mut silences = self.silences().await?;
        silences.retain(|silence| silence.id != id);
        keep(&*self.store, SILENCES, &silences).await
    }

    async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        let noted: Option<Vec<Silence>> = note(&*self.store, SILENCES).await?;
        let mut silences = noted.unwrap_or_default();
        let now = SystemTime::now();
        silences.retain(|silence| silence.until > now);
        Ok(silences)
    }
}

/// The task's side.
struct Watch {
    alerting: Alerting,
    kept: Arc<Kept>,
    holder: String,
    /// Whether this replica looks.
    leads: bool,
    /// What the store knows.
    stored: State,
    health: Gauge,
    firing: Gauge,
}

impl Watch {
    /// Never returns.
    async fn run(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.lead().await {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "alerts go on without the store"
                );
            }
            if self.leads {
                self.look().await;
            }
            self.health.set(self.kept.health().status as i64);
            let firing = if self.leads {
                self.alerting.firing()
            } else {
                0
            };
            self.firing.set(i64::try_from(firing).unwrap_or(i64::MAX));
        }
    }

    /// Takes or renews the lease, and takes over what is known when it is new.
    async fn lead(&mut self) -> Result<(), StoreError> {
        let store = &*self.kept.store;
        let leads = store.lease(LEADER, &self.holder, LEASE).await?;
        if leads && !self.leads {
            self.stored = note(store, STATE).await?.unwrap_or_default();
            self.alerting.take_over(self.stored.clone());
            info!("this replica looks after alerts");
        }
        self.leads = leads;
        if leads {
            let silences: Option<Vec<Silence>> = note(store, SILENCES).await?;
            let silences = silences.unwrap_or_default();
            self.alerting.change(|state| state.set_silences(silences));
        }
        Ok(())
    }

    async fn look(&mut self) {
        let now = SystemTime::now();
        {
            let ledger = self.kept.ledger();
            let status = self.kept.health().status;
            self.alerting.look(
                &Shown {
                    ledger: &ledger,
                    status,
                    now,
                },
                now,
            );
        }
        let state = self.alerting.state();
        if state != self.stored && keep(&*self.kept.store, STATE, &state).await.is_ok() {
            self.stored = state;
        }
    }
}

/// The figures as rules see them.
struct Shown<'a> {
    ledger: &'a Ledger,
    status: Status,
    now: SystemTime,
}

impl Shown<'_> {
    fn figures(&self, window: Window) -> Figures {
        let span = match window {
            Window::Minute => Span::Seconds(60),
            Window::FiveMinutes => Span::Seconds(300),
            Window::Hour => Span::Hour,
        };
        self.ledger.total(span, self.now).figures
    }

    /// How often something is the case over all sources.
    fn count<T>(&self, of: impl Fn(&troika_proto::metrics::v1::SourceState) -> T) -> f64
    where
        T: Into<f64>,
    {
        let sources = self.ledger.sources(self.now);
        sources.iter().map(|heard| of(&heard.state).into()).sum()
    }
}

impl Readings for Shown<'_> {
    fn read(&self, figure: Figure, window: Window) -> Option<Reading> {
        let always = |value: f64| {
            Some(Reading {
                value,
                turns: u64::MAX,
            })
        };
        match figure {
            Figure::Health => {
                return always(match self.status {
                    Status::Healthy => 0.0,
                    Status::Degraded => 1.0,
                    Status::Unhealthy => 2.0,
                });
            }
            Figure::ChatProcesses => {
                return always(self.count(|source| u32::from(source.role == "chat")));
            }
            Figure::DependenciesDown => {
                return always(self.count(|source| {
                    let down = |it: &&_| -> bool {
                        let it: &troika_proto::metrics::v1::Dependency = it;
                        it.state() == DependencyState::Down
                    };
                    source.dependencies.iter().filter(down).count() as u32
                }));
            }
            Figure::BreakersOpen => {
                return always(self.count(|source| {
                    let breakers = source.breakers.iter();
                    breakers
                        .filter(|it| it.state() == BreakerState::Open)
                        .count() as u32
                }));
            }
            _ => {}
        }
        let figures = self.figures(window);
        let ended = figures.successes + figures.failures;
        let of = |latency: &crate::latency::Latency,
                  value: fn(&crate::latency::Percentiles) -> f64| {
            let told = latency.percentiles();
            Some(Reading {
                value: value(&told),
                turns: told.count,
            })
        };
        let rate = |figures: &Figures| figures.success_rate().map(|success| 100.0 - success);
        match figure {
            Figure::ErrorRate => Some(Reading {
                value: rate(&figures).unwrap_or(0.0),
                turns: ended,
            }),
            Figure::BurnRate => {
                let lately = self.figures(Window::FiveMinutes);
                let slower = rate(&figures)
                    .unwrap_or(0.0)
                    .min(rate(&lately).unwrap_or(0.0));
                Some(Reading {
                    value: slower / BUDGET,
                    turns: ended,
                })
            }
            Figure::RefusedRate => {
                let asked = figures.turns() + figures.refused;
                let share = figures.refused as f64 * 100.0 / asked.max(1) as f64;
                always(share)
            }
            Figure::FirstTokenMean => of(&figures.first_token, |told| told.mean),
            Figure::FirstTokenP95 => of(&figures.first_token, |told| told.p95),
            Figure::FirstAudioP95 => of(&figures.first_audio, |told| told.p95),
            Figure::CompleteP95 => of(&figures.complete, |told| told.p95),
            Figure::Dropped => always(figures.dropped as f64),
            Figure::Health
            | Figure::ChatProcesses
            | Figure::DependenciesDown
            | Figure::BreakersOpen => None,
        }
    }
}

async fn note<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    key: &str,
) -> Result<Option<T>, StoreError> {
    let noted = store.noted(key).await?;
    // What an older version wrote in another way counts as nothing.
    Ok(noted.and_then(|data| serde_json::from_slice(&data).ok()))
}

async fn keep(
    store: &dyn Store,
    key: &str,
    value: &impl serde::Serialize,
) -> Result<(), StoreError> {
    let data = serde_json::to_vec(value).map_err(StoreError::of)?;
    store.note(key, data).await
}

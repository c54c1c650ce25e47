//! Alerts over this role's figures: one replica at a time looks at the rules each second and tells people; what it knows is
//! stored, so that another one goes on where it stopped. While the store is away the one who looked last looks on. It must
//! not know how anybody is told.

use std::{
    cell::OnceCell,
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
use troika_proto::metrics::v1::{BreakerState, DependencyState, SourceState};
use uuid::Uuid;

use crate::{
    figures::Figures,
    health::Status,
    keeper::Kept,
    latency::{Latency, Percentiles},
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
            let shown = Shown::new(&ledger, self.kept.health().status, now);
            self.alerting.look(&shown, now);
        }
        let state = self.alerting.state();
        if state != self.stored && keep(&*self.kept.store, STATE, &state).await.is_ok() {
            self.stored = state;
        }
    }
}

/// The figures as rules see them: each window is added up once, however many rules ask for it.
struct Shown<'a> {
    ledger: &'a Ledger,
    status: Status,
    now: SystemTime,
    minute: OnceCell<Figures>,
    five_minutes: OnceCell<Figures>,
    hour: OnceCell<Figures>,
}

impl<'a> Shown<'a> {
    fn new(ledger: &'a Ledger, status: Status, now: SystemTime) -> Self {
        Self {
            ledger,
            status,
            now,
            minute: OnceCell::new(),
            five_minutes: OnceCell::new(),
            hour: OnceCell::new(),
        }
    }

    fn figures(&self, window: Window) -> &Figures {
        let (known, span) = match window {
            Window::Minute => (&self.minute, Span::Seconds(60)),
            Window::FiveMinutes => (&self.five_minutes, Span::Seconds(300)),
            Window::Hour => (&self.hour, Span::Hour),
        };
        known.get_or_init(|| self.ledger.total(span, self.now).figures)
    }

    /// Failed turns among those that succeeded and failed, in per cent.
    fn error_rate(&self, window: Window) -> f64 {
        let success_rate = self.figures(window).success_rate();
        success_rate.map_or(0.0, |success| 100.0 - success)
    }

    /// How many there are of something, over all sources.
    fn count(&self, of: impl Fn(&SourceState) -> usize) -> f64 {
        let sources = self.ledger.sources(self.now);
        let count: usize = sources.iter().map(|heard| of(&heard.state)).sum();
        count as f64
    }
}

impl Readings for Shown<'_> {
    fn read(&self, figure: Figure, window: Window) -> Option<Reading> {
        // What is not made of turns is never too little of them.
        let always = |value| Reading {
            value,
            turns: u64::MAX,
        };
        let of_turns = |value| {
            let figures = self.figures(window);
            Reading {
                value,
                turns: figures.successes + figures.failures,
            }
        };
        let of_times = |times: &Latency, value: fn(&Percentiles) -> f64| {
            let told = times.percentiles();
            Reading {
                value: value(&told),
                turns: told.count,
            }
        };
        let figures = || self.figures(window);
        Some(match figure {
            Figure::ErrorRate => of_turns(self.error_rate(window)),
            Figure::BurnRate => {
                let lately = self.error_rate(Window::FiveMinutes);
                of_turns(self.error_rate(window).min(lately) / BUDGET)
            }
            Figure::RefusedRate => {
                let refused = figures().refused;
                let asked = figures().turns() + refused;
                always(refused as f64 * 100.0 / asked.max(1) as f64)
            }
            Figure::FirstTokenMean => of_times(&figures().first_token, |told| told.mean),
            Figure::FirstTokenP95 => of_times(&figures().first_token, |told| told.p95),
            Figure::FirstAudioP95 => of_times(&figures().first_audio, |told| told.p95),
            Figure::CompleteP95 => of_times(&figures().complete, |told| told.p95),
            Figure::Dropped => always(figures().dropped as f64),
            Figure::Health => always(f64::from(self.status as u8)),
            Figure::ChatProcesses => always(self.count(|it| usize::from(it.role == "chat"))),
            Figure::DependenciesDown => always(self.count(|source| {
                let needs = source.dependencies.iter();
                needs
                    .filter(|it| it.state() == DependencyState::Down)
                    .count()
            })),
            Figure::BreakersOpen => always(self.count(|source| {
                let breakers = source.breakers.iter();
                breakers
                    .filter(|it| it.state() == BreakerState::Open)
                    .count()
            })),
        })
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

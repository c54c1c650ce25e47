//! What a role needs of others, looked at again and again in the background, so that its state is known even when
//! nobody asks. It must not know what they are needed for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use troika_chassis::outbound::Breaker;
use troika_proto::metrics::v1::{self as wire, BreakerState, Dependency, DependencyState};

/// Time between two looks, and the longest that one may take.
const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks whether a peer does its work.
type Look = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// How a need is known.
#[derive(Clone)]
pub enum Need {
    /// Nothing is configured; something built in does the work.
    Unused,
    /// By asking the peer.
    Asked(Look),
    /// By what earlier calls have shown: it is there while any of these breakers is not open.
    Shown(Vec<Breaker>),
}

impl std::fmt::Debug for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unused => "Unused",
            Self::Asked(_) => "Asked",
            Self::Shown(_) => "Shown",
        })
    }
}

impl Need {
    /// A peer that answers such a question.
    pub fn asked<F>(look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self::Asked(Arc::new(move || Box::pin(look())))
    }
}

/// What a role needs, and the breakers it has. Cloning shares both; the last clone ends the looking.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    seen: Arc<Mutex<Vec<(&'static str, DependencyState)>>>,
    shown: Arc<Vec<(&'static str, Vec<Breaker>)>>,
    breakers: Arc<Vec<Breaker>>,
    _looking: Arc<Vec<AbortOnDropHandle<()>>>,
}

impl Needs {
    /// Begins to look. Must be called inside a tokio runtime.
    pub fn watch(
        needs: impl IntoIterator<Item = (&'static str, Need)>,
        breakers: Vec<Breaker>,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut shown, mut looking) = (Vec::new(), Vec::new());
        for (name, need) in needs {
            match need {
                Need::Unused => set(&seen, name, DependencyState::Unused),
                Need::Shown(breakers) => shown.push((name, breakers)),
                Need::Asked(look) => {
                    let seen = Arc::clone(&seen);
                    looking.push(AbortOnDropHandle::new(tokio::spawn(again(
                        name, look, seen,
                    ))));
                }
            }
        }
        Self {
            seen,
            shown: Arc::new(shown),
            breakers: Arc::new(breakers),
            _looking: Arc::new(looking),
        }
    }

    /// As it is now. What was not looked at yet is left out.
    pub fn dependencies(&self) -> Vec<Dependency> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.iter().copied();
        let shown = self.shown.iter().map(|(name, breakers)| {
            let up = breakers.iter().any(|breaker| breaker.state() != "open");
            (*name, state(up))
        });
        seen.chain(shown)
            .map(|(name, state)| Dependency {
                name: name.to_owned(),
                state: state.into(),
            })
            .collect()
    }

    /// The breakers as they are now.
    pub fn breakers(&self) -> Vec<wire::Breaker> {
        let told = |breaker: &Breaker| wire::Breaker {
            name: breaker.name().to_owned(),
            state: match breaker.state() {
                "open" => BreakerState::Open,
                "half_open" => BreakerState::HalfOpen,
                _ => BreakerState::Closed,
            }
            .into(),
        };
        self.breakers.iter().map(told).collect()
    }
}

type Seen = Mutex<Vec<(&'static str, DependencyState)>>;

/// Never returns.
async fn again(name: &'static str, look: Look, seen: Arc<Seen>) {
    loop {
        let up = timeout(PATIENCE, look()).await.unwrap_or(false);
        set(&seen, name, state(up));
        sleep(EVERY).await;
    }
}

fn set(seen: &Seen, name: &'static str, state: DependencyState) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match seen.iter_mut().find(|(known, _)| *known == name) {
        Some(known) => known.1 = state,
        None => seen.push((name, state)),
    }
}

fn state(up: bool) -> DependencyState {
    if up {
        DependencyState::Up
    } else {
        DependencyState::Down
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;
    use troika_chassis::outbound::BreakerConfig;

    use super::*;

    async fn becomes(needs: &Needs, wanted: &[(&str, DependencyState)]) {
        let began = Instant::now();
        loop {
            let now = needs.dependencies();
            let now: Vec<_> = now
                .iter()
                .map(|it| (it.name.as_str(), it.state()))
                .collect();
            if wanted.iter().all(|one| now.contains(one)) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{now:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_is_asked_again_and_silence_is_no() {
        let up = Arc::new(AtomicBool::new(true));
        let answer = Arc::clone(&up);
        let needs = Needs::watch(
            [
                ("redis", Need::Unused),
                (
                    "mongodb",
                    Need::asked(move || {
                        let up = answer.load(Ordering::Relaxed);
                        async move { up }
                    }),
                ),
                ("tts", Need::asked(std::future::pending)),
            ],
            Vec::new(),
        );
        let silent = ("tts", DependencyState::Down);
        let unused = ("redis", DependencyState::Unused);
        becomes(&needs, &[("mongodb", DependencyState::Up), silent, unused]).await;
        up.store(false, Ordering::Relaxed);
        becomes(&needs, &[("mongodb", DependencyState::Down), silent]).await;
    }

    #[tokio::test]
    async fn what_calls_have_shown_is_down_when_every_breaker_is_open() {
        let config = BreakerConfig {
            failures: 1,
            ..BreakerConfig::default()
        };
        let breakers = [Breaker::new("a", &config), Breaker::new("b", &config)];
        let needs = Needs::watch(
            [("openai", Need::Shown(breakers.to_vec()))],
            breakers.to_vec(),
        );
        breakers[0].failure();
        assert_eq!(needs.dependencies()[0].state(), DependencyState::Up);
        assert_eq!(needs.breakers()[0].state(), BreakerState::Open);
        breakers[1].failure();
        assert_eq!(needs.dependencies()[0].state(), DependencyState::Down);
    }
}

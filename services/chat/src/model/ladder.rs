//! The ordered list of endpoints: which one answers. Retries and fallbacks happen here, and only
//! before the first token; afterwards a failure is the answer's failure.

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::warn;
use troika_chassis::outbound::{Breaker, backoff};

use super::{
    Answering, Ask, Config, Delta, DeltaStream, KNOWLEDGE_MODEL, ModelError, openai::Endpoint,
    quoted,
};

/// All endpoints of the service, each with its breaker.
pub(crate) struct Ladder {
    rungs: Vec<Rung>,
    config: Config,
}

struct Rung {
    endpoint: Endpoint,
    breaker: Breaker,
}

impl Ladder {
    pub(crate) fn new(config: &Config, http: &reqwest::Client) -> Self {
        let rungs = config
            .endpoints()
            .into_iter()
            .map(|endpoint| {
                let host = endpoint.base_url.host_str().unwrap_or_default().to_owned();
                let breaker =
                    Breaker::new(format!("model {}/{}", host, endpoint.name), &config.breaker);
                let endpoint = Endpoint::new(
                    http.clone(),
                    endpoint,
                    config.temperature,
                    config.max_response.as_u64(),
                );
                Rung { endpoint, breaker }
            })
            .collect();
        Self {
            rungs,
            config: config.clone(),
        }
    }

    /// Waits for the first token of the first endpoint that gives one. When all fail, the built-in
    /// answerer quotes the bot's knowledge, if there is any that fits; else the last endpoint's error
    /// is the answer's. Dropping the call closes whatever connection it has open.
    pub(crate) async fn answer(&self, ask: &Ask) -> Result<Answering, ModelError> {
        if self.rungs.is_empty() {
            return Ok(self.quote(ask, false, 0));
        }
        let mut last = ModelError::Open;
        let mut failures = 0;
        for (place, rung) in self.rungs.iter().enumerate() {
            match self.climb(rung, place, ask, &mut failures).await {
                Ok(answering) => return Ok(answering),
                Err(error) => last = error,
            }
        }
        if self.config.knowledge_fallback && !ask.passages.is_empty() {
            return Ok(self.quote(ask, true, failures));
        }
        Err(last)
    }

    /// The breakers of the endpoints, in order.
    pub(crate) fn breakers(&self) -> Vec<Breaker> {
        self.rungs.iter().map(|rung| rung.breaker.clone()).collect()
    }

    fn quote(&self, ask: &Ask, fallback: bool, retries: u32) -> Answering {
        let deltas = quoted::answer(
            &ask.passages,
            ask.prompt.question(),
            self.config.knowledge_pace,
        );
        Answering {
            model: KNOWLEDGE_MODEL.into(),
            fallback,
            retries,
            deltas,
        }
    }

    /// Asks one endpoint, again when a retry may help. Counts the attempts that failed.
    async fn climb(
        &self,
        rung: &Rung,
        place: usize,
        ask: &Ask,
        failures: &mut u32,
    ) -> Result<Answering, ModelError> {
        let model = ask
            .model
            .as_deref()
            .filter(|_| place == 0)
            .unwrap_or(&rung.endpoint.model);
        let mut delays = backoff(&self.config.retry);
        loop {
            if !rung.breaker.permitted() {
                return Err(ModelError::Open);
            }
            let error = match self.first_token(rung, ask, model).await {
                Ok(deltas) => {
                    return Ok(Answering {
                        model: model.to_owned(),
                        fallback: place > 0,
                        retries: *failures,
                        deltas,
                    });
                }
                Err(error) => error,
            };
            *failures += 1;
            if error.is_fault() {
                rung.breaker.failure();
            }
            let delay = delays.next().filter(|_| error.is_transient());
            let asked = error.retry_after();
            let wait = delay
                .map(|delay| asked.map_or(delay, |asked| asked.max(delay)))
                .filter(|wait| asked.is_none() || *wait <= self.config.retry_after_max);
            warn!(endpoint = place, error = &error as &dyn std::error::Error, retry_in = ?wait, "the model gave no first token");
            match wait {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// One attempt: the stream, once its first delta has come.
    async fn first_token(
        &self,
        rung: &Rung,
        ask: &Ask,
        model: &str,
    ) -> Result<DeltaStream, ModelError> {
        let slow = |_| ModelError::SlowFirstToken(self.config.first_token);
        let deadline = Instant::now() + self.config.first_token;
        let mut deltas = timeout_at(deadline, rung.endpoint.start(ask, model))
            .await
            .map_err(slow)??;
        let first = timeout_at(deadline, deltas.next())
            .await
            .map_err(slow)?
            .unwrap_or(Err(ModelError::Unfinished))?;
        let breaker = rung.breaker.clone();
        Ok(paced(
            first,
            deltas,
            self.config.silence,
            self.config.usage_wait,
            breaker,
        )
        .boxed())
    }
}

/// An answer after its first delta. However it ends, its breaker hears of it at most once.
struct Pace<D> {
    deltas: D,
    breaker: Breaker,
    finished: bool,
    /// The endpoint owes nothing: it finished, or its last word was a delta. So an answer that we cut
    /// at its length is a success, and a listener who leaves in a silence tells nothing.
    kept_its_word: bool,
    over: bool,
}

impl<D> Drop for Pace<D> {
    fn drop(&mut self) {
        if self.kept_its_word {
            self.breaker.success();
        }
    }
}

/// An answer under its limits from its first delta on: silence between deltas, and a short wait for usage after
/// the finish reason.
fn paced(
    first: Delta,
    rest: impl Stream<Item = Result<Delta, ModelError>> + Send + Unpin,
    silence: Duration,
    usage_wait: Duration,
    breaker: Breaker,
) -> impl Stream<Item = Result<Delta, ModelError>> + Send {
    let start = Pace {
        deltas: rest,
        breaker,
        finished: matches!(first, Delta::Finish(_)),
        kept_its_word: true,
        over: false,
    };
    let rest = stream::unfold(start, move |mut pace| async move {
        if pace.over {
            return None;
        }
        pace.kept_its_word = pace.finished;
        let limit = if pace.finished { usage_wait } else { silence };
        let next = match timeout(limit, pace.deltas.next()).await {
            Ok(next) => next?,
            Err(_) if pace.finished => return None,
            Err(_) => Err(ModelError::Silent(silence)),
        };
        match &next {
            Ok(delta) => {
                pace.finished |= matches!(delta, Delta::Finish(_));
                pace.kept_its_word = true;
            }
            Err(error) => {
                pace.over = true;
                if error.is_fault() {
                    pace.breaker.failure();
                }
            }
        }
        Some((next, pace))
    });
    stream::iter([Ok(first)]).chain(rest)
}

#[cfg(test)]
mod tests {
    use futures::stream::{iter, pending};
    use troika_chassis::outbound::BreakerConfig;

    use super::*;
    use crate::model::Finish;

    /// A breaker that a single further failure opens.
    fn shaken() -> Breaker {
        let config = BreakerConfig {
            failures: 2,
            ..BreakerConfig::default()
        };
        let breaker = Breaker::new("model", &config);
        breaker.failure();
        breaker
    }

    /// Whether the breaker heard of a success since it was shaken.
    fn forgave(breaker: &Breaker) -> bool {
        breaker.failure();
        breaker.state() == "closed"
    }

    fn text() -> Delta {
        Delta::Text("word ".into())
    }

    fn answer(
        breaker: &Breaker,
        deltas: impl Stream<Item = Result<Delta, ModelError>> + Send + Unpin,
    ) -> impl Stream<Item = Result<Delta, ModelError>> + Send {
        let (silence, usage_wait) = (Duration::from_secs(15), Duration::from_secs(1));
        paced(text(), deltas, silence, usage_wait, breaker.clone())
    }

    #[tokio::test]
    async fn a_finished_answer_is_a_success() {
        let breaker = shaken();
        let deltas = iter([Ok(text()), Ok(Delta::Finish(Finish::Stop))]);
        let told: Vec<_> = answer(&breaker, deltas).collect().await;
        assert_eq!(told.len(), 3);
        assert!(forgave(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn figures_that_never_come_take_nothing_from_a_finished_answer() {
        let breaker = shaken();
        let deltas = iter([Ok(Delta::Finish(Finish::Stop))]).chain(pending());
        let told: Vec<_> = answer(&breaker, deltas).collect().await;
        assert_eq!(told.len(), 2);
        assert!(forgave(&breaker));
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_between_two_tokens_is_a_success() {
        let breaker = shaken();
        let mut cut = Box::pin(answer(&breaker, iter([Ok(text())]).chain(pending())));
        assert!(cut.next().await.is_some() && cut.next().await.is_some());
        drop(cut);
        assert!(forgave(&breaker));
    }

    #[tokio::test]
    async fn a_listener_who_leaves_in_a_silence_tells_nothing() {
        let breaker = shaken();
        let mut left = Box::pin(answer(&breaker, pending()));
        assert!(left.next().await.is_some());
        assert!(futures::poll!(left.next()).is_pending());
        drop(left);
        assert_eq!(breaker.state(), "closed");
        assert!(!forgave(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_is_told_once_and_ends_the_answer() {
        let breaker = shaken();
        let told: Vec<_> = answer(&breaker, pending()).collect().await;
        assert!(matches!(told[..], [Ok(_), Err(ModelError::Silent(_))]));
        assert_eq!(breaker.state(), "open");
    }
}

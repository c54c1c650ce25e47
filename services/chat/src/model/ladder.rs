//! The ordered list of endpoints: which one answers. Retries and fallbacks happen here, and only
//! before the first token; afterwards a failure is the answer's failure.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::warn;
use troika_chassis::outbound::{Breaker, backoff};

use super::{
    Answering, Ask, Config, Delta, DeltaStream, KNOWLEDGE_MODEL, ModelError,
    openai::{Deltas, Endpoint},
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
    pub(crate) fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("troika/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(256)
            // A provider's address is configured by the operator; a redirect would carry the key elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
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
        Ok(Self {
            rungs,
            config: config.clone(),
        })
    }

    /// Waits for the first token of the first endpoint that gives one. When all fail, the built-in
    /// answerer quotes the bot's knowledge, if there is any that fits; else the last endpoint's error
    /// is the answer's. Dropping the call closes whatever connection it has open.
    pub(crate) async fn answer(&self, ask: &Ask) -> Result<Answering, ModelError> {
        if self.rungs.is_empty() {
            return Ok(self.quote(ask, false));
        }
        let mut last = ModelError::Open;
        for (place, rung) in self.rungs.iter().enumerate() {
            match self.climb(rung, place, ask).await {
                Ok(answering) => return Ok(answering),
                Err(error) => last = error,
            }
        }
        if self.config.knowledge_fallback && !ask.passages.is_empty() {
            return Ok(self.quote(ask, true));
        }
        Err(last)
    }

    fn quote(&self, ask: &Ask, fallback: bool) -> Answering {
        let deltas = quoted::answer(
            &ask.passages,
            ask.prompt.question(),
            self.config.knowledge_pace,
        );
        Answering {
            model: KNOWLEDGE_MODEL.into(),
            fallback,
            deltas,
        }
    }

    /// Asks one endpoint, again when a retry may help.
    async fn climb(&self, rung: &Rung, place: usize, ask: &Ask) -> Result<Answering, ModelError> {
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
                        deltas,
                    });
                }
                Err(error) => error,
            };
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
        let rest = paced(
            deltas,
            self.config.silence,
            self.config.usage_wait,
            rung.breaker.clone(),
            first.clone(),
        );
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }
}

/// The rest of an answer under its limits: silence between deltas, and a short wait for usage after
/// the finish reason. Tells the breaker how the answer ended, unless the listener left.
fn paced(
    deltas: Deltas,
    silence: Duration,
    usage_wait: Duration,
    breaker: Breaker,
    first: Delta,
) -> impl stream::Stream<Item = Result<Delta, ModelError>> + Send {
    struct Pace {
        deltas: Deltas,
        finished: bool,
        over: bool,
    }
    let start = Pace {
        deltas,
        finished: matches!(first, Delta::Finish(_)),
        over: false,
    };
    stream::unfold(start, move |mut pace| {
        let breaker = breaker.clone();
        async move {
            if pace.over {
                return None;
            }
            let limit = if pace.finished { usage_wait } else { silence };
            let next = match timeout(limit, pace.deltas.next()).await {
                Ok(next) => next,
                Err(_) if pace.finished => None,
                Err(_) => Some(Err(ModelError::Silent(silence))),
            };
            match &next {
                Some(Ok(Delta::Finish(_))) => {
                    pace.finished = true;
                    breaker.success();
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    pace.over = true;
                    if error.is_fault() {
                        breaker.failure();
                    }
                }
                None => return None,
            }
            next.map(|item| (item, pace))
        }
    })
}

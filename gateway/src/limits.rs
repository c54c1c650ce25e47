//! How often a client may ask: every call of the API is counted before anything else looks at it, and answered with how
//! much is left. It must not know what a call does; what is wrong with one it learns from its answer's status.

mod fields;
mod held;
mod kind;
mod refusal;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use ipnet::IpNet;
use troika_chassis::deps::Deps;
use troika_identity::Caller;
use troika_limits::{Charge, Counted, Key, Limiter, Policy, Refusals, Slot, Verdict, counted};

use self::{
    fields::Told,
    held::Held,
    kind::Kind,
    refusal::{POLICIES, Refusal},
};
use crate::{
    address::ClientAddress,
    config::{Config, LimitsConfig},
};

/// What counts the requests that cannot be taken.
const INVALID: &str = "invalid";

/// What counts the streams at once.
const STREAMS: &str = "streams";

/// When who has all streams open may look again: nobody knows when one of them ends.
const STREAM_ENDS: Duration = Duration::from_secs(5);

/// Counts requests. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Limits {
    shared: Arc<Shared>,
}

struct Shared {
    limiter: Limiter,
    config: LimitsConfig,
    exempt: Vec<IpNet>,
    refusals: Refusals,
}

impl Limits {
    /// Counts on the Redis of the process, or in it alone. Must be called within a Tokio runtime.
    pub(crate) fn new(config: &Config, deps: &Deps) -> Self {
        Self {
            shared: Arc::new(Shared {
                limiter: Limiter::new(deps.redis.clone()),
                config: config.limits.clone(),
                exempt: config.rate_limit_ip_whitelist.clone(),
                refusals: Refusals::new(&deps.meters, POLICIES),
            }),
        }
    }

    /// What a request of this kind takes, by the names of the policies.
    fn charges(&self, kind: Kind, who: &Who) -> (Vec<&'static str>, Vec<Charge>) {
        let config = &self.shared.config;
        let by_address = |what: &'static str, policy: Policy| {
            (what, Charge::one(Key::new(what, &who.address), policy))
        };
        let mut charges = vec![by_address("api", config.api)];
        if kind.is_question() {
            charges.push(by_address("stream", config.stream));
            if let Some(subject) = &who.subject {
                charges.push(("user", Charge::one(Key::new("user", subject), config.user)));
            }
        }
        if kind == Kind::Speech {
            charges.push(by_address("speech", config.speech));
        }
        charges.retain(|(_, charge)| !charge.policy.is_off());
        charges.into_iter().unzip()
    }
}

/// Whom a request is counted for.
struct Who {
    /// An address, or the network of one.
    address: String,
    /// Who showed who they are.
    subject: Option<String>,
}

impl Who {
    fn of(address: IpAddr, caller: &Caller) -> Self {
        Self {
            address: counted(address).to_string(),
            subject: caller.principal(),
        }
    }

    /// The subject, else the address.
    fn name(&self) -> &str {
        self.subject.as_deref().unwrap_or(&self.address)
    }
}

/// Counts a request, and lets it through or not.
pub(crate) async fn limit(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let path = route.map_or(request.uri().path(), MatchedPath::as_str);
    let names_bot = route.is_none() && request.uri().query().is_some_and(|it| it.contains("bot="));
    let Some(kind) = Kind::of(request.method(), path, names_bot) else {
        return next.run(request).await;
    };
    // Requests without one are counted together.
    let client = request.extensions().get::<ClientAddress>();
    let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
    let shared = &limits.shared;
    if shared
        .exempt
        .iter()
        .any(|network| network.contains(&address))
    {
        return next.run(request).await;
    }
    let route = route.map_or("other", MatchedPath::as_str).to_owned();
    let who = Who::of(address, &Caller::from_extensions(request.extensions()));
    let (names, charges) = limits.charges(kind, &who);
    let verdict = shared.limiter.take(&charges).await;
    let mut told = Told::default();
    told.add(&names, &charges, &verdict.counted);
    if let Some(refused) = verdict.refused {
        let refusal = Refusal::Rate {
            policy: names[refused],
            retry_after: verdict.retry_after(),
        };
        return limits.refuse(refusal, kind, &route, &told);
    }
    let slot = match limits.enter(kind, &who).await {
        Ok(slot) => slot,
        Err(refusal) => return limits.refuse(refusal, kind, &route, &told),
    };
    let mut response = next.run(request).await;
    if is_invalid(response.status()) {
        let verdict = limits.forgive(&who, &names, &charges, &mut told).await;
        if !verdict.is_allowed() {
            let refusal = Refusal::Invalid {
                retry_after: verdict.retry_after(),
            };
            return limits.refuse(refusal, kind, &route, &told);
        }
    }
    told.write(response.headers_mut());
    match slot {
        Some(slot) if response.status().is_success() => {
            response.map(|body| Body::new(Held::new(body, slot)))
        }
        _ => response,
    }
}

/// Whether an answer says that the request could not be taken as it was.
fn is_invalid(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        400 | 401 | 404 | 405 | 408 | 413 | 415 | 422
    )
}

impl Limits {
    /// The slot of a request that is a stream.
    async fn enter(&self, kind: Kind, who: &Who) -> Result<Option<Slot>, Refusal> {
        if kind != Kind::Stream {
            return Ok(None);
        }
        let (limiter, most) = (&self.shared.limiter, self.shared.config.streams_at_once);
        let key = Key::new(STREAMS, who.name());
        match limiter.enter(&key, most).await {
            Ok(slot) => Ok(Some(slot)),
            Err(_) => Err(Refusal::Streams {
                retry_after: STREAM_ENDS,
            }),
        }
    }

    /// Counts a request that could not be taken among those alone, so that a broken client does not lock its
    /// neighbours out; unless it has sent too many of them.
    async fn forgive(
        &self,
        who: &Who,
        names: &[&'static str],
        charges: &[Charge],
        told: &mut Told,
    ) -> Verdict {
        let shared = &self.shared;
        let invalid = [Charge::one(
            Key::new(INVALID, &who.address),
            shared.config.invalid,
        )];
        let verdict = shared.limiter.exchange(charges, &invalid).await;
        let (back, counted): (&[Option<Counted>], _) = verdict.counted.split_at(charges.len());
        *told = Told::default();
        told.add(names, charges, back);
        told.add_apart(INVALID, &invalid[0], counted[0], !verdict.is_allowed());
        verdict
    }

    /// Answers a request that is not let through.
    fn refuse(&self, refusal: Refusal, kind: Kind, route: &str, told: &Told) -> Response {
        let policy = refusal.policy();
        // Nothing of who it was is told.
        if let Some(untold) = self.shared.refusals.note(policy) {
            tracing::info!(policy, route, untold, "a request was refused: too many");
        }
        let mut response = refusal.problem(kind).into_response();
        told.write(response.headers_mut());
        response
    }
}

#[cfg(test)]
mod tests;

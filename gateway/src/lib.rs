//! The edge of troika: HTTP and server-sent events in, gRPC out. It serves the page, asks the chat
//! role on behalf of browsers and scripts, and says in HTTP what went wrong. It must not know how
//! anything is answered, and reaches no database.
//!
//! [`build`] makes a [`Service`] of a [`Config`]; [`serve`] serves it on a listener until the
//! process drains.

mod address;
mod admin;
mod answer;
mod audit;
mod auth;
mod body;
mod bots;
mod call;
mod chat;
mod config;
mod cors;
mod data_url;
mod etag;
mod events;
mod flags;
mod headers;
mod health;
mod identity;
mod limits;
mod live;
mod metrics;
mod moment;
mod number;
mod ofrep;
mod openapi;
mod outcome;
mod problem;
mod query;
mod request;
mod rollouts;
mod server;
mod sign_in;
mod speech;
mod sse;
mod stream;
mod web;

use axum::{
    Router,
    body::Body,
    extract::MatchedPath,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, Uri, header::CACHE_CONTROL, uri::InvalidUri};
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};
use troika_chassis::{
    channel::{Channel, channel},
    context::RequestLayer,
    deps::Deps,
    meters::HttpLayer,
};
use troika_evaluation::follow::Flags;
use troika_identity::{Doors, Sessions};
use url::Url;

use crate::identity::Edge;
pub use crate::{
    config::{Config, Cors, Forwarding, LimitsConfig, Proxies, Tls},
    server::{ServeError, serve},
};

/// The gRPC service whose health is the gateway's readiness.
const CHAT_STREAM: &str = "troika.chat.v1.ChatStream";

/// The file in the data folder that keeps the last flags across restarts.
const KEPT_FLAGS: &str = "flags.gateway.json";

/// A gateway that is ready to be served. While it lives it watches the health of the chat role.
#[derive(Debug)]
pub struct Service {
    router: Router,
    config: Config,
    doors: server::Doors,
    follower: AbortOnDropHandle<()>,
}

/// Why a gateway could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A role's address cannot be used.
    #[error("gateway.{role}: `{address}` is not an address that can be called: {problem}")]
    Address {
        /// Which role's.
        role: &'static str,
        /// What was configured.
        address: String,
        /// Why not.
        problem: String,
    },
    /// The certificate, or the port beside it, cannot be used.
    #[error("{0}")]
    Door(String),
    /// gRPC health and reflection cannot be served.
    #[error("gRPC health and reflection cannot be served")]
    Introspection(#[source] troika_chassis::server::ServeError),
}

/// Makes the gateway: its routes, its connections to the other roles (which are opened when first
/// needed) and the tasks that follow chat's health and the flags. It waits for nobody; `deps.readiness` tells when
/// chat is there, without which nothing works. Without speech, text goes on; without the flags role, the flags stay as
/// they were. `doors` tells who asks. Must be called within a Tokio runtime.
///
/// # Errors
/// When an address in `config` cannot be used, or gRPC descriptors cannot be read.
pub async fn build(config: Config, doors: Doors, deps: Deps) -> Result<Service, BuildError> {
    let entrances = server::Doors::open(&config, &deps.meters)
        .await
        .map_err(|problem| BuildError::Door(problem.to_string()))?;
    let channel = channel_to("chat", &config.chat, &config)?;
    let speech = speech::Speech::new(
        channel_to("tts", &config.tts, &config)?,
        &config,
        deps.drain.clone(),
    );
    let flags_channel = channel_to("flags", &config.flags, &config)?;
    let kept = deps.data_dir.join(KEPT_FLAGS);
    let known = Flags::follow(flags_channel.clone(), kept);
    let outcomes = outcome::Outcomes::new(&config, known.clone(), &deps.meters, deps.drain.clone())
        .map_err(|problem| unusable("metrics", &config.metrics, &problem))?;
    let sessions = doors.sessions.clone();
    let bots = bots::Bots::new(channel.clone());
    let web = web::Web {
        bots: bots.clone(),
        frame_anywhere: config.cors.frame_anywhere,
    };
    let chat = chat::Chat::new(
        channel.clone(),
        outcomes,
        sessions.clone(),
        bots,
        &config,
        deps.drain.clone(),
    );
    let edge = Edge::new(doors, flags_channel.clone(), &config);
    let figures = channel_to("metrics", &config.metrics, &config)?;
    let audit = audit::Audit::new(
        channel.clone(),
        figures.clone(),
        flags_channel.clone(),
        &config,
    );
    let operations = operations(flags_channel, known, (figures, sessions), &config, &deps)
        .merge(audit.routes())
        .merge(auth::routes(edge.clone()))
        .merge(sign_in::routes(edge.clone(), config.body_limits()));
    let condition = deps.readiness.condition("chat");
    let follower = AbortOnDropHandle::new(tokio::spawn(troika_chassis::health::follow(
        channel,
        CHAT_STREAM,
        condition,
    )));
    let introspection =
        troika_chassis::server::introspection(deps.readiness.clone(), deps.drain.clone())
            .map_err(BuildError::Introspection)?;
    let limits = limits::Limits::new(&config, &deps);
    let health = health::Health {
        readiness: deps.readiness,
        drain: deps.drain,
    };
    let front = Front { web, edge, limits };
    let router = routes(chat, speech, operations, health, introspection, front);
    Ok(Service {
        router: around(router, &config),
        config,
        doors: entrances,
        follower,
    })
}

/// What operators ask and steer: flags, rollouts, figures; and OFREP.
fn operations(
    channel: Channel,
    known: Flags,
    (figures, sessions): (Channel, Sessions),
    config: &Config,
    deps: &Deps,
) -> Router {
    let drain = || deps.drain.clone();
    let metrics = metrics::Metrics::new(figures, sessions, config, drain());
    let flags = flags::Flags::new(channel.clone(), known.clone(), config);
    let rollouts = rollouts::Rollouts::new(channel, config, drain());
    let ofrep = ofrep::Ofrep::new(known, config, drain());
    flags
        .routes()
        .merge(rollouts.routes())
        .merge(ofrep.routes())
        .merge(metrics.routes())
}

/// Connections to a role, opened when they are first needed.
fn channel_to(role: &'static str, address: &Url, config: &Config) -> Result<Channel, BuildError> {
    let uri: Uri = address
        .as_str()
        .parse()
        .map_err(|problem| unusable(role, address, &problem))?;
    Ok(channel(uri, &config.channel))
}

fn unusable(role: &'static str, address: &Url, problem: &InvalidUri) -> BuildError {
    BuildError::Address {
        role,
        address: address.to_string(),
        problem: problem.to_string(),
    }
}

/// Who asks, how often, and what is served to who asks for no route.
struct Front {
    web: web::Web,
    edge: Edge,
    limits: limits::Limits,
}

fn routes(
    chat: chat::Chat,
    speech: speech::Speech,
    operations: Router,
    health: health::Health,
    introspection: tonic::service::Routes,
    front: Front,
) -> Router {
    let told = middleware::from_fn_with_state(chat.outcomes().clone(), outcome::tell);
    let api = Router::new()
        .route("/api/chat/query/stream", post(chat::query_stream))
        .route("/api/chat/query", post(chat::query))
        .route_layer(told)
        .route("/api/chat/stop", post(chat::stop))
        .with_state(chat);
    let voice = Router::new()
        .route("/api/text-to-speech", post(speech::text_to_speech))
        .route("/api/tts/voices", get(speech::voices::voices))
        .with_state(speech);
    let probes = Router::new()
        .route("/health", get(health::live))
        .route("/ready", get(health::ready))
        .with_state(health);
    api.merge(voice)
        .merge(operations)
        .merge(probes)
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .merge(openapi::routes())
        .route_service("/grpc.health.v1.Health/{method}", introspection.clone())
        .route_service(
            "/grpc.reflection.v1.ServerReflection/{method}",
            introspection.clone(),
        )
        .route_service(
            "/grpc.reflection.v1alpha.ServerReflection/{method}",
            introspection,
        )
        .merge(Router::new().fallback(web::serve).with_state(front.web))
        // Who shows something bad is turned away after it has counted among the requests of its address.
        .layer(middleware::from_fn(identity::turn_away))
        .layer(middleware::from_fn_with_state(front.limits, limits::limit))
        .layer(middleware::from_fn_with_state(
            front.edge,
            identity::identify,
        ))
}

/// What every request passes, the outermost first: who asks is known to all, its id is known to the problem that is
/// written, and a handler that panics is a problem like any other.
fn around(routes: Router, config: &Config) -> Router {
    let doorman = address::Doorman::new(&config.proxies);
    let cors = cors::Cors::new(&config.cors);
    routes.layer(
        ServiceBuilder::new()
            .map_request(move |request| doorman.note::<Body>(request))
            .layer(RequestLayer::with_route(matched_path))
            .layer(HttpLayer::with_route(matched_path))
            .layer(middleware::from_fn(headers::guard))
            .layer(middleware::from_fn(problem::render))
            .layer(middleware::from_fn_with_state(cors, cors::share))
            .layer(CatchPanicLayer::custom(panicked)),
    )
}

/// Names a request by its route. What matches none is named by its path.
fn matched_path(extensions: &http::Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// What a panic says is for the panic hook; it may hold anything.
fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request's handler panicked");
    problem::Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn breaks() {
        panic!("the visitor's secret");
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_problem_that_tells_nothing() {
        let router = around(Router::new().route("/", get(breaks)), &Config::default());
        let request = http::Request::get("/").header("x-request-id", "r-1");
        let response = router
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), http::StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["x-request-id"], "r-1");
        assert_eq!(response.headers()["content-type"], problem::PROBLEM_JSON);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["code"], "internal");
        assert_eq!(document["requestId"], "r-1");
        assert!(!document.to_string().contains("secret"));
    }
}

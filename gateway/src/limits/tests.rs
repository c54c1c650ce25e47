//! Requests through the layer, answered by a scripted handler, counted in this process.

use std::{net::SocketAddr, path::PathBuf};

use axum::{
    Router, middleware,
    routing::{any, get},
};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use troika_chassis::{
    lifecycle::{Drain, DrainConfig, Readiness},
    meters::Meters,
};
use troika_identity::Role;

use super::*;
use crate::address::ClientAddress;
use crate::problem;

const STREAM: &str = "/api/chat/query/stream";

/// Answers with the status that the request asks for; streams never end.
async fn answers(headers: HeaderMap, method: http::Method) -> Response {
    let status = headers
        .get("x-status")
        .map_or(200, |it| it.to_str().unwrap().parse().unwrap());
    if method == http::Method::POST && status == 200 {
        let never = futures::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>();
        return Body::from_stream(never).into_response();
    }
    StatusCode::from_u16(status).unwrap().into_response()
}

struct House {
    router: Router,
    meters: Meters,
}

impl House {
    fn new(config: LimitsConfig) -> Self {
        Self::exempting(config, &[])
    }

    fn exempting(config: LimitsConfig, networks: &[&str]) -> Self {
        let meters = Meters::new();
        let deps = Deps {
            mongo: None,
            redis: None,
            max_message: 0,
            data_dir: PathBuf::new(),
            readiness: Readiness::default(),
            drain: Drain::new(DrainConfig::default()),
            meters: meters.clone(),
        };
        let config = Config {
            limits: config,
            rate_limit_ip_whitelist: networks.iter().map(|it| it.parse().unwrap()).collect(),
            ..Config::default()
        };
        let limits = Limits::new(&config, &deps);
        let router = Router::new()
            .route(STREAM, any(answers))
            .route("/api/things/{id}", any(answers))
            .route("/health", get(answers))
            .layer(middleware::from_fn_with_state(limits, limit))
            .layer(middleware::from_fn(problem::render));
        Self { router, meters }
    }

    async fn send(&self, asked: Asked<'_>) -> Response {
        let mut request = http::Request::builder()
            .method(asked.method)
            .uri(asked.path)
            .header("x-status", asked.status)
            .body(Body::empty())
            .unwrap();
        let peer = SocketAddr::new(asked.from.parse().unwrap(), 4000);
        request
            .extensions_mut()
            .insert(ClientAddress(peer.ip().to_canonical()));
        if !asked.subject.is_empty() {
            request.extensions_mut().insert(Caller {
                role: Role::Visitor,
                subject: asked.subject.to_owned(),
                ..Caller::default()
            });
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn statuses<const N: usize>(&self, asked: Asked<'_>) -> [u16; N] {
        let mut statuses = [0; N];
        for status in &mut statuses {
            *status = self.send(asked).await.status().as_u16();
        }
        statuses
    }
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    status: u16,
    from: &'a str,
    subject: &'a str,
}

const CALL: Asked<'static> = Asked {
    method: "GET",
    path: "/api/things/1",
    status: 200,
    from: "192.0.2.1",
    subject: "",
};

const QUESTION: Asked<'static> = Asked {
    method: "POST",
    path: STREAM,
    ..CALL
};

/// So many, and none comes back within a test.
fn few(limit: u32) -> Policy {
    Policy::new(limit, Duration::from_secs(86_400))
}

fn none() -> LimitsConfig {
    LimitsConfig {
        api: few(0),
        stream: few(0),
        speech: few(0),
        user: few(0),
        invalid: few(0),
        streams_at_once: 0,
    }
}

async fn document(response: Response) -> serde_json::Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn an_address_has_its_calls_and_another_one_its_own() {
    let house = House::new(LimitsConfig {
        api: few(2),
        ..none()
    });
    assert_eq!(house.statuses(CALL).await, [200, 200, 429]);
    let same = Asked {
        from: "::ffff:192.0.2.1",
        path: "/api/things/2",
        ..CALL
    };
    assert_eq!(house.statuses(same).await, [429]);
    let other = Asked {
        from: "192.0.2.2",
        ..CALL
    };
    assert_eq!(house.statuses(other).await, [200]);
    let six = Asked {
        from: "2001:db8::1",
        ..CALL
    };
    assert_eq!(house.statuses(six).await, [200, 200, 429]);
    let neighbour = Asked {
        from: "2001:db8::ffff:2",
        ..CALL
    };
    assert_eq!(house.statuses(neighbour).await, [429]);
}

#[tokio::test]
async fn a_refusal_tells_how_long_to_wait_and_every_answer_what_is_left() {
    let house = House::new(LimitsConfig {
        api: Policy::new(2, Duration::from_secs(60)),
        ..none()
    });
    let response = house.send(CALL).await;
    assert_eq!(response.headers()["ratelimit-policy"], r#""api";q=2;w=60"#);
    assert_eq!(response.headers()["ratelimit"], r#""api";r=1;t=30"#);
    assert_eq!(response.headers()["ratelimit-limit"], "2");
    assert_eq!(response.headers()["ratelimit-remaining"], "1");
    assert_eq!(response.headers()["ratelimit-reset"], "30");
    house.send(CALL).await;
    let response = house.send(CALL).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "30");
    assert_eq!(response.headers()["ratelimit"], r#""api";r=0;t=60"#);
    let document = document(response).await;
    assert_eq!(document["code"], "rate_limited");
    assert_eq!(document["status"], 429);
}

#[tokio::test]
async fn questions_are_calls_too_and_are_counted_for_who_asks() {
    let house = House::new(LimitsConfig {
        api: few(4),
        stream: few(3),
        user: few(2),
        ..none()
    });
    let me = Asked {
        subject: "me",
        ..QUESTION
    };
    assert_eq!(house.statuses(me).await, [200, 200, 429]);
    let elsewhere = Asked {
        from: "192.0.2.9",
        ..me
    };
    assert_eq!(house.statuses(elsewhere).await, [429]);
    let anonymous = house.send(QUESTION).await;
    assert_eq!(anonymous.status(), 200, "what was refused took nothing");
    let refused = house.send(QUESTION).await;
    assert_eq!(refused.headers()["ratelimit-limit"], "3");
    assert_eq!(
        document(refused).await["error"],
        "Streaming rate limit exceeded. Please wait before starting a new stream."
    );
    assert_eq!(house.statuses(CALL).await, [200, 429]);
    let figures = house.meters.text();
    for line in [
        "troika_limit_refusals_total{policy=\"user\"} 2",
        "troika_limit_refusals_total{policy=\"stream\"} 1",
        "troika_limit_refusals_total{policy=\"api\"} 1",
        "troika_limit_refusals_total{policy=\"invalid\"} 0",
    ] {
        assert!(figures.contains(line), "{figures}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_counted_apart() {
    let house = House::new(LimitsConfig {
        api: few(3),
        invalid: few(5),
        ..none()
    });
    for status in [400, 401, 404, 405, 408] {
        assert_eq!(house.statuses(Asked { status, ..CALL }).await, [status]);
    }
    let broken = Asked {
        status: 422,
        ..CALL
    };
    let refused = house.send(broken).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(document(refused).await["code"], "too_many_invalid_requests");
    let neighbours = house.send(CALL).await;
    assert_eq!(neighbours.headers()["ratelimit-remaining"], "2");
    assert_eq!(house.statuses(CALL).await, [200, 200, 429]);
    // What was refused for other reasons, or went wrong on our side, was asked all the same.
    let other = Asked {
        from: "192.0.2.2",
        ..CALL
    };
    assert_eq!(
        house
            .statuses(Asked {
                status: 403,
                ..other
            })
            .await,
        [403]
    );
    assert_eq!(
        house
            .statuses(Asked {
                status: 503,
                ..other
            })
            .await,
        [503]
    );
    assert_eq!(
        house
            .statuses(Asked {
                status: 429,
                ..other
            })
            .await,
        [429]
    );
    let last = house.send(other).await;
    assert_eq!(document(last).await["code"], "rate_limited");
}

#[tokio::test]
async fn a_stream_holds_its_slot_until_its_body_is_dropped() {
    let house = House::new(LimitsConfig {
        streams_at_once: 2,
        ..none()
    });
    let (one, two) = (house.send(QUESTION).await, house.send(QUESTION).await);
    assert_eq!(
        (one.status(), two.status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let refused = house.send(QUESTION).await;
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(document(refused).await["code"], "too_many_streams");
    let me = Asked {
        subject: "me",
        ..QUESTION
    };
    let mine = house.send(me).await;
    assert_eq!(mine.status(), 200, "a subject has slots of its own");
    drop(one);
    let three = house.send(QUESTION).await;
    assert_eq!(three.status(), 200);
    assert_eq!(house.statuses(QUESTION).await, [429]);
    drop((two, three, mine));
    // An answer that is no stream holds nothing.
    let failing = Asked {
        status: 503,
        ..QUESTION
    };
    let mut failed = Vec::new();
    for _ in 0..5 {
        failed.push(house.send(failing).await.status());
    }
    assert!(failed.iter().all(|status| *status == 503), "{failed:?}");
}

#[tokio::test]
async fn health_pages_preflights_and_whom_the_operator_exempts_are_not_counted() {
    let house = House::exempting(
        LimitsConfig {
            api: few(1),
            ..none()
        },
        &["10.0.0.0/8"],
    );
    for asked in [
        Asked {
            path: "/health",
            ..CALL
        },
        Asked {
            method: "OPTIONS",
            ..CALL
        },
        Asked {
            from: "10.1.2.3",
            ..CALL
        },
        Asked {
            from: "::ffff:10.1.2.3",
            ..CALL
        },
    ] {
        assert_eq!(house.statuses(asked).await, [200; 5], "{}", asked.path);
        assert!(!house.send(asked).await.headers().contains_key("ratelimit"));
    }
    let nothing = Asked {
        path: "/api/nothing",
        ..CALL
    };
    assert_eq!(
        house.statuses(nothing).await,
        [404; 3],
        "the bucket of these is off"
    );
    assert_eq!(house.statuses(CALL).await, [200, 429]);
}

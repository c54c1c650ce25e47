//! Follows the health of a service in another process. It must not know what depends on it.

use std::time::Duration;

use tonic::Status;

use super::{
    client::HealthClient,
    v1::{HealthCheckRequest, health_check_response::ServingStatus},
};
use crate::{
    channel::Channel,
    error::{tls_alert, transport_cause},
    lifecycle::Condition,
    outbound::endless_backoff,
};

/// Waits between two tries.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long the first answer may take: the protocol sends it at once.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// Keeps a watch open and sets the condition as the service says; while it cannot be heard the
/// condition is unmet. Never returns: spawn it, or drop it to stop.
pub async fn follow(channel: Channel, service_name: impl Into<String>, condition: Condition) {
    let service = service_name.into();
    let mut waits = endless_backoff(SHORTEST_WAIT, LONGEST_WAIT);
    let mut heard = true;
    let mut alerted = false;
    loop {
        let mut serving = false;
        let outcome = watch(channel.clone(), &service, |status| {
            if status {
                serving = true;
                condition.met();
            } else {
                condition.unmet();
            }
        })
        .await;
        condition.unmet();
        if serving {
            waits = endless_backoff(SHORTEST_WAIT, LONGEST_WAIT);
        }
        if let Err(status) = outcome {
            // Once, not at each of the tries that follow.
            if heard || serving {
                let cause = transport_cause(&status);
                tracing::warn!(service, code = ?status.code(), cause, "a service cannot be heard, trying until it can");
                alerted = false;
            }
            heard = false;
            // Not every try is told why.
            if let Some(alert) = tls_alert(&status)
                && !std::mem::replace(&mut alerted, true)
            {
                tracing::warn!(
                    service,
                    alert,
                    "a service refuses the connection by TLS: look at tls.cert here and at tls.client_ca there"
                );
            }
        }
        tokio::time::sleep(waits.next().unwrap_or(LONGEST_WAIT)).await;
    }
}

async fn watch(channel: Channel, service: &str, mut tell: impl FnMut(bool)) -> Result<(), Status> {
    let mut client = HealthClient::new(channel);
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let first = async {
        let mut answers = client.watch(request).await?.into_inner();
        let answer = answers.message().await?;
        Ok::<_, Status>((answers, answer))
    };
    let late = |_| Status::deadline_exceeded("no first answer");
    let (mut answers, mut answer) = tokio::time::timeout(FIRST_ANSWER, first)
        .await
        .map_err(late)??;
    while let Some(told) = answer {
        tell(told.status() == ServingStatus::Serving);
        answer = answers.message().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        channel::{ChannelConfig, channel},
        lifecycle::{Drain, Readiness},
        server::{GrpcService, ServerConfig, serve_grpc},
    };

    #[tokio::test]
    async fn the_condition_follows_a_service_that_comes_and_goes_and_comes_back() {
        let place = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let readiness = Readiness::default();
        let channel = channel(
            format!("http://{place}").parse().unwrap(),
            &ChannelConfig::default(),
        );
        let following = tokio::spawn(follow(channel, "a.B", readiness.condition("a.B")));
        let mut seen = readiness.subscribe();
        let limit = Duration::from_secs(20);
        for _ in 0..2 {
            let drain = Drain::default();
            let listener = TcpListener::bind(place).await.unwrap();
            let server = tokio::spawn({
                let (service, drain) = (
                    GrpcService {
                        service_names: vec!["a.B"],
                        ..GrpcService::default()
                    },
                    drain.clone(),
                );
                async move {
                    serve_grpc(
                        listener,
                        service,
                        &ServerConfig::default(),
                        Readiness::default(),
                        drain,
                    )
                    .await
                }
            });
            tokio::time::timeout(limit, seen.wait_for(|ready| *ready))
                .await
                .unwrap()
                .unwrap();
            drain.begin();
            tokio::time::timeout(limit, seen.wait_for(|ready| !*ready))
                .await
                .unwrap()
                .unwrap();
            server.await.unwrap().unwrap();
        }
        following.abort();
    }
}

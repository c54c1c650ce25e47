//! Tells other processes whether this one takes calls. It must not know what makes it ready.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use super::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus, health_server::Health,
};
use crate::lifecycle::{Drain, Readiness};

/// Serving while ready and not draining; the same for the whole server and each service of it.
#[derive(Clone)]
pub(crate) struct HealthService {
    names: Arc<[&'static str]>,
    readiness: Readiness,
    drain: Drain,
}

impl HealthService {
    /// Answers for the whole server and for the services named.
    pub(crate) fn new(names: &[&'static str], readiness: Readiness, drain: Drain) -> Self {
        let names = std::iter::once("").chain(names.iter().copied()).collect();
        Self {
            names,
            readiness,
            drain,
        }
    }

    fn knows(&self, service: &str) -> bool {
        self.names.contains(&service)
    }

    fn now(&self) -> ServingStatus {
        if self.readiness.is_ready() && !self.drain.draining() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        }
    }

    /// The status now and after each change, until new work is refused: a watch that stayed would keep
    /// its connection open.
    fn changes(self) -> impl Stream<Item = ServingStatus> + Send {
        let ready = self.readiness.subscribe();
        stream::unfold(
            (self, ready, None),
            |(service, mut ready, told)| async move {
                loop {
                    ready.mark_unchanged();
                    let status = service.now();
                    if told != Some(status) {
                        return Some((status, (service, ready, Some(status))));
                    }
                    if service.drain.draining() {
                        service.drain.refusing().await;
                        return None;
                    }
                    tokio::select! {
                        changed = ready.changed() => changed.ok()?,
                        () = service.drain.started() => {}
                    }
                }
            },
        )
    }

    /// That the service is not known, until new work is refused.
    fn unknown(self) -> impl Stream<Item = ServingStatus> + Send {
        stream::unfold((self.drain, false), |(drain, told)| async move {
            if told {
                drain.refusing().await;
                return None;
            }
            Some((ServingStatus::ServiceUnknown, (drain, true)))
        })
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("this server has no such service"));
        }
        Ok(Response::new(answer(self.now())))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let status = answer(self.now());
        let statuses = self
            .names
            .iter()
            .map(|name| ((*name).to_owned(), status))
            .collect::<HashMap<_, _>>();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        use futures::StreamExt as _;

        let service = self.clone();
        Ok(Response::new(if self.knows(&request.get_ref().service) {
            service.changes().map(|status| Ok(answer(status))).boxed()
        } else {
            service.unknown().map(|status| Ok(answer(status))).boxed()
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::StreamExt as _;

    use super::*;
    use crate::lifecycle::DrainConfig;

    fn asked(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: service.into(),
        })
    }

    fn service() -> (HealthService, Readiness, Drain) {
        let (readiness, drain) = (
            Readiness::default(),
            Drain::new(DrainConfig {
                delay: Duration::from_secs(5),
                ..DrainConfig::default()
            }),
        );
        (
            HealthService::new(&["a.B"], readiness.clone(), drain.clone()),
            readiness,
            drain,
        )
    }

    async fn status(service: &HealthService, name: &str) -> ServingStatus {
        service.check(asked(name)).await.unwrap().get_ref().status()
    }

    #[tokio::test]
    async fn check_follows_readiness_and_drain_for_every_name() {
        let (service, readiness, drain) = service();
        let condition = readiness.condition("store");
        assert_eq!(status(&service, "").await, ServingStatus::NotServing);
        condition.met();
        assert_eq!(status(&service, "").await, ServingStatus::Serving);
        assert_eq!(status(&service, "a.B").await, ServingStatus::Serving);
        assert_eq!(
            service.check(asked("a.C")).await.unwrap_err().code(),
            tonic::Code::NotFound
        );
        drain.begin();
        assert_eq!(status(&service, "a.B").await, ServingStatus::NotServing);
    }

    #[tokio::test]
    async fn list_tells_every_name() {
        let (service, ..) = service();
        let statuses = service
            .list(Request::new(HealthListRequest {}))
            .await
            .unwrap()
            .into_inner()
            .statuses;
        assert_eq!(statuses.len(), 2);
        assert!(
            ["", "a.B"]
                .iter()
                .all(|name| statuses[*name].status() == ServingStatus::Serving)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn watch_tells_each_change_and_ends_when_new_work_is_refused() {
        let (service, readiness, drain) = service();
        let condition = readiness.condition("store");
        let mut watch = service.watch(asked("a.B")).await.unwrap().into_inner();
        let mut next = async || watch.next().await.map(|answer| answer.unwrap().status());
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        condition.met();
        assert_eq!(next().await, Some(ServingStatus::Serving));
        condition.unmet();
        condition.met();
        condition.unmet();
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        condition.met();
        assert_eq!(next().await, Some(ServingStatus::Serving));
        drain.begin();
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        assert!(!drain.refuses());
        assert_eq!(next().await, None);
        assert!(drain.refuses());
    }

    #[tokio::test(start_paused = true)]
    async fn watching_an_unknown_service_says_so_and_stays_open() {
        let (service, ..) = service();
        let mut watch = service.watch(asked("a.C")).await.unwrap().into_inner();
        assert_eq!(
            watch.next().await.unwrap().unwrap().status(),
            ServingStatus::ServiceUnknown
        );
        assert!(
            tokio::time::timeout(Duration::from_secs(3600), watch.next())
                .await
                .is_err()
        );
    }
}

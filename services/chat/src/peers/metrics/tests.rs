//! See `../metrics.rs`.

use std::sync::Mutex;

use tokio::{net::TcpListener, sync::watch};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};
use troika_chassis::{
    lifecycle::{DrainConfig, Readiness},
    server::{GrpcService, ServerConfig, serve_grpc},
};
use troika_proto::metrics::v1::{
    self as wire, ReportResponse,
    metrics_server::{Metrics, MetricsServer},
};

use super::*;

/// Keeps what it is told.
#[derive(Clone)]
struct Listening {
    told: Arc<Mutex<Vec<ReportRequest>>>,
    count: watch::Sender<usize>,
}

#[tonic::async_trait]
impl Metrics for Listening {
    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<ReportResponse>, Status> {
        let mut batches = request.into_inner();
        while let Some(batch) = batches.message().await? {
            let turns = batch.turns.len();
            self.told.lock().unwrap().push(batch);
            self.count.send_modify(|count| *count += turns);
        }
        Ok(Response::new(ReportResponse {}))
    }

    async fn compare_arms(
        &self,
        _: Request<wire::CompareArmsRequest>,
    ) -> Result<Response<wire::CompareArmsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

impl Listening {
    fn new() -> Self {
        Self {
            told: Arc::default(),
            count: watch::Sender::new(0),
        }
    }

    fn serve(&self, listener: TcpListener) -> AbortOnDropHandle<()> {
        let service = GrpcService {
            routes: tonic::service::Routes::new(MetricsServer::new(self.clone())),
            service_names: vec![SERVICE_NAME],
            ..GrpcService::default()
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            let config = ServerConfig::default();
            serve_grpc(
                listener,
                service,
                &config,
                Readiness::default(),
                Drain::default(),
            )
            .await
            .unwrap();
        }))
    }

    async fn hears(&self, turns: usize) {
        let mut count = self.count.subscribe();
        timeout(
            Duration::from_secs(20),
            count.wait_for(|count| *count >= turns),
        )
        .await
        .unwrap()
        .unwrap();
    }

    fn sum(&self, figure: impl Fn(&ReportRequest) -> u64) -> u64 {
        self.told.lock().unwrap().iter().map(figure).sum()
    }
}

fn reporter(address: std::net::SocketAddr, drain: &Drain) -> Reporter {
    let config = Config {
        address: format!("http://{address}").parse().unwrap(),
        ..Config::default()
    };
    Reporter::start(&config, drain.clone()).unwrap()
}

async fn place() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn outcomes_arrive_in_batches_with_what_was_refused() {
    let (listener, address) = place().await;
    let listening = Listening::new();
    let _server = listening.serve(listener);
    let reporter = reporter(address, &Drain::default());
    reporter.refused();
    for _ in 0..1000 {
        reporter.tell(TurnOutcome::default());
    }
    listening.hears(1000).await;
    assert!(listening.told.lock().unwrap().len() < 100);
    assert_eq!(listening.sum(|batch| batch.refused), 1);
    assert_eq!(listening.sum(|batch| batch.dropped), 0);
}

#[tokio::test]
async fn what_waits_while_the_role_is_away_arrives_when_it_is_there() {
    let (listener, address) = place().await;
    drop(listener);
    let reporter = reporter(address, &Drain::default());
    for _ in 0..500 {
        reporter.tell(TurnOutcome::default());
    }
    let listening = Listening::new();
    let _server = listening.serve(TcpListener::bind(address).await.unwrap());
    listening.hears(500).await;
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_never_waits() {
    // Takes connections and says nothing.
    let (listener, address) = place().await;
    let reporter = reporter(address, &Drain::default());
    let more = 1000;
    for _ in 0..QUEUE + BATCH + more {
        reporter.tell(TurnOutcome::default());
    }
    let dropped = reporter.lost.dropped.load(Ordering::Relaxed);
    assert!(dropped >= more as u64, "{dropped}");
    drop(listener);
}

#[tokio::test]
async fn a_process_that_leaves_tells_the_rest_first_and_waits_for_nobody_who_is_away() {
    let (listener, there) = place().await;
    let listening = Listening::new();
    let _server = listening.serve(listener);
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    for address in [there, nobody] {
        let drain = Drain::new(DrainConfig::default());
        let reporter = reporter(address, &drain);
        reporter.tell(TurnOutcome::default());
        drain.begin();
        timeout(Duration::from_secs(5), drain.finished())
            .await
            .unwrap();
    }
    listening.hears(1).await;
}

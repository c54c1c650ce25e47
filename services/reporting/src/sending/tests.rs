//! See `../sending.rs`: over real sockets.

use std::{net::SocketAddr, sync::Mutex};

use tokio::{net::TcpListener, sync::watch};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};
use troika_chassis::{
    lifecycle::{DrainConfig, Readiness},
    meters::Meters,
    server::{GrpcService, ServerConfig, serve_grpc},
};
use troika_proto::metrics::v1::{
    ReportResponse, TurnOutcome,
    metrics_server::{Metrics, MetricsServer},
};

use super::*;
use crate::{Config, Needs, Reporter};

/// Keeps what it is told.
#[derive(Clone)]
struct Listening {
    told: Arc<Mutex<Vec<ReportRequest>>>,
    count: watch::Sender<usize>,
    manner: watch::Sender<Manner>,
}

/// How it answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Counts,
    /// Takes the batches and says nothing.
    Hangs,
    /// Counts them, but the answer gets lost.
    Forgets,
    Refuses,
}

#[tonic::async_trait]
impl Metrics for Listening {
    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<ReportResponse>, Status> {
        let manner = *self.manner.borrow();
        if manner == Manner::Refuses {
            self.count.send_modify(|count| *count += 1);
            return Err(Status::unimplemented("no such thing"));
        }
        let mut batches = request.into_inner();
        while let Some(batch) = batches.message().await? {
            if manner != Manner::Hangs {
                let turns = batch.turns.len();
                self.told.lock().unwrap().push(batch);
                self.count.send_modify(|count| *count += turns);
            }
        }
        match manner {
            Manner::Counts => Ok(Response::new(ReportResponse {})),
            Manner::Forgets => Err(Status::unavailable("")),
            _ => std::future::pending().await,
        }
    }
}

impl Listening {
    fn new(manner: Manner) -> Self {
        Self {
            told: Arc::default(),
            count: watch::Sender::new(0),
            manner: watch::Sender::new(manner),
        }
    }

    fn serve(&self, listener: TcpListener) -> AbortOnDropHandle<()> {
        let service = GrpcService {
            routes: tonic::service::Routes::new(MetricsServer::new(self.clone())),
            ..GrpcService::default()
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            let (config, drain) = (ServerConfig::default(), Drain::default());
            let ready = Readiness::default();
            serve_grpc(listener, service, &config, ready, drain)
                .await
                .unwrap();
        }))
    }

    async fn hears(&self, turns: usize) {
        let mut count = self.count.subscribe();
        let heard = count.wait_for(|count| *count >= turns);
        timeout(Duration::from_secs(20), heard)
            .await
            .unwrap()
            .unwrap();
    }

    fn sum(&self, figure: impl Fn(&ReportRequest) -> u64) -> u64 {
        self.told.lock().unwrap().iter().map(figure).sum()
    }
}

fn reporter(address: SocketAddr, drain: &Drain) -> Reporter {
    let config = Config {
        address: format!("http://{address}").parse().unwrap(),
        ..Config::default()
    };
    let situation = Situation::new("chat", Needs::default(), || 3);
    Reporter::start(&config, situation, &Meters::new(), drain.clone()).unwrap()
}

async fn place() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Nothing but holds and force: what is not let go of by itself is seen.
fn patient() -> Drain {
    Drain::new(DrainConfig {
        deadline: Duration::from_secs(60),
        ..DrainConfig::default()
    })
}

fn tell(reporter: &Reporter, outcomes: usize) {
    for _ in 0..outcomes {
        reporter.tell(TurnOutcome::default());
    }
}

#[tokio::test]
async fn outcomes_arrive_in_batches_with_what_was_counted() {
    let (listener, address) = place().await;
    let listening = Listening::new(Manner::Counts);
    let _server = listening.serve(listener);
    let reporter = reporter(address, &Drain::default());
    reporter.refused();
    reporter.looked("speech", 1, 0);
    reporter.looked("speech", 0, 2);
    tell(&reporter, 1000);
    listening.hears(1000).await;
    let batches = listening.told.lock().unwrap().len();
    assert!(batches < 100, "{batches}");
    assert_eq!(listening.sum(|batch| batch.refused), 1);
    assert_eq!(listening.sum(|batch| batch.dropped), 0);
    let uses = |figure: fn(&troika_proto::metrics::v1::CacheUse) -> u64| {
        listening.sum(|batch| batch.caches.iter().map(figure).sum())
    };
    assert_eq!((uses(|it| it.hits), uses(|it| it.misses)), (1, 2));
    let told = listening.told.lock().unwrap();
    let numbers: Vec<u64> = told.iter().map(|batch| batch.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
    let state = told[0].state.clone().unwrap();
    assert_eq!((state.role.as_str(), state.active_streams), ("chat", 3));
}

#[tokio::test]
async fn a_role_that_does_nothing_is_heard_of_each_second() {
    let (listener, address) = place().await;
    let listening = Listening::new(Manner::Counts);
    let _server = listening.serve(listener);
    let _reporter = reporter(address, &Drain::default());
    let began = Instant::now();
    while listening.told.lock().unwrap().len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= 2 * BEAT);
}

#[tokio::test]
async fn what_waits_while_the_role_is_away_arrives_when_it_is_there() {
    let (listener, address) = place().await;
    drop(listener);
    let reporter = reporter(address, &Drain::default());
    tell(&reporter, 500);
    let listening = Listening::new(Manner::Counts);
    let _server = listening.serve(TcpListener::bind(address).await.unwrap());
    listening.hears(500).await;
    assert_eq!(reporter.dropped(), 0);
}

#[tokio::test]
async fn a_batch_without_an_answer_is_sent_again_under_its_number() {
    let (listener, address) = place().await;
    let listening = Listening::new(Manner::Forgets);
    let _server = listening.serve(listener);
    let reporter = reporter(address, &Drain::default());
    tell(&reporter, 1);
    listening.hears(2).await;
    listening.manner.send_replace(Manner::Counts);
    tell(&reporter, 1);
    let numbers = || {
        let told = listening.told.lock().unwrap();
        let with_turns = told.iter().filter(|batch| !batch.turns.is_empty());
        with_turns.map(|batch| batch.number).collect::<Vec<_>>()
    };
    let began = Instant::now();
    loop {
        let mut numbers = numbers();
        let heard = numbers.len();
        numbers.dedup();
        if numbers.len() == 2 {
            assert!(heard > 2, "none was sent again");
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{numbers:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_role_that_refuses_is_not_asked_without_a_pause() {
    let (listener, address) = place().await;
    let listening = Listening::new(Manner::Refuses);
    let _server = listening.serve(listener);
    let reporter = reporter(address, &Drain::default());
    tell(&reporter, 1);
    let began = Instant::now();
    listening.hears(6).await;
    // 0.1, 0.2, 0.4, 0.8 and 1.6 seconds at least, each after the first.
    assert!(
        began.elapsed() > Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_never_waits() {
    // Takes connections and says nothing.
    let (listener, address) = place().await;
    let reporter = reporter(address, &Drain::default());
    let more = 1000;
    tell(&reporter, QUEUE + BATCH * BATCHES + more);
    assert!(reporter.dropped() >= more as u64, "{}", reporter.dropped());
    drop(listener);
}

#[tokio::test]
async fn a_process_leaves_once_its_last_outcomes_are_counted() {
    let (listener, address) = place().await;
    let listening = Listening::new(Manner::Counts);
    let _server = listening.serve(listener);
    let drain = patient();
    let reporter = reporter(address, &drain);
    tell(&reporter, 3000);
    drain.begin();
    tell(&reporter, 1);
    timeout(Duration::from_secs(20), drain.finished())
        .await
        .unwrap();
    assert_eq!(listening.count.borrow().to_owned(), 3001);
}

#[tokio::test]
async fn a_process_waits_a_second_at_most_for_a_role_that_hangs_or_is_away() {
    let (silent, hanging_before) = place().await;
    let (listener, hanging_after) = place().await;
    let listening = Listening::new(Manner::Hangs);
    let _server = listening.serve(listener);
    let (gone, away) = place().await;
    drop(gone);
    for address in [hanging_before, hanging_after, away] {
        let drain = patient();
        let reporter = reporter(address, &drain);
        tell(&reporter, QUEUE + 10);
        let began = Instant::now();
        drain.begin();
        timeout(Duration::from_secs(10), drain.finished())
            .await
            .unwrap();
        // The call that was under way when the drain began, and the last try.
        assert!(began.elapsed() < 3 * PATIENCE, "{:?}", began.elapsed());
        tell(&reporter, 1);
        assert_eq!(drain.held(), [], "nothing is held for nobody");
        assert!(reporter.dropped() > 10, "{}", reporter.dropped());
    }
    drop(silent);
}

//! Following a role that tells, leaves, hangs and comes back.

use std::{net::SocketAddr, sync::Arc};

use futures::{StreamExt as _, stream};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, codegen::BoxStream};
use troika_proto::metrics::v1::{
    GetSummaryResponse,
    metrics_server::{Metrics, MetricsServer},
};

use super::*;
use crate::exit::Exit;

/// Tells so many looks to each who asks, with rising numbers, and leaves, or says nothing more.
#[derive(Clone)]
struct Scripted {
    looks: u64,
    leaves: bool,
    asked: Arc<std::sync::Mutex<Vec<WatchSummaryRequest>>>,
}

#[tonic::async_trait]
impl Metrics for Scripted {
    async fn watch_summary(
        &self,
        request: Request<WatchSummaryRequest>,
    ) -> Result<Response<BoxStream<WatchSummaryResponse>>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        let looks = stream::iter(1..=self.looks).map(|requests| {
            Ok(WatchSummaryResponse {
                summary: Some(GetSummaryResponse {
                    requests,
                    ..GetSummaryResponse::default()
                }),
                ..WatchSummaryResponse::default()
            })
        });
        Ok(Response::new(if self.leaves {
            Box::pin(looks)
        } else {
            Box::pin(looks.chain(stream::pending()))
        }))
    }
}

impl Scripted {
    fn telling(looks: u64) -> Self {
        Self {
            looks,
            leaves: false,
            asked: Arc::default(),
        }
    }

    async fn serve(&self, address: &str) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tonic::transport::Server::builder()
            .add_service(MetricsServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        (address, tokio::spawn(async move { served.await.unwrap() }))
    }
}

/// What a screen was told.
#[derive(Debug, PartialEq)]
enum Told {
    Look(u64),
    Lost,
}

/// Hands on what it is told; nobody reads any more once the other side is gone.
struct Paper(mpsc::UnboundedSender<Told>);

impl Shows for Paper {
    fn show(&mut self, look: WatchSummaryResponse) -> Result<(), Failure> {
        let look = Told::Look(look.summary.unwrap_or_default().requests);
        self.0.send(look).map_err(|_| Failure::silent(Exit::Failed))
    }

    fn lost(&mut self, _since: SystemTime) {
        let _ = self.0.send(Told::Lost);
    }
}

fn paper() -> (Paper, mpsc::UnboundedReceiver<Told>) {
    let (send, told) = mpsc::unbounded_channel();
    (Paper(send), told)
}

fn args(once: bool) -> Args {
    Args {
        window: Back::Hour,
        once,
        format: Format::Json,
        interval: Duration::from_secs(2),
        addr: None,
    }
}

fn peer(address: SocketAddr) -> Peer {
    let address = address.to_string();
    Peer::at(Role::Metrics, Some(&address), &Config::default()).unwrap()
}

#[tokio::test]
async fn once_is_one_look_of_the_window_that_was_asked_for() {
    let role = Scripted::telling(3);
    let (address, _served) = role.serve("127.0.0.1:0").await;
    let (mut screen, mut told) = paper();
    follow(&peer(address), &args(true), &mut screen)
        .await
        .unwrap();
    drop(screen);
    assert_eq!(told.recv().await, Some(Told::Look(1)));
    assert_eq!(told.recv().await, None);
    let asked = role.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].window(), Window::Window60Minutes);
    assert_eq!(asked[0].interval.unwrap().seconds, 2);
}

#[tokio::test]
async fn whom_nobody_reads_any_more_ends_instead_of_asking_again() {
    let role = Scripted::telling(3);
    let (address, _served) = role.serve("127.0.0.1:0").await;
    let (mut screen, told) = paper();
    drop(told);
    let failure = follow(&peer(address), &args(false), &mut screen)
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::silent(Exit::Failed));
    assert_eq!(role.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_role_that_was_never_there_is_a_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for once in [true, false] {
        let (mut screen, _told) = paper();
        let followed = follow(&peer(address), &args(once), &mut screen).await;
        assert_eq!(followed.unwrap_err().exit(), Exit::Unreachable);
    }
}

#[tokio::test]
async fn a_role_that_leaves_before_the_first_look_is_a_failure() {
    let role = Scripted {
        leaves: true,
        ..Scripted::telling(0)
    };
    let (address, _served) = role.serve("127.0.0.1:0").await;
    for once in [true, false] {
        let (mut screen, _told) = paper();
        let followed = follow(&peer(address), &args(once), &mut screen).await;
        assert_eq!(followed.unwrap_err().exit(), Exit::Unreachable);
    }
}

#[tokio::test]
async fn a_role_that_leaves_is_told_once_and_waited_for() {
    let role = Scripted {
        leaves: true,
        ..Scripted::telling(2)
    };
    let (address, served) = role.serve("127.0.0.1:0").await;
    let (mut screen, mut told) = paper();
    let following = tokio::spawn(async move {
        let peer = peer(address);
        follow(&peer, &args(false), &mut screen).await
    });
    for expected in [Told::Look(1), Told::Look(2), Told::Lost] {
        assert_eq!(told.recv().await, Some(expected));
    }
    // It is back at once, with the looks of its new life.
    for expected in [Told::Look(1), Told::Look(2), Told::Lost] {
        assert_eq!(told.recv().await, Some(expected));
    }
    served.abort();
    following.abort();
}

#[tokio::test]
async fn a_role_that_hangs_is_away() {
    let hanging = std::future::pending::<Result<(), Status>>();
    let status = in_time(Duration::from_millis(1), hanging)
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
}

#[test]
fn events_stay_in_sight_until_newer_ones_take_their_place() {
    let named = |names: &[u32]| -> Vec<Event> {
        let named = names.iter().map(|&words| Event {
            words,
            ..Event::default()
        });
        named.collect()
    };
    let mut recent = Recent::default();
    assert_eq!(recent.with(named(&[2, 1])), named(&[2, 1]));
    assert_eq!(recent.with(Vec::new()), named(&[2, 1]));
    assert_eq!(recent.with(named(&[4, 3])), named(&[4, 3, 2, 1]));
    let flood: Vec<u32> = (5..55).rev().collect();
    assert_eq!(recent.with(named(&flood)), named(&flood[..view::EVENTS]));
}

//! Redis that is away, hangs, comes and comes back, by a fake that speaks the wire.

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

fn config(url: &str) -> RedisConfig {
    let mut config = RedisConfig {
        url: url.into(),
        pool: 1,
        ..RedisConfig::default()
    };
    config.breaker = BreakerConfig {
        open_for: Duration::from_millis(50),
        open_for_max: Duration::from_millis(100),
        ..config.breaker
    };
    config
}

/// Answers each command of a connection: PING as asked, everything else with OK.
fn serve(listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut text = vec![0; 4096];
                while let Ok(1..) = stream
                    .read(&mut text)
                    .await
                    .inspect(|read| text.truncate(*read))
                {
                    let answer: &[u8] = if text.windows(4).any(|word| word == b"PING") {
                        b"+PONG\r\n"
                    } else {
                        b"+OK\r\n"
                    };
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                    text.resize(4096, 0);
                }
            });
        }
    })
}

async fn answers(redis: &Redis) {
    let answering = async {
        while redis.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answering)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_does_not_delay_the_start_and_comes_and_comes_back() {
    let place = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let began = Instant::now();
    let redis = Redis::connect(&config(&format!("redis://{place}"))).unwrap();
    assert!(began.elapsed() < Duration::from_millis(500));
    assert!(redis.ping().await.is_err());
    for _ in 0..2 {
        let server = serve(TcpListener::bind(place).await.unwrap());
        answers(&redis).await;
        server.abort();
        let _ = server.await;
        let away = async { while redis.ping().await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(10), away)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(&format!("redis://{}", listener.local_addr().unwrap()));
    config.operation_timeout = Duration::from_millis(100);
    let redis = Redis::connect(&config).unwrap();
    let began = Instant::now();
    assert!(redis.ping().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn its_connections_close_with_the_last_clone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redis = Redis::connect(&config(&format!(
        "redis://{}",
        listener.local_addr().unwrap()
    )))
    .unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let clone = redis.clone();
    drop(redis);
    stream.readable().await.unwrap();
    drop(clone);
    let closed = async { while let Ok(1..) = stream.read(&mut [0; 256]).await {} };
    tokio::time::timeout(Duration::from_secs(10), closed)
        .await
        .unwrap();
}

#[test]
fn an_address_that_cannot_be_read_is_told_without_its_secret() {
    for url in [
        "http://me:hunter2@host:x",
        "nonsense hunter2",
        "redis://me:hunter2@host:port",
    ] {
        let problems = Problems::of(&config(url)).to_string();
        assert!(
            problems.starts_with("url: ") && !problems.contains("hunter2"),
            "{problems}"
        );
    }
    assert!(Problems::of(&RedisConfig::default()).is_empty());
}

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
    serve_with(listener, |command| {
        if command.contains("PING") {
            "+PONG\r\n"
        } else {
            "+OK\r\n"
        }
    })
}

/// Answers each command of a connection.
fn serve_with(listener: TcpListener, answer: fn(&str) -> &'static str) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut text = String::new();
                let mut read = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut read).await {
                    text.push_str(std::str::from_utf8(&read[..length]).unwrap());
                    let mut answers = String::new();
                    while let Some(command) = take_command(&mut text) {
                        answers.push_str(answer(&command));
                    }
                    if stream.write_all(answers.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    })
}

/// The first command of the text, once it is whole: `*<parts>` and then two lines a part.
fn take_command(text: &mut String) -> Option<String> {
    let parts: usize = text
        .strip_prefix('*')?
        .split_once("\r\n")?
        .0
        .parse()
        .unwrap();
    let (last, end) = text.match_indices("\r\n").nth(parts * 2)?;
    let rest = text.split_off(last + end.len());
    Some(std::mem::replace(text, rest))
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
async fn a_wrong_password_is_told_as_one_and_shown_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://me:hunter2@{}", listener.local_addr().unwrap());
    let server = serve_with(listener, |command| {
        if command.contains("AUTH") {
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        } else {
            "-NOAUTH Authentication required.\r\n"
        }
    });
    let redis = Redis::connect(&config(&url)).unwrap();
    let error = redis.ping().await.unwrap_err();
    assert_eq!(
        error.failed().map(Error::kind),
        Some(&ErrorKind::Auth),
        "{error}"
    );
    assert!(error.to_string().contains("WRONGPASS"), "{error}");
    assert!(!format!("{error:?} {redis:?}").contains("hunter2"));
    server.abort();
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

//! A mail server for tests: speaks SMTP without encryption, and keeps the mails it took. It must not know who writes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

/// A mail server on a free port of this machine.
#[derive(Debug)]
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
    _serving: AbortOnDropHandle<()>,
}

impl MailServer {
    /// Starts one that takes every mail.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let count = watch::Sender::new(0);
        let (kept, counted) = (Arc::clone(&mails), count.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, counted) = (Arc::clone(&kept), counted.clone());
                tokio::spawn(async move {
                    // Who breaks off has sent nothing.
                    let _ = talk(stream, |mail| {
                        kept.lock().unwrap().push(mail);
                        counted.send_modify(|count| *count += 1);
                    })
                    .await;
                });
            }
        });
        Self {
            address,
            mails,
            count,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// Waits until so many mails have come: each with the commands before it, its head and its text.
    pub async fn mails(&self, wanted: usize) -> Vec<String> {
        let mut count = self.count.subscribe();
        timeout(
            Duration::from_secs(20),
            count.wait_for(|count| *count >= wanted),
        )
        .await
        .unwrap_or_else(|_| panic!("no {wanted} mails came"))
        .unwrap();
        self.mails.lock().unwrap().clone()
    }
}

async fn talk(stream: TcpStream, mut took: impl FnMut(String)) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 tests\r\n").await?;
    let mut mail = String::new();
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let said = line.trim_end().to_owned();
        line.clear();
        mail.push_str(&said);
        mail.push('\n');
        let verb = said
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-tests\r\n250 8BITMIME",
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 ok",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                while stream.read_line(&mut line).await? > 0 && line.trim_end() != "." {
                    mail.push_str(&line);
                    line.clear();
                }
                line.clear();
                took(std::mem::take(&mut mail));
                "250 taken"
            }
            "QUIT" => {
                return stream.write_all(b"221 bye\r\n").await;
            }
            _ => "502 what?",
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
    }
    Ok(())
}

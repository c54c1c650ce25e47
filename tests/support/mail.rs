//! A mail server for tests: speaks SMTP without encryption, asks for an account where a test wants it, and keeps the mails it
//! took. Its refusals repeat what it was sent, as those of real servers do. It must not know who writes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
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
    heard: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
    _serving: AbortOnDropHandle<()>,
}

impl MailServer {
    /// Starts one that takes every mail, but none to an address that begins with `nobody@`.
    pub async fn start() -> Self {
        Self::serve(None).await
    }

    /// Starts one that takes mails only from who signs in.
    pub async fn with_account(user: &str, password: &str) -> Self {
        // As the mechanism PLAIN has it.
        let account = STANDARD.encode(format!("\0{user}\0{password}"));
        Self::serve(Some((user.to_owned(), account))).await
    }

    async fn serve(account: Option<(String, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let count = watch::Sender::new(0);
        let (kept, said, counted) = (Arc::clone(&mails), Arc::clone(&heard), count.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, said, counted) = (Arc::clone(&kept), Arc::clone(&said), counted.clone());
                let account = account.clone();
                tokio::spawn(async move {
                    let hear = |line: &str| said.lock().unwrap().push(line.to_owned());
                    let took = |mail| {
                        kept.lock().unwrap().push(mail);
                        counted.send_modify(|count| *count += 1);
                    };
                    // Who breaks off has sent nothing.
                    let _ = talk(stream, account, hear, took).await;
                });
            }
        });
        Self {
            address,
            mails,
            heard,
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

    /// Every command that was sent.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn talk(
    stream: TcpStream,
    account: Option<(String, String)>,
    hear: impl Fn(&str),
    took: impl Fn(String),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 tests\r\n").await?;
    let mut signed_in = account.is_none();
    let mut mail = String::new();
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let said = line.trim_end().to_owned();
        line.clear();
        hear(&said);
        mail.push_str(&said);
        mail.push('\n');
        let (verb, rest) = said.split_once(' ').unwrap_or((&said, ""));
        let answer = match (verb.to_ascii_uppercase().as_str(), &account) {
            ("EHLO", Some(_)) => "250-tests\r\n250-AUTH PLAIN\r\n250 8BITMIME".to_owned(),
            ("EHLO", None) => "250-tests\r\n250 8BITMIME".to_owned(),
            ("AUTH", Some((user, account))) => {
                signed_in = rest.strip_prefix("PLAIN ") == Some(account);
                match signed_in {
                    true => "235 welcome".to_owned(),
                    false => format!("535 {user} may not enter with {rest}"),
                }
            }
            ("MAIL" | "RCPT" | "DATA", _) if !signed_in => "530 who are you?".to_owned(),
            ("RCPT", _) if rest.starts_with("TO:<nobody@") => format!("550 {rest} is not here"),
            ("HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP", _) => "250 ok".to_owned(),
            ("DATA", _) => {
                stream.write_all(b"354 go on\r\n").await?;
                while stream.read_line(&mut line).await? > 0 && line.trim_end() != "." {
                    // A line that begins with a dot comes with one more.
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    line.clear();
                }
                line.clear();
                took(std::mem::take(&mut mail));
                "250 taken".to_owned()
            }
            ("QUIT", _) => {
                return stream.write_all(b"221 bye\r\n").await;
            }
            _ => "502 what?".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
    }
    Ok(())
}

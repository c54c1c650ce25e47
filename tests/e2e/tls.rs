//! TLS at the door and between processes, seen by clients of others: openssl and curl.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use troika_tests::{
    certificates::{Authority, Issued},
    exposition::Exposition,
    listener::{ask_by, only, question, text},
    provider::{Provider, Reply, Step},
    sandbox::{Sandbox, Troika, token},
    servers::free_port,
    until,
};

use crate::sandbox;

const SOON: Duration = Duration::from_secs(15);

/// An authority and a certificate of it for this machine, in files.
struct Kept {
    folder: TempDir,
    authority: Authority,
    ca: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the authority");
        let ca = authority.write(folder.path());
        let kept = Self {
            folder,
            authority,
            ca,
        };
        kept.renew();
        kept
    }

    /// Another certificate in the same files.
    fn renew(&self) -> Issued {
        let issued = self.authority.issue(&["localhost", "127.0.0.1"]);
        issued.write(self.folder.path());
        issued
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// TLS at the gateway's door.
    fn door(&self, sandbox: Sandbox) -> Sandbox {
        sandbox
            .env("TROIKA_GATEWAY__TLS__CERT", self.file("cert.pem"))
            .env("TROIKA_GATEWAY__TLS__KEY", self.file("key.pem"))
    }

    /// Mutual TLS between processes.
    fn between(&self, sandbox: Sandbox) -> Sandbox {
        sandbox
            .env("TROIKA_TLS__CERT", self.file("cert.pem"))
            .env("TROIKA_TLS__KEY", self.file("key.pem"))
            .env("TROIKA_TLS__CLIENT_CA", self.file("ca.pem"))
            .env("TROIKA_TLS__CA", self.file("ca.pem"))
    }

    fn client(&self) -> reqwest::Client {
        self.authority.client().build().unwrap()
    }

    /// What openssl has to say of a server, which is asked for `localhost`.
    fn openssl(&self, address: &str, arguments: &[&str]) -> String {
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", authority(address)])
            .args(["-servername", "localhost", "-verify_return_error"])
            .arg("-CAfile")
            .arg(&self.ca)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // TLS 1.3 refuses a client only after its handshake: something must be sent.
        let _ = child.stdin.take().unwrap().write_all(b"\n");
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// What curl prints.
    fn curl(&self, arguments: &[&str]) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--cacert"])
            .arg(&self.ca)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether new connections are shown this certificate.
    fn shows(&self, address: &str, issued: &Issued) -> bool {
        self.openssl(address, &[]).contains(issued.cert.trim_end())
    }
}

/// The host and port of an address.
fn authority(address: &str) -> &str {
    address
        .trim_start_matches("https://")
        .trim_start_matches("http://")
}

/// What answers a request as it stands.
fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(authority(address)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn ready(client: &reqwest::Client, gateway: &Troika) {
    until("the gateway is ready", SOON, async || {
        let asked = client.get(format!("{}/ready", gateway.gateway())).send();
        asked.await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_older_or_weaker() {
    let kept = Kept::new();
    let troika = kept.door(sandbox()).start();
    assert!(troika.gateway().starts_with("https://"), "{}", troika.ready);
    for (version, spoken) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = kept.openssl(troika.gateway(), &[version]);
        assert!(
            said.contains(&format!("New, {spoken}, Cipher is")),
            "{said}"
        );
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    for version in ["-tls1_1", "-tls1"] {
        // Willing to speak what it warns of by itself.
        let said = kept.openssl(
            troika.gateway(),
            &[version, "-cipher", "DEFAULT:@SECLEVEL=0"],
        );
        assert!(said.contains("SSL alert number"), "{said}");
        assert!(said.contains("Cipher is (NONE)"), "{said}");
    }
    for weak in [
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "AES128-GCM-SHA256",
    ] {
        let cipher = format!("{weak}:@SECLEVEL=0");
        let said = kept.openssl(troika.gateway(), &["-tls1_2", "-cipher", &cipher]);
        assert!(said.contains("alert handshake failure"), "{weak}: {said}");
        assert!(said.contains("Cipher is (NONE)"), "{weak}: {said}");
    }
    let refused = TcpStream::connect(authority(troika.gateway())).map(|mut stream| {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    });
    let answer = refused.unwrap().unwrap_or_default();
    assert!(
        !answer.starts_with(b"HTTP"),
        "plain text is not spoken here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_and_http_1_are_agreed_on_and_answers_stream_over_both() {
    let kept = Kept::new();
    let provider = Provider::start([Reply::tokens(["One", " two."])]).await;
    let troika = kept.door(sandbox().provider(&provider)).start();
    let gateway = troika.gateway();
    let port = authority(gateway).rsplit(':').next().unwrap();
    let said = kept.openssl(gateway, &["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    let said = kept.openssl(gateway, &["-alpn", "http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    for (version, spoken) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let url = format!("https://localhost:{port}/api/chat/query/stream");
        let body = question("Q").to_string();
        let said = kept.curl(&[
            version,
            "--include",
            "--header",
            "content-type: application/json",
            "--data",
            &body,
            "--write-out",
            "\nversion=%{http_version}",
            &url,
        ]);
        assert!(said.ends_with(&format!("version={spoken}")), "{said}");
        for part in [
            "strict-transport-security: max-age=15552000",
            "event: text",
            "event: complete",
            "event: close",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
    let events = ask_by(&kept.client(), gateway, &question("Q"))
        .await
        .unwrap()
        .all()
        .await;
    assert_eq!(text(&events), "One two.");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_requests_are_sent_to_tls_and_never_elsewhere() {
    let kept = Kept::new();
    let port = free_port();
    let troika = kept
        .door(sandbox())
        .env("TROIKA_GATEWAY__TLS__REDIRECT_PORT", port.to_string())
        .env("TROIKA_GATEWAY__TLS__PUBLIC_PORT", "443")
        .start();
    let plain = format!("127.0.0.1:{port}");
    let ask = |line: &str, host: &str| {
        raw(
            &plain,
            &format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
        )
    };
    for host in ["localhost", &format!("localhost:{port}"), "LOCALHOST"] {
        let answer = ask("GET /docs?a=b&c", host);
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        let name = host.split(':').next().unwrap();
        let place = format!("location: https://{name}/docs?a=b&c\r\n");
        assert!(answer.contains(&place), "{answer}");
        assert!(!answer.contains("strict-transport"), "{answer}");
    }
    assert!(ask("POST /api/chat/query", "localhost").starts_with("HTTP/1.1 308 "));
    for (line, host) in [
        ("GET /", "evil.example"),
        ("GET //evil.example/", "evil.example"),
        ("GET /", "localhost@evil.example"),
        ("GET /", "localhost.evil.example"),
        ("GET http://evil.example/", "localhost"),
    ] {
        let answer = ask(line, host);
        assert!(
            !answer.to_lowercase().contains("\r\nlocation:") && !answer.contains(" 308 "),
            "{line} {host}: {answer}"
        );
    }
    let answer = ask("GET //evil.example/a", "localhost");
    assert!(
        answer.contains("location: https://localhost//evil.example/a\r\n"),
        "{answer}"
    );
    for path in ["/health", "/ready"] {
        let answer = ask(&format!("GET {path}"), "10.0.0.7");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    drop(troika);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_swapped_under_load_and_no_request_fails() {
    let kept = Kept::new();
    let slow = [
        vec![Step::Token("Still".into())],
        vec![Step::Wait(Duration::from_millis(400)); 20],
        vec![
            Step::Token(" here.".into()),
            Step::Finish("stop"),
            Step::Done,
        ],
    ]
    .concat();
    let provider = Provider::start([Reply::Stream(slow)]).await;
    let sandbox = sandbox()
        .provider(&provider)
        .env("RATE_LIMIT_IP_WHITELIST", "127.0.0.1");
    let troika = kept.between(kept.door(sandbox)).start();
    let gateway = troika.gateway().to_owned();

    let client = kept.client();
    let open: Vec<_> = (0..5)
        .map(|_| {
            let (client, gateway) = (client.clone(), gateway.clone());
            tokio::spawn(async move {
                let listening = ask_by(&client, &gateway, &question("Q")).await.unwrap();
                text(&listening.all().await)
            })
        })
        .collect();
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (stop, done) = (stop.clone(), done.clone());
            let (gateway, kept_alive) = (gateway.clone(), kept.client());
            let fresh = kept.authority.client();
            let url = format!("{gateway}/health");
            tokio::spawn(async move {
                // A connection for each request, and one for all.
                let fresh = fresh.pool_max_idle_per_host(0).build().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    for client in [&fresh, &kept_alive] {
                        // Chat is asked over the connections between processes.
                        let asked = client
                            .post(format!("{gateway}/api/chat/stop"))
                            .json(&serde_json::json!({"turnId": uuid::Uuid::nil()}))
                            .send()
                            .await
                            .unwrap();
                        assert_eq!(asked.status(), 200, "{:?}", asked.text().await);
                        let read = client.get(&url).send().await.unwrap();
                        assert_eq!(read.status(), 200);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let next = kept.renew();
        until("the gateway shows the new certificate", SOON, async || {
            kept.shows(&gateway, &next)
        })
        .await;
        let before = done.load(Ordering::Relaxed);
        until("the load goes on", SOON, async || {
            done.load(Ordering::Relaxed) > before + 20
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.unwrap();
    }
    for listener in open {
        assert_eq!(listener.await.unwrap(), "Still here.");
    }
    let figures = Exposition::of(troika.admin()).await;
    for purpose in ["services", "gateway"] {
        let labels = [("purpose", purpose), ("result", "taken")];
        assert_eq!(
            figures.value("troika_tls_reloads_total", &labels),
            Some(3.0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_new_files_change_nothing_and_are_told_once() {
    let kept = Kept::new();
    let troika = kept.door(sandbox()).start();
    let cert = fs::read_to_string(kept.file("cert.pem")).unwrap();
    let whole = Issued {
        key: fs::read_to_string(kept.file("key.pem")).unwrap(),
        cert: cert.clone(),
    };
    fs::write(kept.file("cert.pem"), &cert[..cert.len() / 2]).unwrap();
    let refused = "changed certificates cannot be used";
    until("the broken file is told", SOON, async || {
        troika.log().contains(refused)
    })
    .await;
    assert!(kept.shows(troika.gateway(), &whole));
    let next = kept.renew();
    until("the next certificate is shown", SOON, async || {
        kept.shows(troika.gateway(), &next)
    })
    .await;
    assert_eq!(troika.log().matches(refused).count(), 1, "{}", troika.log());
    assert!(!troika.log().contains("PRIVATE KEY"), "{}", troika.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_over_and_a_key_that_all_may_read_are_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let kept = Kept::new();
    let over = kept.authority.issue_until(&["localhost"], 2021);
    let files = over.write(kept.folder.path());
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
    let troika = kept.door(sandbox()).start();
    let log = troika.log();
    assert!(log.contains("the certificate is over"), "{log}");
    assert!(log.contains("2021-01-01T00:00:00Z"), "{log}");
    assert!(log.contains("may be read by every user"), "{log}");
    let figures = Exposition::of(troika.admin()).await;
    let ends = figures.value(
        "troika_tls_certificate_expiry_timestamp_seconds",
        &[("purpose", "gateway")],
    );
    assert_eq!(ends, Some(1_609_459_200.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_one_process_show_each_other_their_certificate() {
    let kept = Kept::new();
    let provider = Provider::start([Reply::tokens(["Sealed."])]).await;
    let sandbox = kept.between(sandbox().provider(&provider));
    let troika = sandbox.start();
    for address in [
        troika.chat(),
        troika.tts(),
        troika.flags(),
        troika.metrics(),
    ] {
        assert!(address.starts_with("https://"), "{}", troika.ready);
        let with = kept.openssl(
            address,
            &[
                "-alpn",
                "h2",
                "-tls1_2",
                "-cert",
                &kept.file("cert.pem"),
                "-key",
                &kept.file("key.pem"),
            ],
        );
        assert!(with.contains("ALPN protocol: h2"), "{with}");
        let without = kept.openssl(address, &["-tls1_2"]);
        assert!(
            without.contains("alert certificate required") || without.contains("handshake failure"),
            "{without}"
        );
    }
    let asked = troika_tests::listener::ask(troika.gateway(), &question("Q")).await;
    let events = asked.all().await;
    assert_eq!(text(&events), "Sealed.");
    assert_eq!(only(&events, "complete").data["saved"], true);
    // The figures arrive too, told by chat and the gateway over their own connections.
    until("the turn is counted", SOON, async || {
        let figures = Exposition::of(troika.admin()).await;
        figures.value("troika_turns_total", &[("outcome", "success")]) == Some(1.0)
    })
    .await;
    let checked = sandbox
        .command(&["check", "health"])
        .env("TROIKA_GATEWAY__CHAT", troika.chat())
        .env("TROIKA_GATEWAY__TTS", troika.tts())
        .env("TROIKA_GATEWAY__FLAGS", troika.flags())
        .env("TROIKA_CHAT__METRICS__ADDRESS", troika.metrics())
        .args(["--gateway", troika.gateway()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_one_process_know_each_other_by_a_name_that_the_certificate_bears() {
    let kept = Kept::new();
    kept.authority
        .issue(&["troika.internal"])
        .write(kept.folder.path());
    let port = free_port();
    let unnamed = kept
        .between(sandbox())
        .env("PORT", port.to_string())
        .start_unready();
    until("it is told what to set", SOON, async || {
        unnamed.log().contains("set tls.name")
    })
    .await;
    drop(unnamed);
    let named = kept
        .between(sandbox())
        .env("TROIKA_TLS__NAME", "troika.internal")
        .start();
    assert!(!named.log().contains("set tls.name"), "{}", named.log());
    let asked = troika_tests::listener::ask(named.gateway(), &question("What is troika?")).await;
    assert!(!text(&asked.all().await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_lets_in_the_gateway_that_it_knows_and_nobody_else() {
    let kept = Kept::new();
    let provider = Provider::start([Reply::tokens(["Known."])]).await;
    let chat = kept
        .between(sandbox().provider(&provider))
        .start_role("chat");
    let gateway = |sandbox: Sandbox, port: u16| {
        sandbox
            .env("PORT", port.to_string())
            .env("TROIKA_GATEWAY__CHAT", chat.chat())
    };
    let known = gateway(kept.between(sandbox()), 0).start_role("gateway");
    let client = troika_tests::http();
    ready(&client, &known).await;
    let events = ask_by(&client, known.gateway(), &question("Q"))
        .await
        .unwrap()
        .all()
        .await;
    assert_eq!(text(&events), "Known.");

    // One that shows nothing, one with a certificate of somebody else, and one that trusts somebody else.
    let other = Kept::new();
    let nobody = sandbox().env("TROIKA_TLS__CA", kept.file("ca.pem"));
    let stranger = other
        .between(sandbox())
        .env("TROIKA_TLS__CA", kept.file("ca.pem"));
    let misled = kept
        .between(sandbox())
        .env("TROIKA_TLS__CA", other.file("ca.pem"));
    for sandbox in [nobody, stranger, misled] {
        let port = free_port();
        let refused = gateway(sandbox, port).start_role_unready("gateway");
        let place = format!("http://127.0.0.1:{port}");
        until("the gateway says that it hears nothing", SOON, async || {
            refused.log().contains("a service cannot be heard")
        })
        .await;
        let status = client.get(format!("{place}/ready")).send().await.unwrap();
        assert_eq!(status.status(), 503);
        let answer = ask_by(&client, &place, &question("Q")).await.unwrap();
        assert_eq!(answer.status, 503);
    }
    assert_eq!(
        provider.asked().len(),
        1,
        "nobody else's question came through"
    );
    // Once more: who was refused has not harmed who is known.
    let events = ask_by(&client, known.gateway(), &question("Q"))
        .await
        .unwrap()
        .all()
        .await;
    assert_eq!(text(&events), "Known.");
}

/// What a route answers: the status and the code.
async fn told(client: &reqwest::Client, method: &str, url: &str) -> (u16, String) {
    let admin = token(serde_json::json!({ "id": "s1", "role": "admin" }));
    let mut request = client
        .request(method.parse().unwrap(), url)
        .bearer_auth(admin);
    if method == "POST" {
        // What any of them can read.
        let mut body = question("Q");
        if url.ends_with("stop") {
            body = serde_json::json!({ "turnId": uuid::Uuid::nil() });
        }
        body["text"] = "Q".into();
        body["email"] = "ada@shop.example".into();
        let typed = "whatever it is";
        body["password"] = typed.into();
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let problem: serde_json::Value = response.json().await.unwrap();
    let code = problem["code"].as_str().unwrap_or_default();
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_refused_makes_a_service_unavailable_and_the_log_says_why() {
    let kept = Kept::new();
    let roles = ["chat", "tts", "flags", "metrics"];
    let [chat, tts, flags, metrics] = roles.map(|role| kept.between(sandbox()).start_role(role));
    // An authority that bears the same name, and has another key.
    let other = Kept::new();
    let nobody = sandbox().env("TROIKA_TLS__CA", kept.file("ca.pem"));
    let stranger = other
        .between(sandbox())
        .env("TROIKA_TLS__CA", kept.file("ca.pem"));
    let client = troika_tests::http();
    for (sandbox, reason) in [(nobody, "CertificateRequired"), (stranger, "DecryptError")] {
        let port = free_port();
        let gateway = sandbox
            .env("PORT", port.to_string())
            .env("TROIKA_GATEWAY__CHAT", chat.chat())
            .env("TROIKA_GATEWAY__TTS", tts.tts())
            .env("TROIKA_GATEWAY__FLAGS", flags.flags())
            .env("TROIKA_GATEWAY__METRICS", metrics.metrics())
            .start_role_unready("gateway");
        let place = format!("http://127.0.0.1:{port}");
        until("the gateway answers", SOON, async || {
            client.get(format!("{place}/health")).send().await.is_ok()
        })
        .await;
        // Again and again: a connection that is refused breaks under its calls in more than one way.
        let says_why = |role: &str| {
            gateway.log().lines().any(|line| {
                line.contains("refuses the connection by TLS")
                    && line.contains(&format!("\"role\":\"{role}\""))
                    && line.contains(reason)
            })
        };
        until("the log says why, for each role", SOON, async || {
            for (method, path) in [
                ("POST", "/api/chat/query/stream"),
                ("POST", "/api/chat/query"),
                ("POST", "/api/chat/stop"),
                ("POST", "/api/text-to-speech"),
                ("GET", "/api/tts/voices"),
                ("GET", "/api/flags"),
                ("GET", "/api/rollouts"),
                ("POST", "/api/admin/sign-in"),
                ("GET", "/api/metrics/figures"),
                ("GET", "/api/metrics/alerts"),
                ("GET", "/api/audit?source=chat"),
            ] {
                let (status, code) = told(&client, method, &format!("{place}{path}")).await;
                assert_eq!(status, 503, "{path}: {code}\n{}", gateway.log());
                assert!(code.ends_with("unavailable"), "{path}: {code}");
            }
            ["chat", "speech", "flags", "metrics"]
                .into_iter()
                .all(says_why)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_opens_the_files_that_the_configuration_names() {
    let kept = Kept::new();
    let keys = kept.folder.path().join("keys.json");
    fs::write(&keys, r#"{"keys": [{"kty": "of another kind"}]}"#).unwrap();
    let all = |sandbox: Sandbox| {
        kept.between(kept.door(sandbox))
            .env("TROIKA_AUTH__JWKS_FILE", keys.to_str().unwrap())
    };
    let check = || {
        let output = all(sandbox()).run(&["check", "config"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = check();
    assert_eq!(code, Some(2), "{said}");
    let line = |said: &str, setting: &str| {
        let mut lines = said.lines();
        let line = lines.find(|line| line.split_whitespace().next() == Some(setting));
        line.unwrap_or_else(|| panic!("{setting} in {said}"))
            .to_owned()
    };
    let wrong = line(&said, "auth.jwks_file");
    assert!(wrong.contains("keys.json"), "{wrong}");
    assert!(wrong.contains("no key in it verifies"), "{wrong}");
    assert!(!said.contains("tls."), "{said}");

    // Everything at once, each with its file.
    let key = fs::read(kept.file("key.pem")).unwrap();
    fs::write(kept.file("key.pem"), "none").unwrap();
    fs::remove_file(kept.file("ca.pem")).unwrap();
    let (code, said) = check();
    assert_eq!(code, Some(2), "{said}");
    for (setting, file, problem) in [
        ("auth.jwks_file", "keys.json", "no key in it verifies"),
        ("gateway.tls.key", "key.pem", "no private key"),
        ("tls.key", "key.pem", "no private key"),
        ("tls.client_ca", "ca.pem", "cannot be read"),
        ("tls.ca", "ca.pem", "cannot be read"),
    ] {
        let line = line(&said, setting);
        assert!(line.contains(file) && line.contains(problem), "{line}");
    }

    kept.authority.write(kept.folder.path());
    fs::write(kept.file("key.pem"), key).unwrap();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let private = jsonwebtoken::EncodingKey::from_ec_der(&pair.serialize_der());
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, jsonwebtoken::Algorithm::ES256);
    let set = serde_json::json!({ "keys": [jwk.unwrap()] });
    fs::write(&keys, set.to_string()).unwrap();
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the configuration is right"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_block_nobody() {
    let kept = Kept::new();
    let troika = kept
        .between(kept.door(sandbox()))
        .env("TROIKA_GATEWAY__HEAD_TIMEOUT", "2s")
        .start();
    let client = kept.client();
    let mut silent = Vec::new();
    for place in [troika.gateway(), troika.chat()] {
        for _ in 0..100 {
            silent.push(TcpStream::connect(authority(place)).unwrap());
        }
    }
    let begun = Instant::now();
    let answer = client
        .get(format!("{}/ready", troika.gateway()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    // And they are let go of, those of the gateway after two seconds, those of chat after five.
    for stream in &mut silent {
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{:?}",
        begun.elapsed()
    );
    until("they are counted", SOON, async || {
        let figures = Exposition::of(troika.admin()).await;
        ["gateway", "services"].into_iter().all(|purpose| {
            figures
                .value(
                    "troika_tls_handshakes_failed_total",
                    &[("purpose", purpose)],
                )
                .is_some_and(|failed| failed >= 100.0)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_at_the_start_are_told_with_their_setting() {
    let kept = Kept::new();
    fs::remove_file(kept.file("key.pem")).unwrap();
    for (sandbox, setting) in [
        (kept.between(sandbox()), "tls.key: "),
        (kept.door(sandbox()), "gateway.tls.key: "),
    ] {
        let output = sandbox.run(&[]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(setting) && said.contains("it cannot be read"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_no_more() {
    let troika = sandbox()
        .limited()
        .env("TROIKA_GATEWAY__MAX_CONNECTIONS_PER_ADDRESS", "5")
        .start();
    let refused = async || {
        Exposition::of(troika.admin()).await.value(
            "troika_gateway_connections_refused_total",
            &[("reason", "address")],
        )
    };
    let asked = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(SOON)).unwrap();
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\nhost: g\r\n\r\n");
        let mut start = [0; 12];
        stream.read_exact(&mut start).map(|()| start)
    };
    let connect = || TcpStream::connect(authority(troika.gateway())).unwrap();
    let mut held: Vec<_> = (0..5).map(|_| connect()).collect();
    for stream in &mut held {
        assert_eq!(&asked(stream).unwrap(), b"HTTP/1.1 200");
    }
    assert!(asked(&mut connect()).is_err(), "the sixth is closed");
    assert_eq!(refused().await, Some(1.0));
    held.pop();
    until("there is room again", SOON, async || {
        asked(&mut connect()).is_ok()
    })
    .await;
}

/// A folder as Kubernetes makes one: links to a folder that is swapped whole.
fn publish(folder: &Path, version: &str, issued: &Issued) {
    issued.write(&folder.join(version));
    let link = folder.join("..data.new");
    std::os::unix::fs::symlink(version, &link).unwrap();
    fs::rename(link, folder.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_secret_is_followed_through_its_links() {
    let kept = Kept::new();
    let mount = kept.folder.path().join("mount");
    let issue = || kept.authority.issue(&["localhost"]);
    let first = issue();
    publish(&mount, "..2026_1", &first);
    for name in ["cert.pem", "key.pem"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), mount.join(name)).unwrap();
    }
    let troika = sandbox()
        .env(
            "TROIKA_GATEWAY__TLS__CERT",
            mount.join("cert.pem").to_str().unwrap(),
        )
        .env(
            "TROIKA_GATEWAY__TLS__KEY",
            mount.join("key.pem").to_str().unwrap(),
        )
        .start();
    assert!(kept.shows(troika.gateway(), &first));
    let second = issue();
    publish(&mount, "..2026_2", &second);
    until("the second certificate is shown", SOON, async || {
        kept.shows(troika.gateway(), &second)
    })
    .await;
}

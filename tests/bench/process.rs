//! The processes that are measured, and what the kernel says of them. Linux only: it reads /proc.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Kernel clock ticks a second, the unit of /proc/PID/stat: 100 on every Linux that runs Rust.
const TICKS: f64 = 100.0;

/// Provider, gateway and chat, each a process of its own; killed on drop.
pub(crate) struct Processes {
    children: Vec<Child>,
    /// The gateway, then chat.
    measured: [u32; 2],
    pub(crate) provider: String,
    pub(crate) gateway: String,
    _data: tempfile::TempDir,
}

impl Processes {
    /// Starts them and waits until the gateway is ready.
    pub(crate) async fn start(binary: &Path, pace: Duration) -> Self {
        Self::with(binary, pace, None).await
    }

    /// The same, and the speech role with Google at an address. Sentences are spoken one by one.
    pub(crate) async fn speaking(binary: &Path, pace: Duration, google: &str) -> Self {
        Self::with(binary, pace, Some(google)).await
    }

    async fn with(binary: &Path, pace: Duration, google: Option<&str>) -> Self {
        let data = tempfile::tempdir().unwrap_or_else(|error| crate::fail(&error.to_string()));
        let this = std::env::current_exe().unwrap_or_else(|error| crate::fail(&error.to_string()));
        let mut provider = Command::new(this);
        provider
            .arg("provider")
            .env("BENCH_PACE_MS", pace.as_millis().to_string());
        if google.is_some() {
            provider.env("BENCH_SENTENCES", "1");
        }
        let mut provider = spawn(&mut provider);
        let port = first_line(&mut provider);
        let provider_url = format!("http://127.0.0.1:{port}/v1");
        let troika = |role: &str| {
            let mut command = Command::new(binary);
            command
                .args(["run", role])
                .env("TROIKA_DATA_DIR", data.path())
                .env("RUST_LOG", "warn")
                .stderr(Stdio::null());
            command
        };
        let mut tts = google.map(|google| {
            spawn(
                troika("tts")
                    .env("TROIKA_TTS__LISTEN", "127.0.0.1:0")
                    .env("GOOGLE_CLOUD_CREDENTIALS", "anonymous")
                    .env("TROIKA_TTS__GOOGLE__ENDPOINT", google)
                    .env("TROIKA_TTS__ESPEAK__ENABLED", "false")
                    .env("TROIKA_TTS__PACE__AHEAD", "1h")
                    .env("TROIKA_TTS__QUOTA__CHIRP3_HD", "60000"),
            )
        });
        // Nobody asks for a voice where there is none.
        let tts_url = tts.as_mut().map_or_else(
            || "http://127.0.0.1:9".to_owned(),
            |tts| address(&first_line(tts), "tts"),
        );
        let mut chat = spawn(
            troika("chat")
                .env("TROIKA_CHAT__TTS__ADDRESS", &tts_url)
                .env("TROIKA_CHAT__LISTEN", "127.0.0.1:0")
                .env("OPENAI_BASE_URL", &provider_url)
                .env("TROIKA_CHAT__TURN__ANSWER_CHARACTERS", "2000"),
        );
        let chat_url = address(&first_line(&mut chat), "chat");
        let mut gateway = spawn(
            troika("gateway")
                .env("PORT", "0")
                .env("RATE_LIMIT_IP_WHITELIST", "127.0.0.0/8")
                .env("TROIKA_GATEWAY__CHAT", &chat_url),
        );
        let gateway_url = address(&first_line(&mut gateway), "gateway");
        let measured = [gateway.id(), chat.id()];
        let processes = Self {
            children: [provider, chat, gateway].into_iter().chain(tts).collect(),
            measured,
            provider: provider_url,
            gateway: gateway_url,
            _data: data,
        };
        processes.ready().await;
        processes
    }

    async fn ready(&self) {
        for _ in 0..100 {
            let answer = troika_tests::get(format!("{}/ready", self.gateway)).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        crate::fail("the gateway is not ready after 10 s");
    }

    /// CPU time so far, user and system: gateway, chat.
    pub(crate) fn cpu(&self) -> [Duration; 2] {
        self.measured.map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The command's name may hold spaces: fields are counted after its closing bracket.
            let fields: Vec<&str> = stat
                .rsplit_once(')')
                .map(|(_, rest)| rest.split_whitespace().collect())
                .unwrap_or_default();
            let ticks: f64 = [11, 12]
                .iter()
                .filter_map(|place| fields.get(*place)?.parse::<f64>().ok())
                .sum();
            Duration::from_secs_f64(ticks / TICKS)
        })
    }

    /// Resident bytes now: gateway, chat.
    pub(crate) fn resident(&self) -> [u64; 2] {
        self.measured.map(|pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0)
                * 1024
        })
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that is gone already needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| crate::fail(&error.to_string()))
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        let _ = BufReader::new(output).read_line(&mut line);
    }
    line.trim().to_owned()
}

/// The value of one key in a ready line.
fn address(line: &str, role: &str) -> String {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(role)?.strip_prefix('='))
        .map(str::to_owned)
        .unwrap_or_else(|| crate::fail(&format!("no address of {role} in the ready line {line:?}")))
}

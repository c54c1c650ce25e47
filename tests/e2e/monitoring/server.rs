//! A real Prometheus or Alertmanager, as a child process on a free port with a folder of its own, gone when the test ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

const START: Duration = Duration::from_secs(60);

pub(super) struct Server {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// Starts Prometheus with a configuration that may name rules in its folder.
    pub(super) fn prometheus(folder: TempDir) -> Self {
        let programs = ["prometheus"];
        let more = ["--enable-feature=exemplar-storage"];
        Self::start(folder, &programs, "--storage.tsdb.path", &more)
    }

    /// Starts Alertmanager, alone.
    pub(super) fn alertmanager(folder: TempDir) -> Self {
        // Debian has another name for it.
        let programs = ["alertmanager", "prometheus-alertmanager"];
        let more = ["--cluster.listen-address="];
        Self::start(folder, &programs, "--storage.path", &more)
    }

    /// Its configuration is `config.yml` in the folder, and so is all it keeps.
    fn start(folder: TempDir, programs: &[&str], data: &str, more: &[&str]) -> Self {
        let started = programs.iter().find_map(|program| {
            Command::new(program)
                .arg("--config.file=config.yml")
                .arg(format!("{data}=data"))
                .arg("--web.listen-address=127.0.0.1:0")
                .args(more)
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .ok()
        });
        let mut child =
            started.unwrap_or_else(|| panic!("no {programs:?}: tests/run installs it"));
        let log = BufReader::new(child.stderr.take().unwrap());
        let (told, listening) = mpsc::channel();
        thread::spawn(move || {
            let mut said = String::new();
            // Reads on to the end: a full pipe would stop it.
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, behind)) = line
                    .contains("Listening on")
                    .then(|| line.split_once("address="))
                    .flatten()
                {
                    let address = behind.split_whitespace().next().unwrap_or_default();
                    let _ = told.send(Ok(format!("http://{}", address.trim_matches('"'))));
                }
                said.push_str(&line);
                said.push('\n');
            }
            let _ = told.send(Err(said));
        });
        let address = match listening.recv_timeout(START) {
            Ok(Ok(address)) => address,
            Ok(Err(log)) => panic!("{programs:?} ended:\n{log}"),
            Err(_) => panic!("{programs:?} did not listen within {START:?}"),
        };
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// What its interface answers; nothing while it is not ready.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = url::Url::parse_with_params(&self.url(path), query).unwrap();
        match troika_tests::get(url.as_str()).await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with this configuration.
pub(super) fn configured(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("config.yml"), config);
    folder
}

pub(super) fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The text with one part exchanged, which must be there.
pub(super) fn exchanged(text: &str, part: &str, by: &str) -> String {
    assert!(text.contains(part), "no {part:?} in {text}");
    text.replace(part, by)
}

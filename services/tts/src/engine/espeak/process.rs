//! One run of espeak-ng: text in, sound out while it is made. It must not know limits in time.

use std::{
    error::Error as StdError,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdout, Command},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    engine::{EngineError, MAX_TEXT_BYTES, Utterance},
    pcm::Wav,
};

/// espeak-ng's own speed, in words a minute, and the limits of what it can do (espeak-ng(1), 1.51).
const WORDS_A_MINUTE: f64 = 175.0;
const SLOWEST: f64 = 80.0;
const FASTEST: f64 = 450.0;

/// Bytes that are read from a process at once: a third of a second of sound.
const READ: usize = 16 * 1024;

/// What went wrong with a process.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("espeak-ng ended with {0}")]
    Ended(ExitStatus),
    #[error("espeak-ng made no sound")]
    Silent,
    #[error("espeak-ng takes 1 to {MAX_TEXT_BYTES} bytes at once, not {0}")]
    Length(usize),
    #[error("the voice is not espeak-ng's")]
    ForeignVoice,
}

/// A process that speaks; dropping it kills the process.
pub(super) struct Speaking {
    child: Child,
    stdout: ChildStdout,
    /// None after the end.
    wav: Option<Wav>,
    sounded: bool,
    buffer: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

/// The program with nothing of this process's environment but what it needs to find itself and its data.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(
            ["PATH", "ESPEAK_DATA_PATH", "LD_LIBRARY_PATH"]
                .into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

impl Speaking {
    /// Starts a process as soon as there is a place for it, and hands over the text.
    pub(super) async fn start(
        program: &Path,
        places: &Arc<Semaphore>,
        utterance: &Utterance,
    ) -> Result<Self, EngineError> {
        let refused = |why| Err(EngineError::Refused(Arc::new(why)));
        let Some(voice) = utterance.voice.espeak_name() else {
            return refused(Failure::ForeignVoice);
        };
        if !(1..=MAX_TEXT_BYTES).contains(&utterance.text.len()) {
            return refused(Failure::Length(utterance.text.len()));
        }
        let place = places.clone().acquire_owned().await.map_err(unavailable)?;
        let mut child = command(program)
            .args(["--stdout", "--stdin", "-b", "1", "-v", voice, "-s"])
            .arg(words_a_minute(utterance.rate).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(unavailable)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unavailable(Failure::Silent));
        };
        // It fits into the pipe, so this waits for nobody. A process that ended already tells by its status.
        let _ = stdin.write_all(plain(&utterance.text).as_bytes()).await;
        drop(stdin);
        Ok(Self {
            child,
            stdout,
            wav: Some(Wav::default()),
            sounded: false,
            buffer: vec![0; READ],
            _place: place,
        })
    }

    /// The next sound; None after the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
        while let Some(wav) = &mut self.wav {
            let read = self
                .stdout
                .read(&mut self.buffer)
                .await
                .map_err(interrupted)?;
            let sound = if read > 0 {
                wav.push(&self.buffer[..read]).map_err(interrupted)?
            } else {
                self.end().await?
            };
            if !sound.is_empty() {
                self.sounded = true;
                return Ok(Some(sound.into()));
            }
        }
        if self.sounded {
            Ok(None)
        } else {
            Err(interrupted(Failure::Silent))
        }
    }

    /// What is left when the process closes its output.
    async fn end(&mut self) -> Result<Vec<u8>, EngineError> {
        let status = self.child.wait().await.map_err(interrupted)?;
        if !status.success() {
            let ended = Failure::Ended(status);
            return Err(if self.sounded {
                interrupted(ended)
            } else {
                unavailable(ended)
            });
        }
        let rest = self.wav.take().map(Wav::finish);
        rest.transpose()
            .map_err(interrupted)
            .map(Option::unwrap_or_default)
    }
}

/// Text as espeak-ng is to read it: `[[` would begin phonemes, and control characters mean nothing.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ").replace('[', "[ ")
}

/// Of a speed where 1 is espeak-ng's own. It cannot speak slower than 80 words a minute.
fn words_a_minute(rate: f64) -> u32 {
    // `as` of what is no number is 0; the limits stand before it.
    (rate * WORDS_A_MINUTE).clamp(SLOWEST, FASTEST).round() as u32
}

fn unavailable(error: impl StdError + Send + Sync + 'static) -> EngineError {
    EngineError::Unavailable(Arc::new(error))
}

fn interrupted(error: impl StdError + Send + Sync + 'static) -> EngineError {
    EngineError::Interrupted(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_becomes_words_a_minute_within_what_espeak_can() {
        assert_eq!(words_a_minute(1.0), 175);
        assert_eq!(words_a_minute(2.0), 350);
        assert_eq!(words_a_minute(0.5), 88);
        assert_eq!(words_a_minute(0.25), 80);
    }

    #[test]
    fn text_cannot_begin_phonemes() {
        assert_eq!(plain("[[h@'loU]]\u{0}\nok"), "[ [ h@'loU]]  ok");
        assert!(!plain("[[[[[").contains("[["));
    }
}

//! espeak-ng on this machine: a process for each utterance, so that there is a voice without any network.
//! It must not know which voice is tried when.
//!
//! A process gets its text on standard input, never among its arguments, where everybody on the machine
//! could read it, and none of this process's environment.

mod config;
mod process;

use std::{path::PathBuf, sync::Arc};

use async_stream::stream;
use futures::StreamExt as _;
use tokio::{sync::Semaphore, time::timeout};

pub use config::Config;

use super::{Engine, EngineError, Sound, Utterance};
use process::Speaking;

/// espeak-ng's voices. Cloning shares the limit of processes.
///
/// A process lives as long as its sound is read: one that nobody reads keeps its place among the processes
/// that may run at once.
#[derive(Clone, Debug)]
pub struct Espeak {
    config: Arc<Config>,
    places: Arc<Semaphore>,
}

impl Espeak {
    /// Looks whether espeak-ng is there: runs it once. None when it is switched off, not installed, or does
    /// not answer in the time for a first sound.
    pub async fn find(config: &Config) -> Option<Self> {
        if !config.enabled {
            return None;
        }
        let version = process::command(&config.program).arg("--version").status();
        match timeout(config.first_sound, version).await {
            Ok(Ok(status)) if status.success() => Some(Self {
                config: Arc::new(config.clone()),
                places: Arc::new(Semaphore::new(config.concurrency)),
            }),
            outcome => {
                tracing::debug!(?outcome, "espeak-ng does not run here");
                None
            }
        }
    }

    /// The program that speaks.
    pub fn program(&self) -> &PathBuf {
        &self.config.program
    }
}

impl Engine for Espeak {
    fn speak(&self, utterance: Utterance) -> Sound {
        let this = self.clone();
        stream! {
            let limit = this.config.first_sound;
            let begin = async {
                let mut speaking = Speaking::start(&this.config.program, &this.places, &utterance).await?;
                let first = speaking.next().await?;
                Ok((speaking, first))
            };
            let begun = timeout(limit, begin).await.unwrap_or(Err(EngineError::TimedOut(limit)));
            let (mut speaking, mut piece) = match begun {
                Ok(begun) => begun,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let silence = this.config.silence;
            while let Some(sound) = piece {
                yield Ok(sound);
                piece = match timeout(silence, speaking.next()).await {
                    Ok(Ok(next)) => next,
                    Ok(Err(error)) => {
                        yield Err(error);
                        return;
                    }
                    Err(_) => {
                        yield Err(EngineError::TimedOut(silence));
                        return;
                    }
                };
            }
        }
        .boxed()
    }
}

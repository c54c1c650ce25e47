//! The voice of one turn: text in as it is sent to the listener, sound out. Text never waits for it:
//! whatever becomes of the voice, giving it text returns at once. It must not know how the speech
//! service is called ([`crate::peers::tts`] does).

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream::BoxStream};
use tokio::{sync::mpsc, time::timeout};
use tonic::Status;
use tracing::warn;
use troika_proto::{
    chat::v1::Audio,
    tts::v1::{self as tts, speech_event::Event},
};
use troika_sentences::Segmenter;

use super::events::Notice;
use crate::peers::tts::switched_off;

/// A turn that is being spoken. Dropping it cancels what is not spoken yet.
pub(super) struct Voice {
    segmenter: Segmenter,
    /// Gone once the text is over.
    sentences: Option<mpsc::Sender<String>>,
    /// Gone once nothing more comes.
    sound: Option<BoxStream<'static, Result<Event, Status>>>,
    /// Longest wait for sound once the text is over.
    silence: Duration,
    chunks: u32,
    warned: bool,
}

/// Something for the listener.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// A piece of sound, numbered from 0 without gaps.
    Audio(Audio),
    /// Something is not heard; at most once a turn.
    Missing(Notice),
}

impl Voice {
    /// A voice over the speech service's stream.
    pub(super) fn new(
        language: &str,
        sentences: mpsc::Sender<String>,
        sound: impl Stream<Item = Result<Event, Status>> + Send + 'static,
        silence: Duration,
    ) -> Self {
        Self {
            segmenter: Segmenter::new(language),
            sentences: Some(sentences),
            sound: Some(sound.boxed()),
            silence,
            chunks: 0,
            warned: false,
        }
    }

    /// More of the answer's text.
    pub(super) fn say(&mut self, text: &str) {
        let sentences = self.segmenter.push(text);
        self.send(&sentences);
    }

    /// The text is over.
    pub(super) fn finish(&mut self) {
        let sentences = self.segmenter.finish();
        self.send(&sentences);
        self.sentences = None;
    }

    fn send(&self, sentences: &[troika_sentences::Sentence]) {
        let Some(sender) = &self.sentences else {
            return;
        };
        for spoken in sentences.iter().map(troika_sentences::Sentence::spoken) {
            // A service that takes nothing, or is gone, is told by its stream.
            if !spoken.is_empty() && sender.try_send(spoken.to_owned()).is_err() {
                return;
            }
        }
    }

    /// What is heard next; `None` when nothing more comes. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        loop {
            let sound = self.sound.as_mut()?;
            let told = if self.sentences.is_some() {
                sound.next().await
            } else {
                match timeout(self.silence, sound.next()).await {
                    Ok(told) => told,
                    Err(_) => {
                        warn!("the speech service fell silent");
                        return self.missing();
                    }
                }
            };
            match told {
                Some(Ok(Event::Audio(audio))) => return Some(Heard::Audio(self.numbered(audio))),
                Some(Ok(Event::Warning(warning))) => {
                    if let Some(missing) = self.missing_as(&warning.code) {
                        return Some(missing);
                    }
                }
                Some(Ok(Event::Finished(_))) => {
                    self.over();
                    return None;
                }
                Some(Err(status)) if switched_off(&status) => {
                    self.over();
                    return None;
                }
                Some(Err(status)) => {
                    warn!(code = ?status.code(), message = status.message(), "the speech service broke off");
                    return self.missing();
                }
                None => return self.missing(),
            }
        }
    }

    fn numbered(&mut self, audio: tts::Audio) -> Audio {
        let sequence = u64::from(self.chunks);
        self.chunks += 1;
        Audio {
            sequence,
            pcm: audio.pcm,
            text: audio.text,
            sentence: audio.sentence,
            last: audio.last,
        }
    }

    /// The stream ended before its time; nothing more will be heard.
    fn missing(&mut self) -> Option<Heard> {
        self.over();
        let code = if self.chunks == 0 {
            "voice_unavailable"
        } else {
            "voice_incomplete"
        };
        self.missing_as(code)
    }

    fn missing_as(&mut self, code: &str) -> Option<Heard> {
        let notice = match code {
            "voice_incomplete" => Notice::VoiceIncomplete,
            _ => Notice::VoiceUnavailable,
        };
        (!std::mem::replace(&mut self.warned, true)).then_some(Heard::Missing(notice))
    }

    fn over(&mut self) {
        self.sentences = None;
        self.sound = None;
    }
}

/// What a turn's voice says next; nothing ever, once it is silent. A voice that is over is taken away.
pub(super) async fn next(voice: &mut Option<Voice>) -> Heard {
    loop {
        match voice {
            None => std::future::pending().await,
            Some(speaking) => match speaking.next().await {
                Some(heard) => return heard,
                None => *voice = None,
            },
        }
    }
}

#[cfg(test)]
mod tests;

//! One event to its bytes. The framing is what naive clients need: an optional `id:` line, then
//! `event:` directly followed by one `data:` line, then a blank line, all in one piece of memory so
//! that it leaves in one write. It must not know HTTP, gRPC calls or time.

use std::{fmt::Write as _, io};

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use serde_json::ser::Formatter;
use troika_proto::chat::v1::{FinishReason, TurnEvent, turn_event::Event};

use crate::events;

/// What keeps an idle stream alive: a comment, which clients skip.
pub(crate) const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// What an `audio` event holds beside its sound and, twice, its text.
const AUDIO_FRAME: usize = 320;

/// What an encoded event means for the stream it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoded {
    /// The turn goes on.
    Progress,
    /// The turn is decided; a `close` with this reason is due.
    Terminal(&'static str),
    /// Nothing follows.
    Close,
    /// An event this gateway does not know yet: nothing was written.
    Unknown,
}

/// Appends the bytes of `event` to `buffer`, which holds nothing else.
pub(crate) fn encode(event: &TurnEvent, buffer: &mut BytesMut) -> Encoded {
    let Some(kind) = &event.event else {
        return Encoded::Unknown;
    };
    let id = Some((event.turn_id.as_str(), event.sequence));
    let timestamp = events::milliseconds(event.time.as_ref());
    match kind {
        Event::Text(text) => {
            let payload = events::Text {
                content: &text.content,
            };
            write(buffer, id, "text", &payload);
            Encoded::Progress
        }
        Event::Audio(audio) => {
            // Far longer than any other event: room for it at once, instead of by doubling.
            buffer.reserve(audio.pcm.len().div_ceil(3) * 4 + 2 * audio.text.len() + AUDIO_FRAME);
            write(buffer, id, "audio", &events::Audio::new(audio));
            Encoded::Progress
        }
        Event::Connected(connected) => {
            let payload = events::Connected {
                client_id: &connected.client_id,
                session_id: &connected.session_id,
                turn_id: &event.turn_id,
                timestamp,
                message: &connected.message,
            };
            write(buffer, id, "connected", &payload);
            Encoded::Progress
        }
        Event::Status(status) => {
            let payload = events::Status {
                status: &status.status,
                message: &status.message,
                timestamp,
            };
            write(buffer, id, "status", &payload);
            Encoded::Progress
        }
        Event::Metadata(metadata) => {
            let payload = events::Metadata {
                model: &metadata.model,
                action: metadata.action.as_deref(),
                calendly_url: metadata.calendly_url.as_deref(),
                timestamp,
            };
            write(buffer, id, "metadata", &payload);
            Encoded::Progress
        }
        Event::Suggestions(suggestions) => {
            let payload = events::Suggestions {
                items: &suggestions.items,
                suggestions: &suggestions.items,
                count: suggestions.items.len(),
            };
            write(buffer, id, "suggestions", &payload);
            Encoded::Progress
        }
        Event::Warning(warning) => {
            let payload = events::Warning {
                message: &warning.message,
                warning: &warning.message,
                code: &warning.code,
                timestamp,
            };
            write(buffer, id, "warning", &payload);
            Encoded::Progress
        }
        Event::Error(failure) => {
            let payload = events::Failure {
                message: &failure.message,
                error: &failure.message,
                code: &failure.code,
                can_retry: failure.can_retry,
                timestamp,
            };
            write(buffer, id, "error", &payload);
            Encoded::Terminal("error")
        }
        Event::Complete(complete) => {
            let payload = events::Complete::new(complete, &event.turn_id, timestamp);
            write(buffer, id, "complete", &payload);
            Encoded::Terminal(match complete.finish_reason() {
                FinishReason::Stopped => "stopped",
                _ => "complete",
            })
        }
        Event::Close(close) => {
            let payload = events::Close {
                reason: &close.reason,
                message: &close.message,
                timestamp,
            };
            write(buffer, id, "close", &payload);
            Encoded::Close
        }
    }
}

/// Appends an event that the gateway itself tells. It has no `id:` line: ids are places in the
/// turn as chat counted them, and this event has none there.
pub(crate) fn write_own<T: Serialize>(buffer: &mut BytesMut, name: &'static str, payload: &T) {
    write(buffer, None, name, payload);
}

fn write<T: Serialize>(
    buffer: &mut BytesMut,
    id: Option<(&str, u64)>,
    name: &'static str,
    payload: &T,
) {
    let start = buffer.len();
    if let Some((turn, sequence)) = id {
        buffer.put_slice(b"id: ");
        // A turn id is a UUID; anything that could end the line would change the event's shape.
        if turn.bytes().any(|byte| byte.is_ascii_control()) || !turn.is_ascii() {
            buffer.extend(turn.bytes().filter(u8::is_ascii_graphic));
        } else {
            buffer.put_slice(turn.as_bytes());
        }
        // Writing into a buffer that grows cannot fail.
        let _ = writeln!(buffer, ":{sequence}");
    }
    buffer.put_slice(b"event: ");
    buffer.put_slice(name.as_bytes());
    buffer.put_slice(b"\ndata: ");
    let mut serializer = serde_json::Serializer::with_formatter(Growing(buffer), SingleLine);
    if let Err(error) = payload.serialize(&mut serializer) {
        // Plain structs into growing memory: this is a defect, and half an event helps nobody.
        tracing::error!(%error, event = name, "an event could not be written");
        buffer.truncate(start);
        return;
    }
    buffer.put_slice(b"\n\n");
}

/// Writes into a buffer that grows; `BufMut::writer` would take the buffer's capacity in steps.
struct Growing<'a>(&'a mut BytesMut);

impl io::Write for Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compact JSON without the characters that some clients take for line ends. JSON escapes all
/// controls below U+0020 anyway; NEL, LINE SEPARATOR and PARAGRAPH SEPARATOR it does not, and
/// Python's `splitlines` among others cuts a line there.
struct SingleLine;

impl Formatter for SingleLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        if fragment.is_ascii() {
            return writer.write_all(fragment.as_bytes());
        }
        let mut written = 0;
        for (at, found) in fragment.match_indices(['\u{85}', '\u{2028}', '\u{2029}']) {
            writer.write_all(&fragment.as_bytes()[written..at])?;
            writer.write_all(match found {
                "\u{85}" => b"\\u0085",
                "\u{2028}" => b"\\u2028",
                _ => b"\\u2029",
            })?;
            written = at + found.len();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }
}

#[cfg(test)]
mod tests;

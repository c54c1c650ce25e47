//! The events of a turn that is none: a visitor who must sign in learns it where a widget looks for it.

use futures::{Stream, stream};
use troika_proto::chat::v1::{Close, Connected, Failure, TurnEvent, turn_event::Event};
use uuid::Uuid;

use super::events::Events;
use crate::{
    question::Question,
    quota::{NEED_AUTH, SIGN_IN},
};

/// The visitor must sign in.
pub(super) fn sign_in(
    turn: Uuid,
    question: &Question,
) -> impl Stream<Item = TurnEvent> + Send + use<> {
    let mut number = Events::of(turn);
    let events = [
        Event::Connected(Connected {
            client_id: Uuid::new_v4().to_string(),
            session_id: question.session.to_string(),
            message: "Connected.".into(),
        }),
        Event::Error(Failure {
            code: NEED_AUTH.into(),
            message: SIGN_IN.into(),
            can_retry: false,
        }),
        Event::Close(Close {
            reason: "error".into(),
            message: "The visitor must sign in.".into(),
        }),
    ];
    stream::iter(events.map(|event| number.next(event)))
}

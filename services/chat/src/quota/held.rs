//! Tokens held for one turn: whoever has it settles it, and dropping it settles it too. Knows nothing of how a turn goes.

use std::{sync::Arc, time::SystemTime};

use uuid::Uuid;

use super::{
    Month,
    remembered::Remembered,
    settling::{Job, Settling, Spent},
};
use crate::{bots::BotId, prompt::Prompt};

/// What is held for a turn, or nothing.
#[derive(Default)]
pub(crate) struct Held(Option<Inner>);

struct Inner {
    settling: Settling,
    remembered: Arc<Remembered>,
    turn: Uuid,
    bot: BotId,
    month: Month,
    tokens: u64,
    certain: bool,
    spent: Spent,
}

impl Held {
    /// Holds so many tokens for a turn, in this process's memory at once; whether the store does is not known yet.
    pub(super) fn new(
        settling: Settling,
        remembered: Arc<Remembered>,
        (turn, bot): (Uuid, BotId),
        tokens: u64,
        at: SystemTime,
    ) -> Self {
        remembered.hold(tokens);
        Self(Some(Inner {
            settling,
            remembered,
            turn,
            bot,
            month: Month::of(at),
            tokens,
            certain: false,
            spent: Spent::Nothing,
        }))
    }

    /// The store holds the tokens.
    pub(super) fn is_certain(&mut self) {
        if let Some(held) = &mut self.0 {
            held.certain = true;
        }
    }

    /// The store holds nothing, beyond doubt: there is nothing to settle.
    pub(super) fn is_nothing(&mut self) {
        if let Some(held) = self.0.take() {
            held.remembered.let_go(held.tokens, 0);
        }
    }

    /// A model is about to be asked: from now on the prompt counts, whatever becomes of the answer.
    pub(crate) fn asks(&mut self, prompt: &Prompt) {
        if let Some(held) = &mut self.0 {
            held.spent = Spent::Estimated {
                prompt: prompt.text(),
                answer: String::new(),
            };
        }
    }

    /// No model took the question.
    pub(crate) fn spares(&mut self) {
        if let Some(held) = &mut self.0 {
            held.spent = Spent::Nothing;
        }
    }

    /// Settles it by what the model counted, or else by what was asked and said. Never waits.
    pub(crate) fn settle(&mut self, counted: Option<u64>, said: &str) {
        let Some(mut held) = self.0.take() else {
            return;
        };
        if let Spent::Estimated { answer, .. } = &mut held.spent {
            match counted {
                Some(tokens) => held.spent = Spent::Counted(tokens),
                None => said.clone_into(answer),
            }
        }
        // Until the store is told, this process remembers what was used instead of what was held.
        let left = match &held.spent {
            Spent::Nothing => 0,
            Spent::Counted(tokens) => *tokens,
            Spent::Estimated { .. } => held.tokens,
        };
        held.remembered.let_go(held.tokens, 0);
        held.remembered.hold(left);
        held.settling.submit(Job {
            turn: held.turn,
            bot: held.bot,
            month: held.month,
            held: held.certain,
            reserved: left,
            spent: held.spent,
            remembered: held.remembered,
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.settle(None, "");
    }
}

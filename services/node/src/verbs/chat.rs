//! `troika chat`: a question, or a conversation, with the answer streaming into the terminal.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tonic::Streaming;
use troika_proto::chat::v1::{
    GetBotRequest, QueryRequest, StopRequest, TurnEvent, stop_request::Target as StopTarget,
};

use self::render::Renderer;
use crate::{
    client::{self, Peer, Target, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

mod render;

/// Who to ask what.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The answer goes to standard output, everything else to standard error. Without a question you talk in \
turns: a number asks a suggestion, Ctrl-C stops an answer, Ctrl-C or Ctrl-D at the prompt leaves. Questions can \
also come from a pipe, one a line.

Examples:
  troika chat 000000000000000000000001 \"What is troika?\"
  troika chat 000000000000000000000001
  troika chat 000000000000000000000001 --addr https://chat.example < questions.txt")]
pub(crate) struct Args {
    /// The bot's id: 24 hex digits
    bot: String,
    /// What to ask; without it you talk in turns
    question: Option<String>,
    /// Go on with a conversation: its UUID
    #[arg(long, value_name = "UUID")]
    session: Option<String>,
    /// Answer in this language, such as hi-IN; the bot's own when absent
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Asks, and prints the answer as it comes.
///
/// # Errors
/// When the answer does not come whole; with the exit code for interruption when Ctrl-C ended it.
pub(crate) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::because(Exit::Failed, "Ctrl-C cannot be received", &error))?;
    let mut talk = Talk {
        chat: args.target.chat(config)?,
        bot: args.bot,
        session: args.session,
        language: args.language,
        interrupts,
    };
    match args.question {
        Some(question) => match talk.ask(question).await? {
            Answer { stopped: true, .. } => Err(Failure::silent(Exit::Interrupted)),
            Answer { suggestions, .. } => {
                suggest(&suggestions);
                Ok(())
            }
        },
        None => talk.in_turns().await,
    }
}

/// One conversation.
struct Talk {
    chat: Peer,
    bot: String,
    session: Option<String>,
    language: Option<String>,
    interrupts: Signal,
}

/// An answer that came to its end.
struct Answer {
    suggestions: Vec<String>,
    stopped: bool,
}

impl Talk {
    async fn in_turns(&mut self) -> Result<(), Failure> {
        let request = within(
            client::SHORT,
            GetBotRequest {
                id: self.bot.clone(),
            },
        );
        let bot = self
            .chat
            .bots()
            .get_bot(request)
            .await
            .map_err(|status| self.chat.failure(&status))?;
        let name = bot.into_inner().bot.map(|bot| bot.name).unwrap_or_default();
        let typed = output::stdin_is_terminal();
        if typed {
            output::aside(&format!(
                "You are talking to {}. Ctrl-C stops an answer, Ctrl-D leaves.",
                output::printable(&name)
            ));
        }
        let mut lines = lines_of_stdin();
        let mut suggestions = Vec::new();
        loop {
            if typed {
                output::aside_piece("\n> ");
            }
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = self.interrupts.recv() => None,
            };
            let Some(line) = line else {
                if typed {
                    output::aside("");
                }
                return Ok(());
            };
            let question = chosen(line.trim(), &suggestions);
            if question.is_empty() {
                continue;
            }
            match self.ask(question).await {
                Ok(answer) => {
                    suggest(&answer.suggestions);
                    suggestions = answer.suggestions;
                }
                // A person can ask again; a pipe cannot.
                Err(failure)
                    if typed
                        && matches!(
                            failure.exit(),
                            Exit::Failed | Exit::Usage | Exit::Interrupted
                        ) =>
                {
                    let _ = failure.report();
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One turn. Ctrl-C stops it: the role is told, and what it still says is shown; a second one leaves
    /// without waiting.
    async fn ask(&mut self, question: String) -> Result<Answer, Failure> {
        let request = QueryRequest {
            query: question,
            chatbot_id: self.bot.clone(),
            session_id: self.session.clone(),
            language: self.language.clone(),
            ..QueryRequest::default()
        };
        let mut renderer = Renderer::new();
        let mut client = self.chat.conversations();
        let mut events = tokio::select! {
            response = client.query(request) => response.map_err(|status| self.chat.failure(&status))?.into_inner(),
            _ = self.interrupts.recv() => return Err(Failure::silent(Exit::Interrupted)),
        };
        self.follow(&mut events, &mut renderer).await?;
        renderer.finish()
    }

    async fn follow(
        &mut self,
        events: &mut Streaming<TurnEvent>,
        renderer: &mut Renderer,
    ) -> Result<(), Failure> {
        let mut stopping = false;
        loop {
            tokio::select! {
                event = events.message() => match event {
                    Ok(Some(event)) => {
                        renderer.show(event)?;
                        if self.session.is_none() {
                            self.session = renderer.session().map(str::to_owned);
                        }
                    }
                    Ok(None) => return Ok(()),
                    Err(status) => {
                        renderer.break_line();
                        let failure = self.chat.failure(&status);
                        return Err(match failure.exit() {
                            // It answered before.
                            Exit::Unreachable => Failure::new(
                                Exit::Unreachable,
                                format!("the chat role at {} went away during the answer", self.chat.address()),
                            ),
                            _ => failure,
                        });
                    }
                },
                _ = self.interrupts.recv() => {
                    let turn = renderer.turn().filter(|_| !stopping).map(str::to_owned);
                    if !self.stop(turn).await {
                        renderer.break_line();
                        return Err(Failure::silent(Exit::Interrupted));
                    }
                    stopping = true;
                }
            }
        }
    }

    /// Tells the role to stop a turn; false when that cannot be done and only leaving is left.
    async fn stop(&self, turn: Option<String>) -> bool {
        let Some(turn) = turn else { return false };
        let request = within(
            client::SHORT,
            StopRequest {
                target: Some(StopTarget::TurnId(turn)),
            },
        );
        self.chat.conversations().stop(request).await.is_ok()
    }
}

/// Shows what could be asked next.
fn suggest(suggestions: &[String]) {
    for (index, suggestion) in suggestions.iter().enumerate() {
        output::aside(&format!(
            "  {}. {}",
            index + 1,
            output::printable(suggestion)
        ));
    }
}

/// The suggestion that a number stands for, else the line itself.
fn chosen(line: &str, suggestions: &[String]) -> String {
    let suggestion = line
        .parse::<usize>()
        .ok()
        .and_then(|number| suggestions.get(number.checked_sub(1)?));
    suggestion.cloned().unwrap_or_else(|| line.to_owned())
}

/// Lines from a thread of their own: reading standard input cannot be cancelled, and must not keep the
/// process from leaving.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_asks_the_suggestion_it_stands_before() {
        let suggestions = ["How?".to_owned(), "Why?".to_owned()];
        assert_eq!(chosen("2", &suggestions), "Why?");
        assert_eq!(chosen("0", &suggestions), "0");
        assert_eq!(chosen("3", &suggestions), "3");
        assert_eq!(chosen("What?", &suggestions), "What?");
    }
}

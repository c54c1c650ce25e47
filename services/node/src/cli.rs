//! The command line: its verbs, its global options and the help that teaches them. The arguments of
//! a verb stand beside the verb. It must not do anything.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::verbs::{
    admin, alert, audit, bots, chat, check, flags, knowledge, read_document, rollout, say, token,
    top,
};

const EXAMPLES: &str = "\
Start here:
  troika                                   run everything on this machine, no server needed
  troika chat 000000000000000000000001     talk to the demo bot from a second terminal
  troika say \"Hello.\" --out hello.wav      hear the voice

Sign in on the pages for administrators:
  troika admin create --email you@shop.example

With a real model, a real database, a real cache:
  OPENAI_API_KEY=… troika                              api.openai.com
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 troika      any OpenAI-compatible server
  GOOGLE_CLOUD_CREDENTIALS=key.json troika             Google's voices
  MONGODB_URI=mongodb://127.0.0.1:27017/troika REDIS_URL=redis://127.0.0.1:6379 troika

As separate processes:
  troika run metrics
  troika run flags
  troika run tts
  troika run chat
  troika run gateway

Every setting can stand in troika.toml or in the environment; `troika config` shows them all.
A key such as chat.model.first_token is TROIKA_CHAT__MODEL__FIRST_TOKEN in the environment.

Exit codes:
  0  done
  1  failed
  2  wrong usage, or a wrong configuration
  3  the role that was asked does not answer
  4  no such bot, document, flag, rollout or account
  130  ended by Ctrl-C";

/// The production backend of a streaming chatbot; without a command, every role in one process.
#[derive(Debug, Parser)]
#[command(name = "troika", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration file; troika.toml in this folder when there is one
    #[arg(
        long,
        global = true,
        env = "TROIKA_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run one role in this process
    #[command(after_help = "\
Examples:
  troika run chat
  PORT=8080 TROIKA_GATEWAY__CHAT=http://chat.internal:50051 troika run gateway

A role prints one line that begins with `ready` on standard output once it can serve, and its log on \
standard error. SIGTERM or Ctrl-C drains it: running answers may finish; a second one ends it at once.")]
    Run {
        /// Which one
        role: Role,
    },
    /// Print the configuration that is in force, secrets redacted
    #[command(after_help = "\
The output is TOML and can be saved as troika.toml (put the secrets back in, or better into the \
environment). On problems it names every one of them, with the key and the environment name that sets it, and \
ends with 2.

Examples:
  troika config
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 troika config
  troika config --config production.toml")]
    Config,
    /// Ask a bot, with the answer streaming into the terminal
    Chat(chat::Args),
    /// Speak a text into an audio file
    Say(say::Args),
    /// Create, list, show, change and delete bots
    #[command(subcommand)]
    Bots(bots::Verb),
    /// Import, list and delete what a bot knows
    #[command(subcommand)]
    Knowledge(knowledge::Verb),
    /// List, switch, change and explain feature flags
    #[command(subcommand)]
    Flags(flags::Verb),
    /// Roll a feature out step by step, advanced and rolled back by evidence
    #[command(subcommand)]
    Rollout(rollout::Verb),
    /// Create, list, change and delete the accounts of those who run the system
    #[command(subcommand)]
    Admin(admin::Verb),
    /// Show the live figures in the terminal
    Top(top::Args),
    /// List, test and silence alerts
    #[command(subcommand)]
    Alert(alert::Verb),
    /// Show who changed what, and whether the log of it is whole
    Audit(audit::Args),
    /// Check what a deployment needs; ends with a code other than 0 when something is missing
    #[command(subcommand)]
    Check(check::Check),
    /// Sign a token and print it alone on standard output
    Token(token::Args),
    /// Read a document from standard input: what the chat role starts for each one
    #[command(hide = true)]
    ReadDocument(read_document::Args),
}

/// A part of the system that can run as a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Conversations, bots and knowledge, over gRPC
    Chat,
    /// Speech, over gRPC
    Tts,
    /// Feature flags and rollouts, over gRPC
    Flags,
    /// Figures of what happened, over gRPC
    Metrics,
    /// The edge: HTTP and event streams for browsers and scripts
    Gateway,
}

impl Role {
    /// Every role, those before that others ask.
    pub(crate) const ALL: [Self; 5] = [
        Self::Metrics,
        Self::Flags,
        Self::Tts,
        Self::Chat,
        Self::Gateway,
    ];

    /// The name on the command line and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Tts => "tts",
            Self::Flags => "flags",
            Self::Metrics => "metrics",
            Self::Gateway => "gateway",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_verb_means_every_role() {
        assert!(Cli::parse_from(["troika"]).verb.is_none());
    }

    #[test]
    fn global_options_stand_before_or_after_the_verb() {
        for line in [
            ["troika", "--config", "a.toml", "config"],
            ["troika", "config", "--config", "a.toml"],
        ] {
            assert_eq!(Cli::parse_from(line).config, Some(PathBuf::from("a.toml")));
        }
    }
}

//! `troika admin`: the accounts of those who run the system, as tables for people and JSON for scripts.

use serde_json::json;
use troika_proto::accounts::v1::{
    Account, AccountRole, CreateAccountRequest, DeleteAccountRequest, ListAccountsRequest,
    UpdateAccountRequest,
};

use self::{password::Source, view::View};
use crate::{
    client::{FlagsTarget, Peer, SHORT, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

mod password;
mod view;

/// What to do with accounts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Make an account and print it; the first one is a super admin, who can change accounts
    #[command(after_help = "\
The password is asked for twice on a terminal; scripts hand it over in a file or on standard input, never as an \
argument, which others on this machine could see. It needs 12 to 256 characters.

Examples:
  troika admin create --email ada@shop.example
  troika admin create --email bob@shop.example --super
  troika admin create --email bob@shop.example --password-file bob.txt
  pass show troika/bob | troika admin create --email bob@shop.example --password-stdin --json")]
    Create {
        /// Whose it is: the address to sign in with
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// May change accounts too
        #[arg(long = "super")]
        is_super: bool,
        #[command(flatten)]
        password: Source,
        #[command(flatten)]
        common: Common,
    },
    /// List all accounts
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Set another password; who is signed in with the account is signed out
    #[command(after_help = "\
Works without the old password, and while the account has to wait after wrong ones.

Examples:
  troika admin password ada@shop.example
  troika admin password ada@shop.example --password-file ada.txt")]
    Password {
        /// Its address, or its id
        account: String,
        #[command(flatten)]
        password: Source,
        #[command(flatten)]
        common: Common,
    },
    /// Let an account sign in again
    Enable {
        /// Its address, or its id
        account: String,
        #[command(flatten)]
        common: Common,
    },
    /// Keep an account from signing in; who is signed in with it is signed out
    Disable {
        /// Its address, or its id
        account: String,
        #[command(flatten)]
        common: Common,
    },
    /// Delete an account
    Delete {
        /// Its address, or its id
        account: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        common: Common,
    },
}

/// What every verb about accounts takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    role: FlagsTarget,
}

/// Carries the verb out.
///
/// # Errors
/// What the flags role refuses, and when it does not answer.
pub(crate) async fn run(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::Create {
            email,
            is_super,
            password,
            common,
        } => {
            let flags = common.role.peer(config)?;
            let asked = CreateAccountRequest {
                password: password.read(&email)?,
                email,
                role: if is_super {
                    AccountRole::SuperAdmin
                } else {
                    AccountRole::Admin
                }
                .into(),
            };
            let created = flags
                .accounts()
                .create_account(within(SHORT, asked))
                .await
                .map_err(|status| flags.failure(&status))?;
            let account = created.into_inner().account;
            let made_super = account
                .as_ref()
                .is_some_and(|account| account.role() == AccountRole::SuperAdmin);
            print(account, common.json)?;
            if made_super && !is_super {
                output::aside("it is the first account, and a super admin: somebody has to be");
            }
            Ok(())
        }
        Verb::List { common } => list(&common.role.peer(config)?, common.json).await,
        Verb::Password {
            account,
            password,
            common,
        } => {
            let flags = common.role.peer(config)?;
            let found = find(&flags, &account).await?;
            let change = UpdateAccountRequest {
                password: Some(password.read(&found.email)?),
                ..of(found)
            };
            update(&flags, change, common.json).await
        }
        Verb::Enable { account, common } => {
            let flags = common.role.peer(config)?;
            let change = UpdateAccountRequest {
                enabled: Some(true),
                ..of(find(&flags, &account).await?)
            };
            update(&flags, change, common.json).await
        }
        Verb::Disable { account, common } => {
            let flags = common.role.peer(config)?;
            let change = UpdateAccountRequest {
                enabled: Some(false),
                ..of(find(&flags, &account).await?)
            };
            update(&flags, change, common.json).await
        }
        Verb::Delete {
            account,
            yes,
            common,
        } => {
            let flags = common.role.peer(config)?;
            let Account { id, email, .. } = find(&flags, &account).await?;
            if !yes {
                confirm(&email)?;
            }
            flags
                .accounts()
                .delete_account(within(SHORT, DeleteAccountRequest { id: id.clone() }))
                .await
                .map_err(|status| flags.failure(&status))?;
            if common.json {
                output::json(&json!({ "id": id, "email": email }))
            } else {
                output::line(&format!("deleted {}", output::printable(&email)))
            }
        }
    }
}

/// A change of nothing yet.
fn of(account: Account) -> UpdateAccountRequest {
    UpdateAccountRequest {
        id: account.id,
        ..UpdateAccountRequest::default()
    }
}

async fn all(flags: &Peer) -> Result<Vec<Account>, Failure> {
    let listed = flags
        .accounts()
        .list_accounts(within(SHORT, ListAccountsRequest {}))
        .await
        .map_err(|status| flags.failure(&status))?;
    Ok(listed.into_inner().accounts)
}

async fn find(flags: &Peer, named: &str) -> Result<Account, Failure> {
    let named = named.trim().to_lowercase();
    let found = all(flags)
        .await?
        .into_iter()
        .find(|account| account.email == named || account.id == named);
    found.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no account `{named}`"))
            .with_detail("`troika admin list` shows all of them")
    })
}

async fn update(flags: &Peer, change: UpdateAccountRequest, json: bool) -> Result<(), Failure> {
    let updated = flags
        .accounts()
        .update_account(within(SHORT, change))
        .await
        .map_err(|status| flags.failure(&status))?;
    print(updated.into_inner().account, json)
}

async fn list(flags: &Peer, json: bool) -> Result<(), Failure> {
    let accounts: Vec<View> = all(flags).await?.into_iter().map(View::from).collect();
    if json {
        return output::json(&accounts);
    }
    if accounts.is_empty() {
        output::aside(
            "there are no accounts; `troika admin create --email ADDRESS` makes the first one",
        );
    }
    output::table(&View::HEADER, accounts.iter().map(View::row))
}

fn print(account: Option<Account>, json: bool) -> Result<(), Failure> {
    let account = account.map(View::from).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "the flags role answered without the account: it is of another version",
        )
    })?;
    if json {
        output::json(&account)
    } else {
        output::table(&View::HEADER, [account.row()])
    }
}

fn confirm(email: &str) -> Result<(), Failure> {
    let email = output::printable(email);
    if !output::stdin_is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            format!("deleting {email} cannot be undone: confirm it with --yes"),
        ));
    }
    output::aside_piece(&format!("Delete the account of {email}? [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "nothing was deleted"))
    }
}

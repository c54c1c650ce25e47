//! Where a password comes from: a terminal, a file or standard input, and never an argument. It must not know which
//! passwords are good.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use crate::{
    exit::{Exit, Failure},
    output,
};

/// Far more than a password may have.
const LARGEST: u64 = 64 * 1024;

/// Where the password is.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Source {
    /// The file that holds the password; a line break at its end does not count
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input; a line break at its end does not count
    #[arg(long)]
    password_stdin: bool,
}

impl Source {
    /// The password, which on a terminal is asked for twice.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or it was typed in two ways.
    pub(super) fn read(&self, email: &str) -> Result<String, Failure> {
        match &self.password_file {
            Some(path) => {
                let what = format!("{} cannot be read", path.display());
                let text = File::open(path).and_then(text);
                text.map_err(|error| Failure::because(Exit::Usage, &what, &error))
            }
            None if self.password_stdin => text(io::stdin().lock()).map_err(|error| {
                Failure::because(Exit::Usage, "standard input cannot be read", &error)
            }),
            None if output::stdin_is_terminal() => asked(email),
            None => Err(
                Failure::new(Exit::Usage, "there is nobody to ask for the password")
                    .with_detail("hand it over with --password-stdin or --password-file FILE"),
            ),
        }
    }
}

fn asked(email: &str) -> Result<String, Failure> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::because(Exit::Failed, "the password cannot be read", &error))
    };
    let email = output::printable(email);
    let password = ask(format!(
        "New password for {email} (12 characters or more): "
    ))?;
    if password != ask("The same again: ".to_owned())? {
        return Err(Failure::new(
            Exit::Usage,
            "these were two different passwords: nothing was changed",
        ));
    }
    Ok(password)
}

/// Everything up to one line break at the end.
fn text(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(LARGEST).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_does_not_count() {
        for (written, password) in [
            ("meadow piston\n", "meadow piston"),
            ("meadow piston\r\n", "meadow piston"),
            ("meadow piston", "meadow piston"),
            ("meadow piston \n\n", "meadow piston \n"),
            ("", ""),
        ] {
            assert_eq!(text(written.as_bytes()).unwrap(), password);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage() {
        let source = Source {
            password_file: Some(PathBuf::from("/nowhere/at/all")),
            ..Source::default()
        };
        let failure = source.read("ada@shop.example").unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
    }
}

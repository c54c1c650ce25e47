//! Reads a document in a process of its own. Readers of PDF, Word and HTML are large and were not written for
//! files made to break them: some kilobytes may ask for gigabytes, or for more stack than there is, which no
//! process survives. The process that reads has a bound on its memory and its time, opens no file, no connection
//! and writes nothing, knows no secret of its parent's environment, and dies alone. It must not know what
//! the documents are for.

use std::{
    io::{self, Read as _, Write as _},
    panic::catch_unwind,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use bytesize::ByteSize;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};
use tracing::error;

use super::{DocumentError, Format, text_of};

/// The command that the program takes for reading: its format, then the most bytes of a document, the most bytes of
/// memory, and the seconds it may take.
pub const VERB: &str = "read-document";

/// What the answer holds beside the text.
const FRAME: u64 = 4096;

/// What the process that reads says.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Text(String),
    Empty,
    NoText,
    TooLarge,
    Encrypted,
    NotUtf8,
    Malformed(String),
}

/// Where documents are read.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    program: PathBuf,
    memory: ByteSize,
    time: Duration,
}

impl Apart {
    /// By a program that takes [`VERB`], in so much memory and time.
    pub(super) fn new(program: &Path, memory: ByteSize, time: Duration) -> Self {
        Self {
            program: program.to_owned(),
            memory,
            time,
        }
    }

    /// The text of a document. Dropping the call ends the process.
    pub(super) async fn read(
        &self,
        format: Format,
        document: Bytes,
        limit: ByteSize,
    ) -> Result<String, DocumentError> {
        let answer = self.ask(format, document, limit).await.map_err(|error| {
            error!(%error, "no process for reading documents could be started");
            DocumentError::NoReader
        })?;
        let malformed = |problem: String| DocumentError::Malformed {
            format: format.name(),
            problem: problem.into(),
        };
        let Some(answer) = answer else {
            return Err(malformed(
                "reading it takes more than a document may".into(),
            ));
        };
        match postcard::from_bytes(&answer) {
            Ok(Told::Text(text)) => Ok(text),
            Ok(Told::Empty) => Err(DocumentError::Empty),
            Ok(Told::NoText) => Err(DocumentError::NoText),
            Ok(Told::TooLarge) => Err(DocumentError::TooLarge(limit)),
            Ok(Told::Encrypted) => Err(DocumentError::Encrypted),
            Ok(Told::NotUtf8) => Err(DocumentError::NotUtf8),
            Ok(Told::Malformed(problem)) => Err(malformed(problem)),
            Err(_) => Err(malformed("its structure is damaged".into())),
        }
    }

    /// What the process said; nothing when it did not live to say it.
    async fn ask(
        &self,
        format: Format,
        document: Bytes,
        limit: ByteSize,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut child = Command::new(&self.program)
            .arg(VERB)
            .arg(format.ending())
            .arg(limit.as_u64().to_string())
            .arg(self.memory.as_u64().to_string())
            .arg(self.time.as_secs().max(1).to_string())
            .env_clear()
            // Threads and their arenas take memory that is better spent on the document.
            .env("RAYON_NUM_THREADS", "1")
            .env("TOKIO_WORKER_THREADS", "1")
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a library prints may quote the document.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let sending = async {
            if let Some(mut input) = input {
                // Who has read enough, or died, takes no more.
                let _ = input.write_all(&document).await;
                let _ = input.shutdown().await;
            }
        };
        let receiving = async {
            let mut told = Vec::new();
            if let Some(output) = output {
                let most = limit.as_u64().saturating_add(FRAME);
                output.take(most).read_to_end(&mut told).await?;
            }
            io::Result::Ok(told)
        };
        let ((), told) = tokio::join!(sending, receiving);
        let told = told?;
        let status = child.wait().await?;
        Ok(status.success().then_some(told))
    }
}

/// The process that reads: gives up what it does not need, takes a document of so many bytes at most from standard
/// input and writes what is in it to standard output, in so many bytes of memory and seconds of the processor.
///
/// # Errors
/// When the bounds cannot be set, or nobody sends or listens.
pub fn serve(format: Format, most: u64, memory: u64, seconds: u64) -> io::Result<()> {
    let limit = ByteSize(most);
    confine(memory, seconds)?;
    let mut document = Vec::new();
    io::stdin()
        .lock()
        .take(most.saturating_add(1))
        .read_to_end(&mut document)?;
    let read = catch_unwind(|| text_of(format, &document, limit));
    let told = match read {
        Ok(Ok(text)) => Told::Text(text),
        Ok(Err(DocumentError::Empty)) => Told::Empty,
        Ok(Err(DocumentError::NoText)) => Told::NoText,
        Ok(Err(DocumentError::TooLarge(_))) => Told::TooLarge,
        Ok(Err(DocumentError::Encrypted)) => Told::Encrypted,
        Ok(Err(DocumentError::NotUtf8)) => Told::NotUtf8,
        Ok(Err(DocumentError::Malformed { problem, .. })) => Told::Malformed(problem.into_owned()),
        // Readers of PDF panic on some files; the others are the parent's own words.
        Ok(Err(_)) | Err(_) => Told::Malformed("its structure is damaged".to_owned()),
    };
    let told = postcard::to_stdvec(&told).map_err(io::Error::other)?;
    io::stdout().lock().write_all(&told)
}

/// From here on the process is bounded, and what is not open already is out of its reach.
fn confine(memory: u64, seconds: u64) -> io::Result<()> {
    // Where memory runs out for all, this process is the one to go. Not everywhere there is such a file.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let bounds = [
        (Resource::Data, memory),
        (Resource::Cpu, seconds.max(1)),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, 0),
    ];
    for (resource, bound) in bounds {
        let limit = Rlimit {
            current: Some(bound),
            maximum: Some(bound),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

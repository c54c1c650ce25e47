//! PDF to text. Knows pdf-extract and the lopdf it brings; panics of theirs are caught by the caller.

use std::{
    collections::HashSet,
    io::{Error, Read, Write},
};

use bytesize::ByteSize;
use flate2::read::ZlibDecoder;
use pdf_extract::{
    Dictionary, Document, Error as PdfError, LoadOptions, Object, ObjectId, OutputError,
    PlainTextOutput, Stream, content::Content, output_doc,
};

use super::{DocumentError, Format};

/// Forms drawn by forms: extraction recurses into them, and the stack is finite.
const DEEPEST_FORM: usize = 12;

/// One stream unpacked, in bytes. A page of text takes some thousands.
const LARGEST_STREAM: u64 = 64 << 20;

/// The text of the pages, in the order of the file's drawing, up to `limit`.
pub(super) fn text(document: &[u8], limit: ByteSize) -> Result<String, DocumentError> {
    let start = &document[..document.len().min(1024)];
    if !start.windows(5).any(|window| window == b"%PDF-") {
        return Err(malformed("it does not begin like one"));
    }
    let options = LoadOptions {
        filter: Some(unless_oversized),
        ..LoadOptions::default()
    };
    let mut document = Document::load_mem_with_options(document, options).map_err(named)?;
    if document.is_encrypted() {
        // Many are locked against changes only, and open with an empty password.
        document.decrypt("").map_err(|_| DocumentError::Encrypted)?;
    }
    for page in document.get_pages().into_values() {
        check_forms(&document, page)?;
    }
    let mut text = Bounded {
        bytes: Vec::new(),
        most: limit.as_u64(),
    };
    let mut output = PlainTextOutput::new(&mut text as &mut dyn Write);
    output_doc(&document, &mut output).map_err(|error| match error {
        OutputError::PdfError(error) => named(error),
        // Only the bound refuses to write.
        OutputError::FormatError(_) | OutputError::IoError(_) => DocumentError::TooLarge(limit),
    })?;
    Ok(String::from_utf8_lossy(&text.bytes).into_owned())
}

/// Takes text up to a bound: forms drawn over and over make much of a small file.
struct Bounded {
    bytes: Vec<u8>,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, text: &[u8]) -> Result<usize, Error> {
        if (self.bytes.len() + text.len()) as u64 > self.most {
            return Err(Error::other("more text than allowed"));
        }
        self.bytes.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn malformed(problem: &'static str) -> DocumentError {
    DocumentError::Malformed {
        format: Format::Pdf.name(),
        problem: problem.into(),
    }
}

fn named(error: PdfError) -> DocumentError {
    match error {
        PdfError::Decryption(_)
        | PdfError::InvalidPassword
        | PdfError::UnsupportedSecurityHandler(_) => DocumentError::Encrypted,
        _ => malformed("its structure is damaged"),
    }
}

/// Leaves out streams that unpack to more than [`LARGEST_STREAM`]: a few kilobytes can hold
/// gigabytes. The streams of an encrypted file do not pass here.
fn unless_oversized(id: ObjectId, object: &mut Object) -> Option<(ObjectId, Object)> {
    if object.as_stream().is_ok_and(unpacks_too_large) {
        None
    } else {
        Some((id, object.clone()))
    }
}

fn unpacks_too_large(stream: &Stream) -> bool {
    let deflated = stream
        .filters()
        .is_ok_and(|filters| filters.contains(&b"FlateDecode".as_slice()));
    // Deflate packs 1 to 1032 at best: small streams need no trial.
    if !deflated || stream.content.len() as u64 * 1032 <= LARGEST_STREAM {
        return false;
    }
    let mut unpacked = ZlibDecoder::new(stream.content.as_slice()).take(LARGEST_STREAM + 1);
    std::io::copy(&mut unpacked, &mut std::io::sink()).is_ok_and(|size| size > LARGEST_STREAM)
}

/// Refuses a page whose forms draw each other in a circle or too deeply: pdf-extract follows them by
/// recursion, without a bound of its own.
fn check_forms(document: &Document, page: ObjectId) -> Result<(), DocumentError> {
    let unreadable = |_| malformed("a page cannot be read");
    let content = document.get_page_content(page).map_err(unreadable)?;
    let (own, inherited) = document.get_page_resources(page).map_err(unreadable)?;
    let resources = own.or_else(|| {
        inherited
            .first()
            .and_then(|id| document.get_dictionary(*id).ok())
    });
    let Some(resources) = resources else {
        return Ok(());
    };
    let mut seen = HashSet::new();
    let mut waiting: Vec<(Vec<u8>, &Dictionary, usize)> = vec![(content, resources, 0)];
    while let Some((content, resources, depth)) = waiting.pop() {
        if depth > DEEPEST_FORM {
            return Err(malformed("its forms are nested too deeply"));
        }
        for name in drawn(&content) {
            let Some(form) = form(document, resources, &name) else {
                continue;
            };
            let resources = form
                .dict
                .get_deref(b"Resources", document)
                .and_then(Object::as_dict)
                .unwrap_or(resources);
            // The same form at the same depth leads to the same places: each is walked once.
            if seen.insert((
                std::ptr::from_ref(form),
                std::ptr::from_ref(resources),
                depth,
            )) {
                let content = form
                    .decompressed_content()
                    .unwrap_or_else(|_| form.content.clone());
                waiting.push((content, resources, depth + 1));
            }
        }
    }
    Ok(())
}

/// The names of what a content stream draws.
fn drawn(content: &[u8]) -> Vec<Vec<u8>> {
    let operations = Content::decode(content)
        .map(|content| content.operations)
        .unwrap_or_default();
    operations
        .iter()
        .filter(|operation| operation.operator == "Do")
        .filter_map(|operation| {
            operation
                .operands
                .first()?
                .as_name()
                .ok()
                .map(<[u8]>::to_vec)
        })
        .collect()
}

fn form<'a>(document: &'a Document, resources: &'a Dictionary, name: &[u8]) -> Option<&'a Stream> {
    let objects = resources
        .get_deref(b"XObject", document)
        .and_then(Object::as_dict)
        .ok()?;
    let stream = objects
        .get_deref(name, document)
        .and_then(Object::as_stream)
        .ok()?;
    // pdf-extract reads pictures as content too, but finds nothing to follow in them.
    let picture = stream
        .dict
        .get(b"Subtype")
        .and_then(Object::as_name)
        .is_ok_and(|kind| kind == b"Image");
    (!picture).then_some(stream)
}

//! Word documents to text. Knows zip and quick-xml alone.
//!
//! The main part and its notes are read as a stream of XML events: what is unpacked is bounded and
//! nothing recurses, so that a hostile archive costs an error and not the process.

use std::io::{Cursor, Read};

use bytesize::ByteSize;
use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, Event},
};
use zip::{ZipArchive, result::ZipError};

use super::{DocumentError, Format};

/// XML is this much larger than the text in it, at most, in documents people write.
const MARKUP_FACTOR: u64 = 8;

/// Old .doc files, and .docx files with a password, are OLE containers.
const OLE: [u8; 4] = [0xd0, 0xcf, 0x11, 0xe0];

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The text of a document: its paragraphs, its tables row by row, then its notes. Deleted passages
/// that are still in the file are left out.
pub(super) fn text(document: &[u8], limit: ByteSize) -> Result<String, DocumentError> {
    if document.starts_with(&OLE) {
        return Err(DocumentError::Encrypted);
    }
    let mut archive =
        ZipArchive::new(Cursor::new(document)).map_err(|_| malformed("it is no zip archive"))?;
    let most = limit.as_u64().saturating_mul(MARKUP_FACTOR);
    let main = match part(&mut archive, "_rels/.rels", most, limit)? {
        Some(relations) => main_part(&relations)?,
        None => None,
    };
    let main = main.unwrap_or_else(|| "word/document.xml".to_owned());
    let xml =
        part(&mut archive, &main, most, limit)?.ok_or_else(|| malformed("it holds no document"))?;
    let mut text = String::new();
    append_text(&mut text, &xml)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(xml) = part(&mut archive, notes, most, limit)? {
            append_text(&mut text, &xml)?;
        }
    }
    Ok(text)
}

fn malformed(problem: &'static str) -> DocumentError {
    DocumentError::Malformed {
        format: Format::Docx.name(),
        problem: problem.into(),
    }
}

/// Unpacks one part, up to `most` bytes: the size an archive declares may be a lie.
fn part(
    archive: &mut Archive<'_>,
    name: &str,
    most: u64,
    limit: ByteSize,
) -> Result<Option<Vec<u8>>, DocumentError> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(ZipError::UnsupportedArchive(why)) if why == ZipError::PASSWORD_REQUIRED => {
            return Err(DocumentError::Encrypted);
        }
        Err(_) => return Err(malformed("a part of the archive is damaged")),
    };
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| malformed("a part of the archive is damaged"))?;
    if bytes.len() as u64 > most {
        Err(DocumentError::TooLarge(limit))
    } else {
        Ok(Some(bytes))
    }
}

/// The name of the main part, as the package's relations tell it.
fn main_part(relations: &[u8]) -> Result<Option<String>, DocumentError> {
    let mut reader = Reader::from_reader(relations);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element))
                if element.local_name().as_ref() == b"Relationship" =>
            {
                let value = |name: &str| {
                    let attribute = element.try_get_attribute(name).ok().flatten()?;
                    Some(String::from_utf8_lossy(&attribute.value).into_owned())
                };
                if value("Type").is_some_and(|kind| kind.ends_with("/officeDocument")) {
                    return Ok(
                        value("Target").map(|target| target.trim_start_matches('/').to_owned())
                    );
                }
            }
            Ok(Event::Eof) => return Ok(None),
            Ok(_) => {}
            Err(_) => return Err(malformed("its XML is damaged")),
        }
    }
}

/// Appends the text of one part.
fn append_text(text: &mut String, xml: &[u8]) -> Result<(), DocumentError> {
    let mut reader = Reader::from_reader(xml);
    let mut place = Place::default();
    loop {
        match reader
            .read_event()
            .map_err(|_| malformed("its XML is damaged"))?
        {
            Event::Start(element) => place.enter(element.local_name().as_ref(), text),
            Event::Empty(element) => {
                place.enter(element.local_name().as_ref(), text);
                place.leave(element.local_name().as_ref(), text);
            }
            Event::End(element) => place.leave(element.local_name().as_ref(), text),
            Event::Text(part) if place.reads() => {
                text.push_str(
                    &part
                        .decode()
                        .map_err(|_| malformed("its XML is not UTF-8"))?,
                );
            }
            Event::CData(part) if place.reads() => text.push_str(&String::from_utf8_lossy(&part)),
            Event::GeneralRef(reference) if place.reads() => push_reference(text, &reference),
            Event::Eof => break,
            _ => {}
        }
    }
    text.push_str("\n\n");
    Ok(())
}

fn push_reference(text: &mut String, reference: &BytesRef<'_>) {
    if let Ok(Some(char)) = reference.resolve_char_ref() {
        text.push(char);
    } else if let Some(known) = std::str::from_utf8(reference)
        .ok()
        .and_then(resolve_xml_entity)
    {
        text.push_str(known);
    }
}

/// Where in the document the events are.
#[derive(Default)]
struct Place {
    /// Inside how many elements whose text does not count: deletions, moves away, fallbacks.
    left_out: usize,
    runs: usize,
    texts: usize,
    cells: usize,
}

impl Place {
    fn reads(&self) -> bool {
        self.texts > 0 && self.left_out == 0
    }

    fn enter(&mut self, element: &[u8], text: &mut String) {
        match element {
            b"del" | b"moveFrom" | b"Fallback" => self.left_out += 1,
            b"r" => self.runs += 1,
            b"t" => self.texts += 1,
            b"tc" => self.cells += 1,
            // Outside a run a tab is a tab stop, a property of the paragraph.
            b"tab" if self.runs > 0 && self.left_out == 0 => text.push('\t'),
            b"br" | b"cr" if self.runs > 0 && self.left_out == 0 => text.push('\n'),
            b"noBreakHyphen" if self.left_out == 0 => text.push('-'),
            _ => {}
        }
    }

    fn leave(&mut self, element: &[u8], text: &mut String) {
        match element {
            b"del" | b"moveFrom" | b"Fallback" => self.left_out = self.left_out.saturating_sub(1),
            b"r" => self.runs = self.runs.saturating_sub(1),
            b"t" => self.texts = self.texts.saturating_sub(1),
            b"tc" => {
                self.cells = self.cells.saturating_sub(1);
                text.push('\t');
            }
            b"tr" => text.push('\n'),
            b"tbl" => text.push_str("\n\n"),
            b"p" if self.cells > 0 => text.push(' '),
            b"p" => text.push_str("\n\n"),
            _ => {}
        }
    }
}

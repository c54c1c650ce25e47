//! Documents made by hand, since no library writes such ones.

use flate2::{Compress, Compression, FlushCompress};

/// Files by name, whose bombs unpack to so many MiB.
pub(super) fn hostile_documents(mebibytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    let blanks = || deflated(b' ', mebibytes);
    let zlib = || zlib(blanks());
    let operators = zlib_of("q ".repeat(1 << 19).as_bytes(), mebibytes.min(60));
    vec![
        ("bomb.docx", docx(deflated(b' ', mebibytes))),
        ("bomb_in_a_word.docx", docx(in_a_word(mebibytes))),
        ("elements.docx", docx(deflated_text("<w:p>", mebibytes))),
        (
            "relations.docx",
            zip(&[("_rels/.rels", blanks()), ("word/document.xml", blanks())]),
        ),
        ("cut_short.docx", docx(blanks())[..512].to_vec()),
        ("no_archive.docx", noise(200_000)),
        ("bomb.pdf", page("/Filter /FlateDecode", &zlib(), 1)),
        (
            "bomb_in_a_bomb.pdf",
            page("/Filter [/FlateDecode /FlateDecode]", &twice(mebibytes), 1),
        ),
        (
            "the_same_content_often.pdf",
            page(
                "/Filter /FlateDecode",
                &zlib_of(&[b' '; 1 << 20], 48),
                mebibytes,
            ),
        ),
        ("operators.pdf", page("/Filter /FlateDecode", &operators, 1)),
        (
            "lists_in_lists.pdf",
            page("", "[".repeat(1 << 20).as_bytes(), 1),
        ),
        ("lists_in_lists_of_the_file.pdf", nested_object()),
        ("cross_references.pdf", cross_references(&zlib())),
        (
            "kids_of_themselves.pdf",
            pdf(&[
                b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
                b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>".to_vec(),
            ]),
        ),
        (
            "numbers.pdf",
            pdf(&[
                b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
                format!(
                    "<< /Type /Pages /Kids [{}] /Count 1 >>",
                    "0 ".repeat(1 << 20)
                )
                .into_bytes(),
            ]),
        ),
        ("cut_short.pdf", page("", b"BT ET", 1)[..200].to_vec()),
        (
            "noise.pdf",
            [b"%PDF-1.7\n".to_vec(), noise(200_000)].concat(),
        ),
        ("divisions.html", "<div>".repeat(600_000).into_bytes()),
        (
            "tables.html",
            "<table><tr><td>".repeat(200_000).into_bytes(),
        ),
        ("entities.html", "&amp;".repeat(700_000).into_bytes()),
        ("formatting.html", "<b><i><a>".repeat(1600).into_bytes()),
        (
            "header.csv",
            format!("{}\n{}", "x".repeat(1 << 20), "1\n".repeat(500_000)).into_bytes(),
        ),
        (
            "columns.csv",
            format!("{}\n", ",x".repeat(1 << 20)).into_bytes(),
        ),
        (
            "quote.csv",
            format!("a\n\"{}", "x\n".repeat(1 << 20)).into_bytes(),
        ),
        ("noise.txt", noise(200_000)),
        ("one_word.txt", vec![b'x'; 3 << 20]),
        ("short_lines.md", "x\n\n".repeat(1 << 20).into_bytes()),
    ]
}

/// Bytes without a pattern, the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(bytes)
    .collect()
}

/// A MiB of deflate that may stand any number of times in a row: it refers to nothing before it.
fn block(mebibyte: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut packed = Vec::with_capacity(mebibyte.len() + 1024);
    compress
        .compress_vec(mebibyte, &mut packed, FlushCompress::Full)
        .unwrap();
    packed
}

/// The last block, an empty one.
const END: [u8; 2] = [3, 0];

fn repeated(mebibyte: &[u8], times: usize) -> Vec<u8> {
    let mut packed = block(mebibyte).repeat(times);
    packed.extend(END);
    packed
}

fn deflated(byte: u8, mebibytes: usize) -> Vec<u8> {
    repeated(&vec![byte; 1 << 20], mebibytes)
}

fn deflated_text(text: &str, mebibytes: usize) -> Vec<u8> {
    repeated(text.repeat((1 << 20) / text.len()).as_bytes(), mebibytes)
}

/// One text without an end in a paragraph.
fn in_a_word(mebibytes: usize) -> Vec<u8> {
    let mut packed = block(b"<w:document><w:body><w:p><w:r><w:t>");
    packed.extend(deflated(b'x', mebibytes));
    packed
}

/// As zlib frames it. The sum at the end is wrong, and is looked at only after all was unpacked.
fn zlib(deflated: Vec<u8>) -> Vec<u8> {
    [vec![0x78, 0x9c], deflated, vec![0; 4]].concat()
}

fn zlib_of(mebibyte: &[u8], times: usize) -> Vec<u8> {
    zlib(repeated(mebibyte, times))
}

/// A bomb whose packed form is packed: some KiB that unpack to some MiB that unpack to all of it.
fn twice(mebibytes: usize) -> Vec<u8> {
    let inner = zlib(deflated(b' ', mebibytes));
    let mut compress = Compress::new(Compression::best(), true);
    let mut packed = Vec::with_capacity(inner.len());
    compress
        .compress_vec(&inner, &mut packed, FlushCompress::Finish)
        .unwrap();
    packed
}

fn docx(document: Vec<u8>) -> Vec<u8> {
    zip(&[("word/document.xml", document)])
}

/// An archive of deflated parts, which tells nothing true of their sizes.
fn zip(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, packed) in parts {
        let offset = u32::try_from(archive.len()).unwrap();
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        common.extend([0; 4]);
        common.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        common.extend(1000_u32.to_le_bytes());
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0; 2]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    let begin = u32::try_from(archive.len()).unwrap();
    let length = u32::try_from(directory.len()).unwrap();
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count);
    archive.extend(count);
    archive.extend(length.to_le_bytes());
    archive.extend(begin.to_le_bytes());
    archive.extend([0; 2]);
    archive
}

/// A file of these objects, numbered from 1, the first of them the catalog.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.5\n".to_vec();
    let mut places = Vec::new();
    for (place, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n", place + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for place in places {
        file.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    let trailer = format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    );
    file.extend(trailer.into_bytes());
    file
}

fn stream(dictionary: &str, content: &[u8]) -> Vec<u8> {
    let mut stream = format!("<< {dictionary} /Length {} >>\nstream\n", content.len()).into_bytes();
    stream.extend(content);
    stream.extend(b"\nendstream");
    stream
}

/// One page that shows this content so many times.
fn page(filter: &str, content: &[u8], times: usize) -> Vec<u8> {
    let contents = "4 0 R ".repeat(times);
    pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!("<< /Type /Page /Parent 2 0 R /Resources << >> /MediaBox [0 0 9 9] /Contents [{contents}] >>").into_bytes(),
        stream(filter, content),
    ])
}

fn nested_object() -> Vec<u8> {
    let nested = |open: &str, close: &str| {
        format!("{}{}", open.repeat(200_000), close.repeat(200_000)).into_bytes()
    };
    pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [] /Count 0 >>".to_vec(),
        nested("[", "]"),
        nested("<</A", ">>"),
    ])
}

/// The table of all objects as a stream, which is unpacked before anything else.
fn cross_references(packed: &[u8]) -> Vec<u8> {
    let mut file = b"%PDF-1.5\n".to_vec();
    let place = file.len();
    file.extend(b"1 0 obj\n");
    file.extend(stream(
        "/Type /XRef /Size 2 /W [1 2 1] /Root 1 0 R /Filter /FlateDecode",
        packed,
    ));
    file.extend(format!("\nendobj\nstartxref\n{place}\n%%EOF\n").into_bytes());
    file
}

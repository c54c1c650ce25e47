//! Documents that were damaged or made at random: each gives text or an error, in bounded time and memory. What a
//! reader of PDF panics on counts as an error, as it does where documents are taken in.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
    time::Instant,
};

use proptest::sample::{Index, select};

use super::*;

/// The longest a small document may take, on a busy machine and without optimizing.
const LONGEST: Duration = Duration::from_secs(20);
/// The most that reading a small document may take beside it.
const MOST_MEMORY: u64 = 96 << 20;

/// Says nothing of panics that readers of PDF are expected to have. Tests keep what is said in memory, and in a long run
/// that is more than any document takes.
fn expect_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            let of_pdf = |file: &str| file.contains("/pdf-extract-") || file.contains("/lopdf-");
            if !panic.location().is_some_and(|at| of_pdf(at.file())) {
                tell(panic);
            }
        }));
    });
}

/// Reads within the bounds; the text, if there is any.
fn read(format: Format, document: &[u8]) -> Result<Option<String>, TestCaseError> {
    expect_panics();
    let begun = Instant::now();
    let mut read = None;
    let used = allocation_counter::measure(|| {
        read = catch_unwind(AssertUnwindSafe(|| text(format, document))).ok();
    });
    prop_assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    prop_assert!(used.bytes_max < MOST_MEMORY, "{} bytes", used.bytes_max);
    prop_assert!(
        read.is_some() || format == Format::Pdf,
        "a reader panicked that never should"
    );
    let text = read.and_then(Result::ok);
    if let Some(text) = &text {
        prop_assert!(!text.is_empty() && text.len() as u64 <= LIMIT.as_u64());
        prop_assert!(!text.contains(['\r', '\0']) && !text.contains("\n\n\n"));
    }
    Ok(text)
}

const FORMATS: [Format; 6] = [
    Format::Text,
    Format::Markdown,
    Format::Html,
    Format::Pdf,
    Format::Docx,
    Format::Csv,
];

/// What may happen to a file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Put(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, usize),
    Number(Index, u32),
}

fn damage() -> impl Strategy<Value = Damage> {
    let words = select(vec![
        "<<",
        ">>",
        "[",
        "]",
        "(",
        ")",
        "endobj",
        "endstream",
        "stream\n",
        "obj",
        " 0 R",
        "/Length 99999999",
        "/Kids",
        "/Filter/FlateDecode",
        "/Predictor 15",
        "/Columns 1000000000",
        "/W[8 8 8]",
        "/Size 2147483647",
        "/Prev 0",
        "<w:p>",
        "</w:p>",
        "<!--",
        "<![CDATA[",
        "&#x10ffff;",
        "&#0;",
        "<div>",
        "<table>",
        "<script>",
        "\"",
        ",,",
        "\r",
        "-1",
        "99999999999999999999",
    ]);
    prop_oneof![
        1 => any::<Index>().prop_map(Damage::Cut),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Damage::Put(place, byte)),
        2 => (any::<Index>(), 1_usize..40).prop_map(|(place, count)| Damage::Remove(place, count)),
        4 => (any::<Index>(), words).prop_map(|(place, word)| Damage::Insert(place, word.as_bytes().to_vec())),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(place, bytes)| Damage::Insert(place, bytes)),
        1 => (any::<Index>(), 1_usize..40, 2_usize..2000).prop_map(|(place, length, times)| Damage::Repeat(place, length, times)),
        2 => (any::<Index>(), any::<u32>()).prop_map(|(place, number)| Damage::Number(place, number)),
    ]
}

fn damaged(mut file: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let place = |index: &Index| index.index(file.len() + 1);
        match damage {
            Damage::Cut(index) => {
                let place = place(index);
                file.truncate(place);
            }
            Damage::Put(index, byte) => {
                let place = place(index);
                if let Some(found) = file.get_mut(place) {
                    *found = *byte;
                }
            }
            Damage::Remove(index, count) => {
                let from = place(index);
                let to = (from + count).min(file.len());
                file.drain(from..to);
            }
            Damage::Insert(index, bytes) => {
                let place = place(index);
                file.splice(place..place, bytes.iter().copied());
            }
            Damage::Repeat(index, length, times) => {
                let from = place(index);
                let to = (from + length).min(file.len());
                let more = file[from..to].repeat(*times);
                file.splice(from..from, more);
            }
            // Lengths and offsets of archives are such numbers.
            Damage::Number(index, number) => {
                let from = place(index);
                let to = (from + 4).min(file.len());
                file.splice(from..to, number.to_le_bytes());
            }
        }
    }
    file
}

/// A PDF whose page shows these operators, made as people's programs make them, its streams packed or not.
fn shown(content: &str, packed: bool) -> Vec<u8> {
    let file = pdf(content, &[("A", &line("from a form"))]);
    if !packed {
        return file;
    }
    let mut document = Document::load_mem(&file).unwrap();
    document.compress();
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn whole(format: Format) -> Vec<u8> {
    match format {
        Format::Text => "Opening hours\r\n\r\n\tnine to five, नमस्ते\u{85}daily.".into(),
        Format::Markdown => "# Hours\n\n* nine\n* five\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".into(),
        Format::Html => "<!doctype html><html><head><title>T</title><style>p{}</style></head><body><h1>H</h1><p>Open <b>daily</b> &amp; late\
            <script>if (1 < 2) {}</script><ul><li>One<li>Two</ul><table><tr><td colspan=2>Mon</td><td>9</td></tr></table><pre> x\n y</pre></body></html>".into(),
        Format::Csv => "City,Opens,Note\nPune,9,\"near the\nstation\"\nDelhi,10,\n".into(),
        Format::Pdf => shown(&format!("{} /A Do", line("Opening hours")), true),
        Format::Docx => docx(
            Docx::new()
                .add_paragraph(Paragraph::new().add_run(Run::new().add_text("Refunds & returns")))
                .add_table(Table::new(vec![TableRow::new(vec![
                    TableCell::new().add_paragraph(Paragraph::new().add_run(Run::new().add_text("Pune"))),
                ])])),
        ),
    }
}

fn operators() -> impl Strategy<Value = String> {
    let operand = prop_oneof![
        any::<i32>().prop_map(|number| number.to_string()),
        any::<f32>().prop_map(|number| number.to_string()),
        select(vec![
            "/F1",
            "/A",
            "/None",
            "(text)",
            "<00ff>",
            "[(a) -200 (b)]",
            "[",
            "]",
            "<<",
            ">>",
            "(",
            "true",
            "null",
            "<</MCID 0>>"
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}".prop_map(|text| format!("({text})")),
    ];
    let operator = select(vec![
        "q", "Q", "cm", "BT", "ET", "Tf", "Td", "TD", "Tm", "T*", "Tj", "TJ", "'", "\"", "Tc",
        "Tw", "Tz", "TL", "Tr", "Ts", "Do", "gs", "cs", "CS", "scn", "SCN", "k", "rg", "g", "re",
        "f", "W", "n", "m", "l", "c", "h", "S", "i", "d", "w", "BI", "ID", "EI", "BMC", "BDC",
        "EMC", "sh", "xx",
    ]);
    let any = (prop::collection::vec(operand, 0..7), operator)
        .prop_map(|(operands, operator)| format!("{} {operator}", operands.join(" ")));
    // As they are meant: a page whose first operation is none is not read any further.
    let meant = select(vec![
        "q",
        "Q",
        "BT /F1 24 Tf",
        "ET",
        "1 0 0 1 50 700 cm",
        "2 0 0 2 0 0 Tm",
        "0 -14 Td",
        "0 -14 TD",
        "T*",
        "(text) Tj",
        "<00ff> Tj",
        "[(a) -200 (b)] TJ",
        "(next) '",
        "0.5 Tc",
        "90 Tz",
        "14 TL",
        "3 Ts",
        "1 Tr",
        "/A Do",
        "1 0 0 rg",
        "0 0 100 100 re",
        "f",
        "W n",
        "10 10 m",
        "20 20 l",
        "h S",
        "/P <</MCID 0>> BDC",
        "EMC",
    ]);
    let operation = prop_oneof![9 => meant.prop_map(str::to_owned), 1 => any];
    prop::collection::vec(operation, 0..40)
        .prop_map(|operations| format!("BT /F1 24 Tf {}", operations.join("\n")))
}

/// Else the properties below would hold for a reader that takes nothing.
#[test]
fn what_gets_damaged_was_whole() {
    for format in FORMATS {
        let text = read(format, &whole(format)).unwrap();
        assert!(text.is_some(), "{format:?}");
    }
}

proptest! {
    #[test]
    fn damaged_files_give_text_or_an_error(
        format in select(FORMATS.to_vec()),
        damages in prop::collection::vec(damage(), 1..8),
    ) {
        read(format, &damaged(whole(format), &damages))?;
    }

    #[test]
    fn damaged_word_documents_give_text_or_an_error(damages in prop::collection::vec(damage(), 1..8)) {
        let xml = "<w:document xmlns:w=\"w\"><w:body><w:p><w:r><w:t>kept &#8377;5 &amp; more</w:t><w:tab/></w:r></w:p>\
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>";
        let relations = "<Relationships><Relationship Type=\"http://x/officeDocument\" Target=\"/word/document.xml\"/></Relationships>";
        let xml = damaged(xml.as_bytes().to_vec(), &damages);
        let relations = damaged(relations.as_bytes().to_vec(), &damages);
        read(Format::Docx, &zipped(&[("word/document.xml", &xml)]))?;
        read(Format::Docx, &zipped(&[("_rels/.rels", &relations), ("word/document.xml", &xml), ("word/footnotes.xml", &xml)]))?;
    }

    #[test]
    fn pages_that_show_anything_give_text_or_an_error(content in operators(), packed in any::<bool>()) {
        read(Format::Pdf, &shown(&content, packed))?;
    }

    #[test]
    fn files_with_the_wrong_ending_give_text_or_an_error(
        is in select(FORMATS.to_vec()),
        named in select(FORMATS.to_vec()),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        read(named, &damaged(whole(is), &damages))?;
    }

    #[test]
    fn any_bytes_after_the_head_of_a_file_give_text_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for (format, head) in [
            (Format::Pdf, &b"%PDF-1.7\n"[..]),
            (Format::Docx, b"PK\x03\x04"),
            (Format::Docx, b""),
            (Format::Html, b"<html>"),
            (Format::Csv, b"a,b\n"),
            (Format::Text, b"\xff\xfe"),
            (Format::Text, b"\xfe\xff"),
        ] {
            read(format, &[head, &bytes].concat())?;
        }
    }
}

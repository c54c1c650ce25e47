//! Reading every format, and refusing what cannot be read.

use std::{
    io::{Cursor, Write as _},
    sync::mpsc,
    time::Duration,
};

use docx_rs::{Docx, Paragraph, Run, Table, TableCell, TableRow};
use pdf_extract::{
    Dictionary, Document, EncryptionState, EncryptionVersion, Object, Permissions, Stream,
    dictionary,
};
use proptest::prelude::*;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

mod fuzz;

const LIMIT: ByteSize = ByteSize::mib(1);

fn text(format: Format, document: impl AsRef<[u8]>) -> Result<String, DocumentError> {
    text_of(format, document.as_ref(), LIMIT)
}

fn docx(docx: Docx) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    docx.build().pack(&mut bytes).unwrap();
    bytes.into_inner()
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A PDF of one page with this content and these named forms, which may use each other.
fn encrypted_pdf(content: &str, forms: &[(&str, &str)], password: Option<&str>) -> Vec<u8> {
    let mut document = Document::with_version("1.5");
    let pages = document.new_object_id();
    let font = document.add_object(
        dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier" },
    );
    let resources = document.new_object_id();
    let mut named = Dictionary::new();
    for (name, content) in forms {
        let form =
            dictionary! { "Type" => "XObject", "Subtype" => "Form", "Resources" => resources };
        named.set(
            *name,
            document.add_object(Stream::new(form, content.as_bytes().to_vec())),
        );
    }
    let resources_of_page =
        dictionary! { "Font" => dictionary! { "F1" => font }, "XObject" => named };
    document
        .objects
        .insert(resources, Object::Dictionary(resources_of_page));
    let content = document.add_object(Stream::new(dictionary! {}, content.as_bytes().to_vec()));
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "Contents" => content, "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    document.objects.insert(pages, Object::Dictionary(tree));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    if let Some(user_password) = password {
        let id = Object::string_literal("0123456789abcdef");
        document.trailer.set("ID", vec![id.clone(), id]);
        let (permissions, owner_password) = (Permissions::all(), "owner");
        let version = EncryptionVersion::V2 {
            document: &document,
            owner_password,
            user_password,
            key_length: 128,
            permissions,
        };
        document
            .encrypt(&EncryptionState::try_from(version).unwrap())
            .unwrap();
    }
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn pdf(content: &str, forms: &[(&str, &str)]) -> Vec<u8> {
    encrypted_pdf(content, forms, None)
}

fn line(text: &str) -> String {
    format!("BT /F1 24 Tf 100 600 Td ({text}) Tj ET")
}

#[test]
fn the_format_is_told_by_the_ending() {
    assert_eq!(Format::of_file("Price List.DOCX"), Some(Format::Docx));
    assert_eq!(Format::of_file("a.b.md"), Some(Format::Markdown));
    assert_eq!(Format::of_file("readme"), None);
    assert_eq!(Format::of_file("a.exe"), None);
}

#[test]
fn plain_text_is_tidied() {
    assert_eq!(
        text(Format::Text, "\u{feff}a\r\nb  \r\n\r\n\r\n\tc\u{7}\n \n").unwrap(),
        "a\nb\n\n c"
    );
    assert_eq!(
        text(Format::Text, format!("a{}b", " ".repeat(500))).unwrap(),
        "a b"
    );
}

#[test]
fn markdown_keeps_its_marks() {
    assert_eq!(
        text(Format::Markdown, "# Title\n\n- *one*\n").unwrap(),
        "# Title\n\n- *one*"
    );
}

#[test]
fn utf_16_is_read_with_a_mark_and_without() {
    let units = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let marked = [&[0xff, 0xfe][..], &units("नमस्ते")].concat();
    assert_eq!(text(Format::Text, marked).unwrap(), "नमस्ते");
    assert_eq!(
        text(Format::Text, units("Plain letters.")).unwrap(),
        "Plain letters."
    );
    let big: Vec<u8> = "Plain letters."
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(text(Format::Text, big).unwrap(), "Plain letters.");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert_eq!(text(Format::Text, b"caf\xe9"), Err(DocumentError::NotUtf8));
    assert_eq!(
        text(Format::Markdown, b"\x7fELF\x02\x01\x01\0\0\0"),
        Err(DocumentError::NotUtf8)
    );
}

#[test]
fn nothing_in_it_is_told_apart_from_no_text_in_it() {
    assert_eq!(text(Format::Text, ""), Err(DocumentError::Empty));
    assert_eq!(text(Format::Text, " \n\t\r\n"), Err(DocumentError::Empty));
    assert_eq!(
        text(Format::Html, "<html><body></body></html>"),
        Err(DocumentError::Empty)
    );
    assert_eq!(text(Format::Pdf, pdf("", &[])), Err(DocumentError::NoText));
}

#[test]
fn more_than_the_limit_is_refused() {
    let document = vec![b'a'; LIMIT.as_u64() as usize + 1];
    assert_eq!(
        text(Format::Text, document),
        Err(DocumentError::TooLarge(LIMIT))
    );
}

#[test]
fn html_gives_its_words_without_scripts_and_styles() {
    let page = "<html><head><title>T</title><style>p{color:red}</style></head><body><h1>Hours</h1>\
        <hr><p>Open <b>daily</b> &amp; late. <a href='https://example.com/x'>Map</a></p>\
        <script>if (1 < 2) alert(1)</script>\
        <ul><li>One<li>Two</ul><table><tr><td>Mon</td><td>9 to 5</td></tr></table></body></html>";
    let text = text(Format::Html, page).unwrap();
    for words in [
        "Hours",
        "Open daily & late. Map",
        "One",
        "Two",
        "Mon",
        "9 to 5",
    ] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    for noise in ["alert", "color", "example.com", "─", "│"] {
        assert!(!text.contains(noise), "{noise} is in {text}");
    }
}

#[test]
fn html_nested_too_deeply_is_refused() {
    for depth in [300, 100_000] {
        let page = format!("{}x", "<div>".repeat(depth));
        assert!(matches!(
            text(Format::Html, page),
            Err(DocumentError::Malformed { .. })
        ));
    }
    let flat = "<p>One paragraph after the other.<br><li>And items.".repeat(20_000);
    assert!(text(Format::Html, flat).is_ok());
}

#[test]
fn csv_rows_say_what_their_values_are() {
    let table = "City,Opens,Note\nPune,9,\"near the\nstation\"\nDelhi,10,\n";
    assert_eq!(
        text(Format::Csv, table).unwrap(),
        "City: Pune\nOpens: 9\nNote: near the\nstation\n\nCity: Delhi\nOpens: 10",
    );
    assert_eq!(
        text(Format::Csv, "City;Opens\nPune;9,5\n").unwrap(),
        "City: Pune\nOpens: 9,5"
    );
    assert_eq!(
        text(Format::Csv, "City\tOpens\nPune\t9\textra\n").unwrap(),
        "City: Pune\nOpens: 9\nextra"
    );
}

#[test]
fn a_table_whose_header_is_repeated_over_and_over_fills_no_memory() {
    let table = format!("{}\n{}", "x".repeat(1 << 18), "1\n".repeat(100_000));
    assert_eq!(
        text(Format::Csv, table),
        Err(DocumentError::TooLarge(LIMIT))
    );
}

#[test]
fn csv_without_a_header_is_refused() {
    assert!(matches!(
        text(Format::Csv, ",,\n1,2,3\n"),
        Err(DocumentError::Malformed { .. })
    ));
}

#[test]
fn docx_gives_paragraphs_and_table_rows() {
    let run = |text: &str| Paragraph::new().add_run(Run::new().add_text(text));
    let cell = |text: &str| TableCell::new().add_paragraph(run(text));
    let document = Docx::new()
        .add_paragraph(run("Refunds & returns"))
        .add_paragraph(
            Paragraph::new().add_run(Run::new().add_text("one").add_tab().add_text("two")),
        )
        .add_table(Table::new(vec![TableRow::new(vec![
            cell("Pune"),
            cell("9 to 5"),
        ])]));
    assert_eq!(
        text(Format::Docx, docx(document)).unwrap(),
        "Refunds & returns\n\none two\n\nPune  9 to 5"
    );
}

#[test]
fn docx_leaves_out_what_was_deleted() {
    let xml = br#"<w:document xmlns:w="w"><w:body><w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>
        <w:r><w:t>kept &#8377;5</w:t></w:r><w:del><w:r><w:delText>gone</w:delText><w:t>gone</w:t></w:r></w:del>
        </w:p></w:body></w:document>"#;
    assert_eq!(
        text(Format::Docx, zipped(&[("word/document.xml", xml)])).unwrap(),
        "kept ₹5"
    );
}

#[test]
fn docx_that_unpacks_to_too_much_is_refused() {
    let xml = vec![b' '; 9 << 20];
    let bomb = zipped(&[("word/document.xml", &xml)]);
    assert!(bomb.len() < 100_000);
    assert_eq!(
        text(Format::Docx, bomb),
        Err(DocumentError::TooLarge(LIMIT))
    );
}

#[test]
fn docx_nested_very_deeply_is_read() {
    let xml = format!(
        "<w:p>{}<w:r><w:t>x</w:t></w:r>",
        "<w:tbl><w:tr><w:tc>".repeat(50_000)
    );
    assert_eq!(
        text(
            Format::Docx,
            zipped(&[("word/document.xml", xml.as_bytes())])
        )
        .unwrap(),
        "x"
    );
}

#[test]
fn docx_with_a_password_says_so() {
    let ole = [
        &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..],
        &[0; 512],
    ]
    .concat();
    assert_eq!(text(Format::Docx, ole), Err(DocumentError::Encrypted));
}

#[test]
fn docx_that_is_none_is_refused() {
    assert!(matches!(
        text(Format::Docx, "hello"),
        Err(DocumentError::Malformed { .. })
    ));
    assert!(matches!(
        text(Format::Docx, zipped(&[("a.txt", b"x")])),
        Err(DocumentError::Malformed { .. })
    ));
}

#[test]
fn pdf_gives_the_text_of_its_pages_and_forms() {
    let document = pdf(
        &format!("{} /A Do", line("Opening hours")),
        &[("A", &line("from a form"))],
    );
    let text = text(Format::Pdf, document).unwrap();
    assert!(
        text.contains("Opening hours") && text.contains("from a form"),
        "{text}"
    );
}

#[test]
fn pdf_whose_forms_draw_each_other_is_refused() {
    let document = pdf("/A Do", &[("A", "/B Do"), ("B", "/A Do")]);
    assert!(matches!(
        text(Format::Pdf, document),
        Err(DocumentError::Malformed { .. })
    ));
}

#[test]
fn pdf_that_draws_a_form_over_and_over_is_bounded() {
    let document = pdf(&"/A Do ".repeat(2_000), &[("A", &line(&"x".repeat(1_000)))]);
    assert_eq!(
        text(Format::Pdf, document),
        Err(DocumentError::TooLarge(LIMIT))
    );
}

#[test]
fn pdf_with_a_password_says_so_and_one_that_opens_without_is_read() {
    let locked = encrypted_pdf(&line("Opening hours"), &[], Some("secret"));
    assert_eq!(text(Format::Pdf, locked), Err(DocumentError::Encrypted));
    let open = encrypted_pdf(&line("Opening hours"), &[], Some(""));
    assert_eq!(text(Format::Pdf, open).unwrap(), "Opening hours");
}

#[test]
fn pdf_that_is_none_is_refused() {
    assert!(matches!(
        text(Format::Pdf, "hello"),
        Err(DocumentError::Malformed { .. })
    ));
    assert!(matches!(
        text(Format::Pdf, "%PDF-1.7\nhello"),
        Err(DocumentError::Malformed { .. })
    ));
}

#[test]
fn every_error_has_a_reason_of_its_own() {
    let errors = [
        DocumentError::Empty,
        DocumentError::NoText,
        DocumentError::TooLarge(LIMIT),
        DocumentError::Encrypted,
        DocumentError::NotUtf8,
        DocumentError::Malformed {
            format: "PDF",
            problem: "x".into(),
        },
        DocumentError::TooSlow(Duration::from_secs(1)),
        DocumentError::Busy,
        DocumentError::NoReader,
    ];
    let reasons: std::collections::HashSet<_> = errors.iter().map(DocumentError::reason).collect();
    assert_eq!(reasons.len(), errors.len());
}

#[tokio::test]
async fn a_panic_of_a_reader_is_an_error() {
    let reader = Reader::new(Duration::from_secs(30), LIMIT);
    let read = reader
        .off_thread(Format::Pdf, || panic!("broken font"))
        .await;
    assert!(matches!(
        read,
        Err(DocumentError::Malformed { format: "PDF", .. })
    ));
    assert_eq!(
        reader
            .read(Format::Text, Bytes::from_static(b"still works"))
            .await
            .unwrap(),
        "still works"
    );
}

#[tokio::test]
async fn readers_that_overrun_keep_others_out_until_they_end() {
    let reader = Reader::new(Duration::from_millis(20), LIMIT);
    let mut releases = Vec::new();
    for _ in 0..READERS {
        let (release, released) = mpsc::channel::<()>();
        releases.push(release);
        let read = reader
            .off_thread(Format::Pdf, move || {
                let _ = released.recv();
                Ok(String::new())
            })
            .await;
        assert_eq!(read, Err(DocumentError::TooSlow(Duration::from_millis(20))));
    }
    assert_eq!(
        reader.read(Format::Text, Bytes::from_static(b"x")).await,
        Err(DocumentError::Busy)
    );
    drop(releases);
    let patient = Reader {
        time_limit: Duration::from_secs(30),
        ..reader
    };
    assert_eq!(
        patient
            .read(Format::Text, Bytes::from_static(b"x"))
            .await
            .unwrap(),
        "x"
    );
}

proptest! {
    #[test]
    fn any_bytes_give_an_error_or_tidy_text(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Text, Format::Html, Format::Csv, Format::Docx] {
            if let Ok(text) = text(format, &bytes) {
                prop_assert!(!text.is_empty());
                prop_assert!(!text.contains('\r') && !text.contains("\n\n\n"));
            }
        }
    }

    #[test]
    fn tidy_text_stays_as_it_is(text in "[\\PC\r\n\t ]{0,200}") {
        let tidy = plain::tidy(&text);
        prop_assert_eq!(plain::tidy(&tidy), tidy);
    }
}

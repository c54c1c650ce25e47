//! What Markdown says at a line's beginning: code blocks, headings, quotes, lists, rules, tables. Must not
//! know marks within a line.

use super::LEFT_OUT;

/// Fences of fewer marks are inline code.
const FENCE: usize = 3;
const BULLETS: [char; 12] = ['-', '*', '+', '•', '◦', '▪', '‣', '●', '○', '■', '–', '·'];

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(crate::class::is_line_end)
}

/// Code blocks between lines of three and more backticks or tildes are left out, also when they do not
/// end.
pub(super) fn without_code_blocks(text: &str) -> Option<String> {
    if !text.contains("```") && !text.contains("~~~") {
        return None;
    }
    let mut fence: Option<(char, usize)> = None;
    let mut kept = Vec::new();
    for line in lines(text) {
        let bare = line.trim_start_matches(|c: char| c.is_whitespace() || c == '>');
        match fence {
            Some((mark, length)) => {
                let marks = leading(bare, mark);
                if marks >= length && bare[marks..].trim().is_empty() {
                    fence = None;
                }
            }
            None => match opening_fence(bare) {
                Some(opening) => {
                    fence = Some(opening);
                    kept.push("\u{1}");
                }
                None => kept.push(line),
            },
        }
    }
    Some(kept.join("\n"))
}

fn opening_fence(line: &str) -> Option<(char, usize)> {
    ['`', '~'].into_iter().find_map(|mark| {
        let length = leading(line, mark);
        let is_inline = mark == '`' && line[length..].contains('`');
        (length >= FENCE && !is_inline).then_some((mark, length))
    })
}

fn leading(text: &str, mark: char) -> usize {
    text.len() - text.trim_start_matches(mark).len()
}

/// Marks at each line's beginning go, rules and underlines go whole, table rows are read as "a, b, c".
pub(super) fn without_line_marks(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for line in lines(text) {
        if !out.is_empty() {
            out.push('\n');
        }
        let is_underline = is_rule(line.trim());
        let line = without_leading_marks(line);
        if is_underline || is_rule(line) {
            out.push(LEFT_OUT);
        } else if line.starts_with('|') {
            out.push_str(&row(line));
        } else {
            out.push_str(&with_parted_cells(line));
        }
    }
    Some(out)
}

/// Quote marks, headings' and bullets' marks and task boxes, in any order.
fn without_leading_marks(line: &str) -> &str {
    let mut rest = line.trim();
    loop {
        let before = rest.len();
        rest = rest.trim_start_matches('>').trim_start();
        if let Some(title) = heading(rest) {
            rest = title;
        }
        if let Some(item) = item(rest) {
            rest = item;
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// The text of a heading, also without the marks behind it.
fn heading(line: &str) -> Option<&str> {
    let marks = leading(line, '#');
    let title = &line[marks..];
    if !(1..=6).contains(&marks) || !(title.is_empty() || title.starts_with(char::is_whitespace)) {
        return None;
    }
    let title = title.trim();
    let bare = title.trim_end_matches('#');
    Some(if bare.is_empty() || bare.ends_with(char::is_whitespace) {
        bare.trim_end()
    } else {
        title
    })
}

/// The text of a list item, without its bullet and task box.
fn item(line: &str) -> Option<&str> {
    let text = line.strip_prefix(BULLETS)?;
    if !text.is_empty() && !text.starts_with(char::is_whitespace) {
        return None;
    }
    let text = text.trim_start();
    Some(
        ["[ ]", "[x]", "[X]"]
            .iter()
            .find_map(|task| text.strip_prefix(task))
            .map_or(text, str::trim_start),
    )
}

/// A rule, a heading's underline, the line between a table's head and body.
fn is_rule(line: &str) -> bool {
    line.chars().count() >= 2
        && line.chars().all(|c| {
            c.is_whitespace() || matches!(c, '-' | '=' | '*' | '_' | '|' | ':' | '+' | '~')
        })
}

/// The cells of a table row, parted by commas; empty ones left out.
fn row(line: &str) -> String {
    let mut cells: Vec<String> = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match (c, cells.last_mut()) {
            ('|', _) if !escaped => cells.push(String::new()),
            (_, Some(cell)) => cell.push(c),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    let cells: Vec<&str> = cells
        .iter()
        .map(|cell| cell.trim())
        .filter(|cell| !cell.is_empty() && !is_rule(cell))
        .collect();
    cells.join(", ")
}

/// A `|` between white space parts cells in a table without outer lines, or choices: a comma.
fn with_parted_cells(line: &str) -> String {
    if !line.contains('|') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    for word in line.split_inclusive(char::is_whitespace) {
        if word.trim_end() == "|" && out.ends_with(char::is_whitespace) {
            out.truncate(out.trim_end().len());
            out.push_str(if out.is_empty() { "" } else { ", " });
        } else {
            out.push_str(word);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_are_left_out_also_when_they_do_not_end() {
        let without = |text| without_code_blocks(text).unwrap();
        assert_eq!(without("a\n```rust\nlet x;\n```\nb"), "a\n\u{1}\nb");
        assert_eq!(without("a\n~~~\n```\n"), "a\n\u{1}");
        assert_eq!(without("```inline``` x"), "```inline``` x");
    }

    #[test]
    fn marks_at_the_beginning_of_a_line_go() {
        for (line, expected) in [
            ("## Title ##", "Title"),
            ("#hashtag", "#hashtag"),
            ("> > quoted", "quoted"),
            ("- item", "item"),
            ("* [x] done", "done"),
            ("• point", "point"),
            ("-5 degrees", "-5 degrees"),
            ("1. first", "1. first"),
            ("> - ### deep", "deep"),
        ] {
            assert_eq!(without_line_marks(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn rules_and_underlines_go() {
        for line in ["---", "* * *", "=====", "|---|:--:|", "--- | ---"] {
            assert_eq!(without_line_marks(line).unwrap(), "\u{1}", "{line}");
        }
    }

    #[test]
    fn table_rows_are_read_cell_by_cell() {
        for (line, expected) in [
            ("| Plan | Price |", "Plan, Price"),
            ("|a||b|", "a, b"),
            (r"| a \| b | c |", r"a \| b, c"),
            ("Plan | Price", "Plan, Price"),
            ("a || b", "a || b"),
        ] {
            assert_eq!(without_line_marks(line).unwrap(), expected, "{line}");
        }
    }
}

//! HTML to text. Knows html2text alone.

use html2text::{Handle, config};

use super::{DocumentError, Format};

/// Wide enough that paragraphs stay in one line.
const WIDTH: usize = 10_000;

/// Elements within elements: rendering recurses into them, and the stack is finite.
const DEEPEST: usize = 256;

/// Start tags without their end tag, about: parsing slows down with the square of their number.
const MOST_OPEN: usize = 5_000;

/// Elements that need no end tag, or often have none.
const WITHOUT_END: [&str; 30] = [
    "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html",
    "img", "input", "li", "link", "meta", "optgroup", "option", "p", "param", "source", "tbody",
    "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];

/// The text of a page, without scripts, styles, link targets and rules.
pub(super) fn text(page: &str) -> Result<String, DocumentError> {
    let malformed = |problem: &'static str| DocumentError::Malformed {
        format: Format::Html.name(),
        problem: problem.into(),
    };
    let too_deep = "its elements are nested too deeply";
    if most_open(page) > MOST_OPEN {
        return Err(malformed(too_deep));
    }
    // Rich is the decoration that marks links and emphasis beside the text and not in it.
    let config = config::rich().raw_mode(true).allow_width_overflow();
    let dom = config
        .parse_html(page.as_bytes())
        .map_err(|_| malformed("it is no HTML"))?;
    if deeper_than(DEEPEST, &dom.document) {
        return Err(malformed(too_deep));
    }
    let tree = config
        .dom_to_render_tree(&dom)
        .map_err(|_| malformed("it cannot be laid out"))?;
    let text = config
        .render_to_string(tree, WIDTH)
        .map_err(|_| malformed("it cannot be laid out"))?;
    let rule = |line: &&str| !line.is_empty() && line.chars().all(|char| char == '─');
    Ok(text
        .lines()
        .filter(|line| !rule(line))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// How many elements are open at once, at most, judged by the tags alone.
fn most_open(page: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let closes = after.starts_with('/');
        let tag = after.strip_prefix('/').unwrap_or(after);
        let end = tag
            .find(|char: char| !char.is_ascii_alphanumeric())
            .unwrap_or(tag.len());
        let name = tag[..end].to_ascii_lowercase();
        rest = after;
        if name.is_empty() || WITHOUT_END.contains(&name.as_str()) {
            continue;
        }
        if closes {
            open = open.saturating_sub(1);
        } else {
            open += 1;
            most = most.max(open);
            // Code compares with "<" as well.
            if name == "script" || name == "style" {
                rest = after.find("</").map_or("", |end| &after[end..]);
            }
        }
    }
    most
}

/// Walks with a stack of its own, whatever the depth.
fn deeper_than(limit: usize, document: &Handle) -> bool {
    let mut waiting = vec![(document.clone(), 0)];
    while let Some((node, depth)) = waiting.pop() {
        if depth > limit {
            return true;
        }
        waiting.extend(
            node.children
                .borrow()
                .iter()
                .map(|child| (child.clone(), depth + 1)),
        );
    }
    false
}

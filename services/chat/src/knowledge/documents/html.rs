//! HTML to text. Knows html2text alone.

use html2text::{Handle, config};

use super::{DocumentError, Format};

/// Lines are wrapped here; words decide what a chunk is, so the width only bounds tables.
const WIDTH: usize = 160;

/// Elements within elements: rendering recurses into them, and the stack is finite.
const DEEPEST: usize = 256;

/// The text of a page, without scripts, styles, link targets and table borders.
pub(super) fn text(page: &str) -> Result<String, DocumentError> {
    let malformed = |problem| DocumentError::Malformed { format: Format::Html.name(), problem };
    let config = config::plain_no_decorate().raw_mode(true).allow_width_overflow();
    let dom = config.parse_html(page.as_bytes()).map_err(|_| malformed("it is no HTML"))?;
    if deeper_than(DEEPEST, &dom.document) {
        return Err(malformed("its elements are nested too deeply"));
    }
    let tree = config.dom_to_render_tree(&dom).map_err(|_| malformed("it cannot be laid out"))?;
    config.render_to_string(tree, WIDTH).map_err(|_| malformed("it cannot be laid out"))
}

/// Walks with a stack of its own, whatever the depth.
fn deeper_than(limit: usize, document: &Handle) -> bool {
    let mut waiting = vec![(document.clone(), 0)];
    while let Some((node, depth)) = waiting.pop() {
        if depth > limit {
            return true;
        }
        waiting.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
    }
    false
}

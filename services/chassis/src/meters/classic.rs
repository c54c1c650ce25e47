//! `OpenMetrics` as the older text format 0.0.4. Pure; knows as much of `OpenMetrics` as this process writes.

use std::borrow::Cow;

/// The same figures: counters are named in full, what the older format does not know is left out.
pub(super) fn of(open_metrics: &str) -> String {
    let mut classic = String::with_capacity(open_metrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Only the next line tells whether it is a counter.
            help = rest.split_once(' ').or(Some((rest, "")));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (name, kind): (Cow<'_, str>, &str) = match kind {
                "counter" => (format!("{name}_total").into(), kind),
                "unknown" => (name.into(), "untyped"),
                _ => (name.into(), kind),
            };
            if let Some((_, help)) = help.take() {
                classic.push_str(&format!("# HELP {name} {help}\n"));
            }
            classic.push_str(&format!("# TYPE {name} {kind}\n"));
        } else if !line.starts_with('#') {
            classic.push_str(without_exemplar(line));
            classic.push('\n');
        }
    }
    classic
}

/// A sample up to its exemplar. Label values may hold anything, in quotation marks.
fn without_exemplar(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return line[..at].trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_in_full_and_exemplars_units_and_the_end_go() {
        let open_metrics = concat!(
            "# HELP turns Turns that ended.\n",
            "# TYPE turns counter\n",
            "turns_total{kind=\"a # b \\\" # c\"} 17 # {trace_id=\"x\"} 1 3.5\n",
            "# HELP wait_seconds Time.\n",
            "# TYPE wait_seconds histogram\n",
            "# UNIT wait_seconds seconds\n",
            "wait_seconds_bucket{le=\"+Inf\"} 2 # {trace_id=\"ab\"} 0.5 1.0\n",
            "# HELP odd What it is nobody knows.\n",
            "# TYPE odd unknown\n",
            "odd 1\n",
            "# EOF\n"
        );
        assert_eq!(
            of(open_metrics),
            concat!(
                "# HELP turns_total Turns that ended.\n",
                "# TYPE turns_total counter\n",
                "turns_total{kind=\"a # b \\\" # c\"} 17\n",
                "# HELP wait_seconds Time.\n",
                "# TYPE wait_seconds histogram\n",
                "wait_seconds_bucket{le=\"+Inf\"} 2\n",
                "# HELP odd What it is nobody knows.\n",
                "# TYPE odd untyped\n",
                "odd 1\n",
            )
        );
    }
}

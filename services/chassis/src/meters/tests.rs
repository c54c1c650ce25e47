//! What is written down of what was counted.

use prometheus_client::metrics::{exemplar::HistogramWithExemplars, gauge::Gauge};

use super::*;

#[test]
fn a_metric_of_one_name_is_one_metric() {
    let meters = Meters::new();
    let new = Counter::<u64>::default;
    let here = meters.metric("things", "Things", new);
    let there = meters.metric("things", "Things", new);
    here.inc();
    there.inc();
    let text = meters.text();
    assert!(text.contains("# HELP things_total Things.\n"), "{text}");
    assert!(text.contains("\nthings_total 2\n"), "{text}");
    let other = meters.metric("things", "Things", Gauge::<i64>::default);
    other.set(7);
    assert_eq!(text, text.replace("things 7", ""));
}

#[test]
fn exemplars_are_for_open_metrics_alone() {
    let meters = Meters::new();
    let wait = meters.metric("wait_seconds", "Waiting", || {
        HistogramWithExemplars::<[(&str, String); 1]>::new([0.5].into_iter())
    });
    wait.observe(0.25, Some([("trace_id", "abc".to_owned())]), None);
    let open = meters.open_metrics();
    assert!(
        open.contains("wait_seconds_bucket{le=\"0.5\"} 1 # {trace_id=\"abc\"} 0.25"),
        "{open}"
    );
    assert!(open.ends_with("# EOF\n"));
    let text = meters.text();
    assert!(
        text.contains("wait_seconds_bucket{le=\"0.5\"} 1\n"),
        "{text}"
    );
    assert!(
        !text.contains("trace_id") && !text.contains("# EOF"),
        "{text}"
    );
}

#[test]
fn values_that_were_counted_elsewhere_are_added_together() {
    let meters = Meters::new();
    let gaps = meters.metric("gap_seconds", "Gaps", || CountedHistogram::new(&[0.1, 1.0]));
    gaps.add([(0.05, 3), (0.1, 1), (0.5, 2), (7.0, 1)]);
    let text = meters.text();
    for line in [
        "gap_seconds_bucket{le=\"0.1\"} 4",
        "gap_seconds_bucket{le=\"1.0\"} 6",
        "gap_seconds_bucket{le=\"+Inf\"} 7",
        "gap_seconds_count 7",
        "gap_seconds_sum 8.25",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn roles_tell_how_they_stand() {
    let meters = Meters::new();
    let (readiness, drain) = (Readiness::default(), Drain::default());
    let store = readiness.condition("store");
    meters.role("chat", readiness, drain.clone());
    for (role, up) in [("chat", true), ("gateway", false)] {
        meters.standing(role, move || Standing {
            active_streams: 3,
            dropped_reports: 2,
            dependencies: vec![("flags".into(), up)],
        });
    }
    meters.looked("speech", 0, 1);
    let breaker = crate::outbound::Breaker::new("a peer", &Default::default());
    let text = meters.text();
    for line in [
        "troika_ready{role=\"chat\"} 0\n",
        "troika_active_streams{role=\"gateway\"} 3\n",
        "troika_dependency_up{dependency=\"flags\"} 0\n",
        "troika_report_dropped_total 4\n",
        "troika_breaker_state{peer=\"a peer\"} 0\n",
        "troika_cache_lookups_total{cache=\"speech\",result=\"miss\"} 1\n",
        concat!(
            "troika_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\",role=\"chat\"} 1\n"
        ),
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    store.met();
    assert!(meters.text().contains("troika_ready{role=\"chat\"} 1\n"));
    drain.begin();
    assert!(meters.text().contains("troika_ready{role=\"chat\"} 0\n"));
    drop(breaker);
    assert!(!meters.text().contains("a peer"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_tells_what_it_takes() {
    let text = Meters::new().text();
    let value = |name: &str| -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let value = line.and_then(|line| line.split_once(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .1
            .parse()
            .unwrap()
    };
    for name in [
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
    ] {
        assert!(value(name) > 0.0, "{name}");
    }
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("troika_tasks") >= 0.0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!((now - value("process_start_time_seconds")).abs() < 3600.0);
}

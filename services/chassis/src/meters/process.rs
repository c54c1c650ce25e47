//! What this process takes of its machine, read when somebody asks. It must not know what the process does.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
    registry::Registry,
};

/// Puts the process among its figures.
pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let alive = ConstGauge::new(runtime.metrics().num_alive_tasks());
            let help = "Tasks of the runtime that are alive.";
            let told =
                encoder.encode_descriptor("troika_tasks", help, None, alive.metric_type())?;
            alive.encode(told)?;
        }
        #[cfg(target_os = "linux")]
        if let Ok(resources) = linux::Resources::read() {
            resources.encode(&mut encoder)?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::{ProcResult, process::LimitValue};
    use prometheus_client::{
        encoding::{DescriptorEncoder, EncodeMetric},
        metrics::{counter::ConstCounter, gauge::ConstGauge},
    };

    pub(super) struct Resources {
        cpu: f64,
        resident: u64,
        virtual_size: u64,
        open_files: u64,
        most_files: Option<u64>,
        threads: i64,
        started: f64,
    }

    impl Resources {
        pub(super) fn read() -> ProcResult<Self> {
            let process = procfs::process::Process::myself()?;
            let stat = process.stat()?;
            let ticks = procfs::ticks_per_second() as f64;
            Ok(Self {
                cpu: (stat.utime + stat.stime) as f64 / ticks,
                resident: stat.rss * procfs::page_size(),
                virtual_size: stat.vsize,
                open_files: process.fd_count()? as u64,
                most_files: match process.limits()?.max_open_files.soft_limit {
                    LimitValue::Value(most) => Some(most),
                    LimitValue::Unlimited => None,
                },
                threads: stat.num_threads,
                started: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
            })
        }

        pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
            let cpu = ConstCounter::new(self.cpu);
            let help = "Processor time that this process took.";
            cpu.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                cpu.metric_type(),
            )?)?;
            let mut gauge = |name: &str, help: &str, value: f64| {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
            };
            gauge(
                "process_resident_memory_bytes",
                "Memory that this process has in the machine's own.",
                self.resident as f64,
            )?;
            gauge(
                "process_virtual_memory_bytes",
                "Memory that this process may address.",
                self.virtual_size as f64,
            )?;
            gauge(
                "process_open_fds",
                "Files, sockets and the like that this process has open.",
                self.open_files as f64,
            )?;
            gauge(
                "process_max_fds",
                "Files, sockets and the like that this process may have open.",
                self.most_files.map_or(f64::INFINITY, |most| most as f64),
            )?;
            gauge(
                "process_threads",
                "Threads of this process.",
                self.threads as f64,
            )?;
            gauge(
                "process_start_time_seconds",
                "When this process started, since 1970.",
                self.started,
            )
        }
    }
}

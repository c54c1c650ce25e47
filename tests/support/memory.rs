//! What the kernel says of a process's memory. Linux only: it reads /proc.

/// Resident bytes now.
pub fn resident(pid: u32) -> u64 {
    figure(pid, "VmRSS:")
}

/// The most that was ever resident, in bytes.
pub fn peak(pid: u32) -> u64 {
    figure(pid, "VmHWM:")
}

fn figure(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_else(|| panic!("no {name} of {pid}")) * 1024
}

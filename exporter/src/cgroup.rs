// SPDX-License-Identifier: GPL-2.0

//! The control group of a process (cgroups(7)).

use std::fs;

/// The name of the group of processes that had ended before they could be looked at.
pub const UNKNOWN: &str = "(unknown)";

/// The path of the process's cgroup below the root of the hierarchy, from `/proc/PID/cgroup`; `None` if it is gone.
pub fn of(pid: i32) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    parse(&String::from_utf8_lossy(&text)).map(str::to_owned)
}

/// The path that the text of `/proc/PID/cgroup` names: that of the unified hierarchy, or where there is none, of the one with the memory
/// controller. A machine with both has its processes in the latter.
pub fn parse(text: &str) -> Option<&str> {
    let mut unified = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if controllers.split(',').any(|controller| controller == "memory") {
            return Some(path);
        }
        if controllers.is_empty() {
            unified = Some(path);
        }
    }
    unified
}

/// Whether a process in `path` is in the cgroup `wanted` or below it.
pub fn is_in(path: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_matches('/');
    match path.trim_start_matches('/').strip_prefix(wanted) {
        Some(rest) => wanted.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_taken_or_that_of_memory() {
        assert_eq!(parse("0::/system.slice/x:y.service\n"), Some("/system.slice/x:y.service"));
        assert_eq!(parse("5:cpu,memory:/a\n1:name=systemd:/b\n0::/c\n"), Some("/a"));
        assert_eq!(parse("1:name=systemd:/b\n"), None);
        assert_eq!(parse("garbage\n"), None);
    }

    #[test]
    fn a_cgroup_has_what_is_below_it_and_not_what_has_a_longer_name() {
        assert!(is_in("/system.slice/a.service", "system.slice"));
        assert!(is_in("/system.slice", "/system.slice/"));
        assert!(!is_in("/system.slices/a", "/system.slice"));
        assert!(is_in("/anything", "/") && is_in("/", "/"));
        assert!(!is_in("/", "/a"));
    }

    #[test]
    fn this_process_is_in_one_if_the_kernel_has_any() {
        assert_eq!(
            of(std::process::id() as i32).is_some(),
            fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| !text.is_empty())
        );
        assert_eq!(of(1 << 23), None);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A small study, written to a directory of its own: two programs for a second, numbers known beforehand.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own, removed with its owner.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("plot-study-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ticks of every run.
pub const TICKS: u64 = 20;

/// Writes a run of `workloads` in which program `i` has `100 + i` minor and `major` major faults and 10 ms of CPU time at
/// every tick. Waiting is 1 ms a major fault, or n/a.
pub fn write_run(dir: &Path, workloads: &[&str], major: u64, counts_delays: bool) {
    fs::create_dir_all(dir).unwrap();
    let head = "# host: guest\n# kernel: 7.2\n# hz: 250\n# rate_hz: 20\n# start: 2026-11-20T23:14:00Z\n";
    let mut profile = format!("# mp3 profile 1\n{head}");
    let mut rows = format!(
        "# mp3 processes 1\n{head}time_ns,tick,jiffies,pid,comm,registration,flags,threads,minor_total,major_total,user_ns_total,\
         system_ns_total,run_delay_ns_total,blkio_delay_ns_total,swapin_delay_ns_total,reclaim_delay_ns_total,\
         thrashing_delay_ns_total,resident_pages,swapped_pages\n"
    );
    let programs = workloads.len() as u64;
    for tick in 0..=TICKS {
        let time_ns = 7_000_000_000 + tick * 50_000_000;
        let jiffies = 4_294_912_345 + tick * 25 / 2;
        for program in 0..programs {
            let flags = match tick {
                0 => "first",
                TICKS => "final|exited",
                _ => "",
            };
            let (minor, major, cpu) = (tick * (100 + program), tick * major, tick * 10_000_000);
            let waited = if counts_delays { (major * 1_000_000).to_string() } else { "n/a".into() };
            writeln!(
                rows,
                "{time_ns},{tick},{jiffies},{},userapp,{},{flags},1,{minor},{major},{},{cpu},3,{waited},{waited},{waited},\
                 {waited},{minor},0",
                300 + program,
                program + 1,
                0
            )
            .unwrap();
        }
        if tick > 0 {
            let minor: u64 = (0..programs).map(|program| 100 + program).sum();
            writeln!(profile, "{jiffies} {minor} {} {}", major * programs, programs * 10_000_000).unwrap();
        }
    }
    let reports: String = workloads
        .iter()
        .enumerate()
        .map(|(program, workload)| {
            format!(
                "{{\"workload\":\"{workload}\",\"pid\":{},\"real_s\":1.0,\"user_s\":0.0,\"system_s\":0.2,\"profiled\":\
                 {{\"minor_faults\":{},\"major_faults\":{},\"user_ns\":0,\"system_ns\":200000000}},\"seed\":7,\
                 \"distinct_pages\":{}}}\n",
                300 + program,
                TICKS * (100 + program as u64),
                TICKS * major,
                TICKS * (100 + program as u64)
            )
        })
        .collect();
    fs::write(dir.join("profile.data"), profile).unwrap();
    fs::write(dir.join("processes.csv"), rows).unwrap();
    fs::write(dir.join("userapp.jsonl"), reports).unwrap();
    let description = "{\"format\":1,\"started\":\"2026-11-20T23:14:00Z\",\"wall_s\":1.25,\
        \"machine\":{\"cpus\":2,\"memory_mib\":512,\"kernel\":\"7.2\",\"host_cpu\":\"</script><b>&\"}}";
    fs::write(dir.join("run.json"), description).unwrap();
}

/// Writes two studies: `case1` with 1a and 1b, `case2` with one and three copies.
pub fn write_studies(dir: &Path) {
    write_run(&dir.join("case1/1a"), &["1024 R 50000", "1024 R 10000"], 0, false);
    write_run(&dir.join("case1/1b"), &["1024 R 50000", "1024 L 10000"], 0, false);
    write_run(&dir.join("case2/n01"), &["200 R 10000"], 0, true);
    write_run(&dir.join("case2/n03"), &["200 R 10000"; 3], 4, true);
}

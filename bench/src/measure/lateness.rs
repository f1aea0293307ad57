// SPDX-License-Identifier: GPL-2.0

//! How late samples are: each against the grid that its earliest sample lies on.

use super::{register, MP3};
use crate::clock;
use crate::peers::proc_stat::Opened;
use crate::peers::tools;
use crate::spare_cpu;
use anyhow::{ensure, Context, Result};
use bench::report::{Clock, Distribution, Report, Section};
use nix::unistd::pipe;
use std::fs::File;
use std::io::{Read, Write};
use testkit::child::Child;
use testkit::device::Samples;
use testkit::module::Module;

/// Times of samples, ns, `period_ns` apart if they were punctual.
struct Series {
    period_ns: f64,
    times: Vec<f64>,
}

impl Series {
    /// How late each is, us. A sample that is left out makes those after it late, as it should.
    fn lateness_us(&self) -> Vec<f64> {
        let off = |(n, time): (usize, &f64)| time - n as f64 * self.period_ns;
        let grid = self.times.iter().enumerate().map(off).fold(f64::INFINITY, f64::min);
        self.times.iter().enumerate().map(|sample| (off(sample) - grid) / 1e3).collect()
    }
}

type Sample = fn(u64, usize) -> Result<Vec<f64>>;

const SAMPLERS: [(&str, Sample); 4] = [
    (MP3, mp3),
    ("perf stat -I", perf),
    ("bpftrace interval", bpftrace),
    ("reader of /proc, absolute sleep", proc_stat),
];

pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    for (rate_hz, count) in [(20, 201), (250, 1251)] {
        for busy in [false, true] {
            let _others: Vec<_> = (0..if busy { cpus } else { 0 }).map(|_| spare_cpu::busy()).collect::<Result<_>>()?;
            let condition = format!("{rate_hz} Hz, {}", if busy { "every CPU busy" } else { "idle" });
            for (name, sample) in SAMPLERS {
                let times = sample(rate_hz, count).with_context(|| format!("{name}, {condition}"))?;
                ensure!(times.len() >= count / 2, "{name}, {condition}: only {} samples", times.len());
                let mut late = Series { period_ns: 1e9 / rate_hz as f64, times }.lateness_us();
                report.distributions.push(Distribution::of(
                    Section::Lateness,
                    name,
                    &condition,
                    "us",
                    clock,
                    &mut late,
                ));
            }
        }
    }
    Ok(())
}

fn mp3(rate_hz: u64, count: usize) -> Result<Vec<f64>> {
    let _module = Module::load(&format!("rate_hz={rate_hz}"))?;
    let mut samples = Samples::from_here()?;
    let child = Child::idle()?;
    register(&[child.pid()])?;
    let mut times = vec![];
    // The first record is that of the registration.
    while times.len() < count + 1 {
        times.extend(samples.wait()?.iter().map(|record| record.time_ns as f64));
    }
    Ok(times.split_off(1))
}

/// Lines of `tool` until there are `count`, and of each the number in front.
fn stamps(tool: tools::Tool, rate_hz: u64, count: usize, unit_ns: f64) -> Result<Vec<f64>> {
    clock::sleep_until(clock::now_ns() + (count as u64 + 5) * 1_000_000_000 / rate_hz);
    let output = tool.end()?;
    let stamp = |line: &str| {
        let number = line.trim_start().split([',', ' ']).next()?;
        Some(number.parse::<f64>().ok()? * unit_ns)
    };
    let mut times: Vec<f64> = output.lines().filter_map(stamp).collect();
    times.truncate(count);
    Ok(times)
}

fn perf(rate_hz: u64, count: usize) -> Result<Vec<f64>> {
    let child = Child::idle()?;
    stamps(tools::perf_stat(&[child.pid()], "minor-faults", 1000 / rate_hz)?, rate_hz, count, 1e9)
}

fn bpftrace(rate_hz: u64, count: usize) -> Result<Vec<f64>> {
    let program = format!("interval:ms:{} {{ printf(\"%llu\\n\", nsecs); }}", 1000 / rate_hz);
    stamps(tools::bpftrace(&program)?, rate_hz, count, 1.0)
}

fn proc_stat(rate_hz: u64, count: usize) -> Result<Vec<f64>> {
    let (read, write) = pipe()?;
    let mut write = File::from(write);
    let mut child = Child::spawn(move |parent| {
        let mut reader = Opened::reader(&[std::process::id() as i32]).expect("/proc");
        parent.wait();
        let mut times = Vec::with_capacity(8 * count);
        let mut deadline = clock::now_ns();
        for _ in 0..count {
            deadline += 1_000_000_000 / rate_hz;
            clock::sleep_until(deadline);
            times.extend_from_slice(&clock::now_ns().to_ne_bytes());
            let _ = reader.read_all();
        }
        let _ = write.write_all(&times);
    })?;
    child.go()?;
    let mut bytes = vec![];
    File::from(read).read_to_end(&mut bytes)?;
    Ok(bytes.chunks_exact(8).filter_map(|chunk| Some(u64::from_ne_bytes(chunk.try_into().ok()?) as f64)).collect())
}

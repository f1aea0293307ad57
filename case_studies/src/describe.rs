// SPDX-License-Identifier: GPL-2.0

//! `run.json`: written for a run that has just ended, compared with a run that is asked for.

use crate::cli::{Describe, Matches};
use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use studies::study::run::{userapps, Description, Machine, FORMAT};

/// What only the guest knew, as `key=value` lines.
const GUEST: &str = "guest";

/// The key of the parameters in a machine's description.
const PARAMETERS: &str = "parameters";

/// Writes the description of the run in `arguments.dir`.
pub fn describe(arguments: &Describe) -> Result<String> {
    let path = arguments.dir.join(GUEST);
    let read = |path: &std::path::Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let text = read(&path)?;
    let mut guest: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let mut take = |key: &str| guest.remove(key).with_context(|| format!("{}: no {key}", path.display()));
    let (wall_s, cpus) = (take("wall_s")?.parse().context("wall_s")?, take("cpus")?.parse().context("cpus")?);
    let number = |text: &str| text.parse::<u64>().map(Value::from).with_context(|| format!("{text:?}"));
    let log = read(&arguments.kernel_log)?;
    let accelerator = if log.contains("Hypervisor detected: KVM") { "kvm" } else { "tcg (no KVM)" };
    let more = BTreeMap::from([
        ("memory_mib".to_owned(), number(take("memory_mib")?)?),
        ("swap_mib".to_owned(), number(take("swap_mib")?)?),
        ("kernel".to_owned(), take("kernel")?.into()),
        ("swap".to_owned(), arguments.swap.as_str().into()),
        (PARAMETERS.to_owned(), arguments.parameters.as_str().into()),
        ("accelerator".to_owned(), accelerator.into()),
        ("host_cpu".to_owned(), host_cpu().into()),
    ]);
    let description =
        Description { format: FORMAT, started: arguments.started.clone(), wall_s, machine: Machine { cpus, more } };
    description.save(&arguments.dir)?;
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    Ok(String::new())
}

/// Fails unless the run in `arguments.dir` was made as asked for.
pub fn matches(arguments: &Matches) -> Result<String> {
    let dir = arguments.dir.display();
    let description = Description::load(&arguments.dir)?;
    let parameters = description.machine.more.get(PARAMETERS).and_then(Value::as_str).unwrap_or_default();
    if parameters != arguments.parameters {
        bail!("{dir} was run with {parameters}, and not with {}", arguments.parameters);
    }
    let workloads: Vec<String> = userapps(&arguments.dir)?.into_iter().map(|userapp| userapp.workload).collect();
    ensure!(workloads == arguments.workloads, "{dir} was run with other workloads: {}", workloads.join(", "));
    Ok(String::new())
}

/// The first CPU's model; empty where the kernel does not name it.
fn host_cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "model name");
    model.map_or_else(String::new, |(_, model)| model.trim().to_owned())
}

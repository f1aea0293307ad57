// SPDX-License-Identifier: GPL-2.0

//! `userapp` and `monitor` together, as they are typed.

use crate::programs::{comment, directory, json, lost, number, program, ticks, userapp};
use crate::test::Outcome;
use crate::tests;
use anyhow::ensure;
use std::fs;
use std::path::Path;
use std::process::{id, Command};
use testkit::files;
use testkit::module::Module;
use testkit::running::run;

tests![the_commands_of_the_readme, without_the_module,];

fn the_commands_of_the_readme() -> Outcome {
    let _module = Module::load("")?;
    let directory = directory("readme")?;
    let programs = files::program("userapp").get_program().to_owned();
    let script = r#"
        report=$PWD/report.json profile=$PWD/profile.data summary=$PWD/summary
        cd "$(dirname "$0")"
        ./userapp 200 R 10000 --pause 0.05 --json > "$report" &
        ./monitor > "$profile" 2> "$summary" || exit
        wait $!
    "#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(&programs).current_dir(&directory);
    let ended = run(&mut shell)?;
    ensure!(ended.status.success(), "{ended:?}");

    let report = json(&fs::read_to_string(directory.join("report.json"))?)?;
    let text = fs::read_to_string(directory.join("profile.data"))?;
    let summary = fs::read_to_string(directory.join("summary"))?;
    let ticks = ticks(&text)?;
    let sum = |column: usize| ticks.iter().map(|tick| tick[column]).sum::<u64>();
    let profiled = &report["profiled"];
    let (minor, major) = (number(&profiled["minor_faults"])?, number(&profiled["major_faults"])?);
    ensure!((sum(1), sum(2)) == (minor, major), "{} and {} in the profile; {report}", sum(1), sum(2));
    ensure!(minor == number(&report["distinct_pages"])?, "{report}");

    // getrusage is asked before R and after U, and each of its four times is cut to a microsecond.
    let cpu_ns = number(&profiled["user_ns"])? + number(&profiled["system_ns"])?;
    ensure!(sum(3) <= cpu_ns + 4_000 && sum(3) >= cpu_ns / 10 * 9, "{} ns in the profile; {report}", sum(3));

    for (key, value) in [("minor", sum(1)), ("major", sum(2)), ("cpu_ns", sum(3)), ("lost", 0), ("processes", 1)] {
        ensure!(comment(&text, key)? == value, "{key} is not {value}: {text}");
    }
    ensure!(comment(&text, "ticks")? == ticks.len() as u64);
    ensure!(comment(&text, "user_ns")? + comment(&text, "system_ns")? == sum(3));
    ensure!(lost(&summary)? == 0);
    // 20 pauses of 50 ms: at least 20 ticks were due.
    ensure!(ticks.len() as u64 + comment(&text, "missed_ticks")? >= 20, "{text}");
    ensure!(ticks.windows(2).all(|pair| pair[0][0] <= pair[1][0]), "jiffies go back: {text}");
    Ok(())
}

fn without_the_module() -> Outcome {
    let module = Module::load("")?;
    ensure!(Path::new(abi::device::DEVICE_PATH).exists());
    module.unload()?;
    for line in
        ["1 R 1 --pause 0", &format!("register {}", id()), &format!("unregister {}", id()), "list", "run -- true"]
    {
        let ended = userapp(line)?;
        ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{line}: {ended:?}");
        ensure!(ended.stderr == "userapp: /proc/mp3/status: not there; is mp3.ko loaded?\n", "{line}: {ended:?}");
    }
    for line in ["", "--drain", "--follow --json"] {
        let ended = run(&mut program("monitor", line))?;
        ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{line}: {ended:?}");
        let advice = "is mp3.ko loaded? Without the module: --source proc";
        ensure!(ended.stderr == format!("monitor: /dev/mp3: not there; {advice}\n"), "{line}: {ended:?}");
    }
    Ok(())
}

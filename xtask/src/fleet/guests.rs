// SPDX-License-Identifier: GPL-2.0

//! The machines: each runs `fleet/guest` with its name.

use super::INTO;
use anyhow::{ensure, Context, Result};
use std::cell::RefCell;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A kind of machine.
pub struct Role {
    /// Its name.
    pub name: &'static str,
    /// Options of vm/run.
    options: &'static [&'static str],
}

/// How much longer all guests live than they work: one of them without its exporter.
const AFTERWARDS: u64 = 150;

/// All of them.
pub const ROLES: [Role; 3] = [
    Role { name: "steady", options: &["--mem", "320M", "--modparams", "ring_records=256"] },
    Role { name: "crowded", options: &["--mem", "320M"] },
    Role { name: "short", options: &["--mem", "320M", "--swap", "512M,iops=100"] },
];

/// What the guests run.
const PROGRAMS: [&str; 5] = ["exporter", "mp3.ko", "sched", "userapp", "work"];

/// The port of the exporter inside.
const PORT: u16 = 9503;

/// A machine that runs; it is ended where it is dropped.
pub struct Guest {
    name: &'static str,
    child: RefCell<Child>,
    log: PathBuf,
}

impl Guest {
    /// Boots it. Its exporter answers at `port` of 127.0.0.1, once it is there, for `seconds` at least.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(role: &Role, port: u16, seconds: u64) -> Result<Self> {
        let programs = PathBuf::from(INTO).join("programs");
        fs::create_dir_all(&programs)?;
        for name in PROGRAMS {
            let from = PathBuf::from("out/vm").join(name);
            fs::copy(&from, programs.join(name)).with_context(|| from.display().to_string())?;
        }
        let out = PathBuf::from(INTO).join(role.name);
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out)?;
        let log = out.join("run.log");
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let prepared = Command::new("vm/prepare-fleet").arg("--if-there").output().context("vm/prepare-fleet")?;
        ensure!(prepared.status.success(), "nothing is prepared: vm/prepare-fleet");
        let prepared = String::from_utf8_lossy(&prepared.stdout).trim().to_owned();
        let card = format!("{prepared}/card");
        // busybox has no chrt.
        let libraries = "usr/lib/x86_64-linux-gnu";
        let chrt = [
            ("usr/bin/chrt".into(), "/usr/bin/chrt".into()),
            (format!("{libraries}/libc.so.6"), format!("/{libraries}/libc.so.6")),
            (format!("{libraries}/ld-linux-x86-64.so.2"), "/lib64/ld-linux-x86-64.so.2".to_owned()),
        ];
        let chrt = chrt.map(|(from, to)| ["--add".to_owned(), format!("{prepared}/root/{from}:{to}")]);
        let child = Command::new("vm/run")
            .args(role.options)
            // Without the check, a kernel that hardly gets a CPU while it boots does not take its timer for broken.
            .args(["--cpus", "1", "--append", "delayacct no_timer_check", "--add", &card, "--add", "fleet/guest"])
            .args(chrt.as_flattened())
            .args(["--forward", &format!("{port}:{PORT}"), "--timeout", &(seconds + AFTERWARDS + 600).to_string()])
            .arg("--programs")
            .arg(&programs)
            .arg("--out")
            .arg(&out)
            .args(["--", "sh", "./guest", role.name, &seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("vm/run")?;
        Ok(Guest { name: role.name, child: RefCell::new(child), log })
    }

    /// Whether it has ended, and not well.
    pub fn has_failed(&self) -> bool {
        matches!(self.child.borrow_mut().try_wait(), Ok(Some(status)) if !status.success())
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// It did not end well; its exporter did not.
    pub fn end(self) -> Result<()> {
        let status = self.child.borrow_mut().wait()?;
        let said = fs::read_to_string(&self.log)?;
        ensure!(status.success(), "{}: {status}\n{said}", self.name);
        ensure!(said.contains("exporter ended with 0"), "{}: {said}", self.name);
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut child = self.child.borrow_mut();
        if matches!(child.try_wait(), Ok(None)) {
            // vm/run ends its QEMU where it is told to end.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

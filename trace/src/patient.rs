// SPDX-License-Identifier: GPL-2.0

//! Output that holds nothing up: rows that the reader cannot take in time are dropped and counted.

use crate::table::{Format, Out, Schema, Table, Value, Writer};
use nix::errno::Errno;
use nix::libc::PIPE_BUF;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Bytes that may wait to be written before rows are dropped.
const WAITING_MAX: usize = 4 << 20;

/// Writes to a file, a pipe or a terminal, as fast as that takes it and no faster.
#[derive(Debug)]
pub struct Patient {
    writer: Writer<Vec<u8>>,
    to: File,
    is_regular: bool,
    /// Bytes of the writer's memory that were written already.
    written: usize,
    unprinted: u64,
    told: u64,
}

impl Patient {
    /// Writes to `to`.
    ///
    /// # Errors
    ///
    /// `to` cannot be looked at.
    pub fn new(to: File, format: Format) -> io::Result<Self> {
        let is_regular = to.metadata()?.is_file();
        Ok(Patient { writer: Writer::new(vec![], format), to, is_regular, written: 0, unprinted: 0, told: 0 })
    }

    /// Rows that were dropped.
    pub fn unprinted(&self) -> u64 {
        self.unprinted
    }

    fn waiting(&mut self) -> usize {
        self.writer.get_mut().len() - self.written
    }

    /// Writes what the reader takes without waiting for it.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` where the reader is gone, and what write(2) returns.
    pub fn pump(&mut self) -> io::Result<()> {
        while self.waiting() > 0 {
            let mut descriptors = [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)];
            if !self.is_regular {
                match poll(&mut descriptors, PollTimeout::ZERO) {
                    Ok(0) | Err(Errno::EINTR) => return Ok(()),
                    Ok(_) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            self.write_some()?;
        }
        if self.unprinted > self.told {
            let count = self.unprinted - self.told;
            self.told = self.unprinted;
            self.writer.note(&format!("... {count} rows not printed"));
        }
        Ok(())
    }

    /// Writes a piece. A pipe that reports room takes so many bytes without waiting.
    fn write_some(&mut self) -> io::Result<()> {
        let bytes = &self.writer.get_mut()[self.written..];
        let piece = if self.is_regular { bytes } else { bytes.get(..PIPE_BUF).unwrap_or(bytes) };
        match self.to.write(piece) {
            Ok(count) => self.written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let (memory, written) = (self.writer.get_mut(), self.written);
        if written == memory.len() {
            memory.clear();
            self.written = 0;
        } else if written > 1 << 16 {
            memory.drain(..written);
            self.written = 0;
        }
        Ok(())
    }

    /// Writes everything that is left, however long that takes; `go_on` is asked while the reader takes nothing.
    ///
    /// # Errors
    ///
    /// As [`Patient::pump`]; `Interrupted` where `go_on` says no.
    pub fn finish(&mut self, mut go_on: impl FnMut() -> bool) -> io::Result<()> {
        while self.waiting() > 0 {
            let mut descriptors = [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut descriptors, PollTimeout::from(100_u16)) {
                Ok(0) | Err(Errno::EINTR) if !go_on() => return Err(io::ErrorKind::Interrupted.into()),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => self.write_some()?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

impl Out for Patient {
    fn row(&mut self, schema: &'static Schema, values: Vec<Value>, text: &str) {
        if self.waiting() > WAITING_MAX {
            self.unprinted += 1;
        } else {
            self.writer.row(schema, values, text);
        }
    }

    fn table(&mut self, table: &Table) {
        self.writer.table(table);
    }

    fn note(&mut self, text: &str) {
        self.writer.note(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{column, Unit};
    use std::io::Read;

    const SCHEMA: Schema = Schema { name: "n", columns: &[column("n", "n", Unit::Count)] };

    #[test]
    fn what_a_slow_reader_does_not_take_is_counted_to_the_row() {
        let (from, to) = nix::unistd::pipe().unwrap();
        let mut patient = Patient::new(File::from(to), Format::Text).unwrap();
        let line = "x".repeat(1023);
        let rows = 3 * WAITING_MAX as u64 / 1024;
        for n in 0..rows {
            patient.row(&SCHEMA, vec![n.into()], &line);
            patient.pump().unwrap();
        }
        let unprinted = patient.unprinted();
        assert!(unprinted > rows / 2, "{unprinted} of {rows}");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            File::from(from).read_to_string(&mut text).unwrap();
            text.lines().filter(|line| line.starts_with('x')).count() as u64
        });
        patient.finish(|| true).unwrap();
        drop(patient);
        assert_eq!(reader.join().unwrap(), rows - unprinted);
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (from, to) = nix::unistd::pipe().unwrap();
        drop(from);
        let mut patient = Patient::new(File::from(to), Format::Text).unwrap();
        patient.note("hello");
        assert_eq!(patient.pump().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A `/proc` that the tests write.

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One process of the imagined kernel.
#[derive(Clone, Copy, Debug)]
struct Task {
    parent: i32,
    state: char,
    start: u64,
    minor: u64,
    major: u64,
    runtime_ns: u64,
    threads: u32,
    voluntary: u64,
    delay_ns: u64,
}

const TASK: Task =
    Task { parent: 1, state: 'S', start: 5, minor: 0, major: 0, runtime_ns: 0, threads: 1, voluntary: 0, delay_ns: 0 };

#[derive(Default)]
struct Imagined {
    tasks: RefCell<BTreeMap<i32, Task>>,
    now_ns: Cell<u64>,
    reads: Cell<u64>,
}

impl Imagined {
    fn put(&self, pid: i32, task: Task) {
        self.tasks.borrow_mut().insert(pid, task);
    }

    fn change(&self, pid: i32, change: impl FnOnce(&mut Task)) {
        change(self.tasks.borrow_mut().get_mut(&pid).unwrap());
    }
}

impl Kernel for Rc<Imagined> {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }
    fn runtime_ns(&self, pid: i32) -> Option<u64> {
        self.tasks.borrow().get(&pid).map(|task| task.runtime_ns)
    }
    fn pids(&self, into: &mut Vec<i32>) -> io::Result<()> {
        into.extend(self.tasks.borrow().keys());
        Ok(())
    }
    fn threads(&self, pid: i32) -> Vec<i32> {
        let threads = self.tasks.borrow().get(&pid).map_or(0, |task| task.threads);
        (0..threads as i32).map(|thread| pid + 1000 * thread).collect()
    }
    fn read(&self, pid: i32, name: &str, into: &mut Vec<u8>) -> bool {
        self.reads.set(self.reads.get() + 1);
        into.clear();
        let pid = if pid == std::process::id() as i32 { 1 } else { pid };
        let tasks = self.tasks.borrow();
        let Some(task) = tasks.get(&pid) else { return false };
        let text = match name.rsplit('/').next() {
            Some("stat") => format!(
                "{pid} (work) {} {} 1 1 0 -1 0 {} 0 {} 0 {} 0 0 0 20 0 {} 0 {} 1 77\n",
                task.state,
                task.parent,
                task.minor,
                task.major,
                task.runtime_ns / 10_000_000,
                task.threads,
                task.start
            ),
            Some("status") => {
                format!("VmSwap:\t8 kB\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t0\n", task.voluntary)
            }
            _ => format!("0 {} 0\n", task.delay_ns),
        };
        into.extend_from_slice(text.as_bytes());
        true
    }
    fn ticks_hz(&self) -> u64 {
        100
    }
}

fn imagined() -> Rc<Imagined> {
    let kernel = Rc::new(Imagined::default());
    kernel.now_ns.set(1_000_000_000);
    kernel.put(1, Task { minor: 10, ..TASK });
    kernel
}

fn all(kernel: &Rc<Imagined>) -> Proc<Rc<Imagined>> {
    Proc::new(kernel.clone(), Selection::Everything, RATE_HZ)
}

fn look(source: &mut Proc<Rc<Imagined>>) -> Vec<SampleRecord> {
    source.look().unwrap().records.iter().map(SampleRecord::from_words).collect()
}

/// The records of the next tick, 50 ms later.
fn tick(kernel: &Rc<Imagined>, source: &mut Proc<Rc<Imagined>>) -> Vec<SampleRecord> {
    kernel.now_ns.set(kernel.now_ns.get() + 50_000_000);
    look(source)
}

fn faults(records: &[SampleRecord]) -> Vec<(i32, u64, Flags)> {
    records.iter().map(|record| (record.pid, record.totals.minor_faults, record.flags)).collect()
}

const NONE: Flags = Flags(0);

#[test]
fn what_was_there_before_counts_from_the_first_tick_and_what_comes_later_from_its_start() {
    let kernel = imagined();
    let mut source = all(&kernel);
    assert_eq!(faults(&look(&mut source)), [(1, 0, Flags::FIRST)]);
    kernel.put(7, Task { minor: 30, runtime_ns: 5, ..TASK });
    kernel.change(1, |task| (task.minor, task.runtime_ns) = (15, 1));
    assert_eq!(faults(&tick(&kernel, &mut source)), [(7, 0, Flags::FIRST), (1, 5, NONE), (7, 30, NONE)]);
}

#[test]
fn ticks_are_on_a_grid_and_a_missed_one_is_skipped() {
    let kernel = imagined();
    let mut source = all(&kernel);
    // A first record belongs to the tick that follows.
    assert_eq!(look(&mut source).last().unwrap().tick, 1);
    kernel.now_ns.set(1_049_999_999);
    assert!(look(&mut source).is_empty());
    assert_eq!(source.readiness().unwrap().timeout, Duration::from_millis(1));
    kernel.now_ns.set(1_050_000_000);
    let record = look(&mut source)[0];
    assert_eq!((record.tick, record.time_ns, record.jiffies), (1, 1_050_000_000, 105));
    kernel.now_ns.set(1_310_000_000);
    assert_eq!(look(&mut source)[0].tick, 6);
    assert_eq!(source.readiness().unwrap().timeout, Duration::from_millis(40));
}

#[test]
fn no_file_is_read_of_a_process_that_rests() {
    let kernel = imagined();
    let mut source = all(&kernel);
    look(&mut source);
    let before = kernel.reads.get();
    for _ in 0..10 {
        assert_eq!(tick(&kernel, &mut source).len(), 1);
    }
    assert_eq!(kernel.reads.get(), before);
    // A second after the last look, its memory may have changed.
    kernel.now_ns.set(2_000_000_000);
    look(&mut source);
    assert_eq!(kernel.reads.get(), before + 3);
}

#[test]
fn the_dead_are_complete_until_they_are_waited_for() {
    let kernel = imagined();
    let mut source = all(&kernel);
    look(&mut source);
    kernel.put(7, TASK);
    tick(&kernel, &mut source);
    kernel.change(7, |task| (task.state, task.minor, task.runtime_ns) = ('Z', 99, 8));
    let dead = Flags::FINAL | Flags::EXITED;
    assert_eq!(faults(&tick(&kernel, &mut source)), [(1, 0, NONE), (7, 99, dead)]);
    // It is not found again while it is a zombie; another process with its PID is.
    assert_eq!(faults(&tick(&kernel, &mut source)), [(1, 0, NONE)]);
    kernel.tasks.borrow_mut().remove(&7);
    tick(&kernel, &mut source);
    kernel.put(7, Task { start: 80, minor: 3, ..TASK });
    let found = tick(&kernel, &mut source);
    assert_eq!(faults(&found), [(7, 0, Flags::FIRST), (1, 0, NONE), (7, 3, NONE)]);
    assert_eq!(found[2].registration, 3);
}

#[test]
fn one_that_is_gone_has_the_totals_of_its_last_tick() {
    let kernel = imagined();
    let mut source = all(&kernel);
    look(&mut source);
    kernel.put(7, Task { minor: 30, ..TASK });
    tick(&kernel, &mut source);
    kernel.tasks.borrow_mut().remove(&7);
    assert_eq!(faults(&tick(&kernel, &mut source)), [(1, 0, NONE), (7, 30, Flags::FINAL)]);
}

#[test]
fn a_pid_that_was_given_again_between_two_ticks_is_another_process() {
    let kernel = imagined();
    let mut source = all(&kernel);
    look(&mut source);
    kernel.put(1, Task { start: 60, minor: 2, runtime_ns: 1, ..TASK });
    assert_eq!(faults(&tick(&kernel, &mut source)), [(1, 0, Flags::FINAL)]);
}

#[test]
fn descendants_are_followed_also_where_a_child_has_the_lower_pid() {
    let kernel = imagined();
    kernel.put(20, TASK);
    kernel.put(30, TASK);
    let selection = Selection::Processes { pids: vec![20], follow: true };
    let mut source = Proc::new(kernel.clone(), selection, RATE_HZ);
    assert_eq!(faults(&look(&mut source)), [(20, 0, Flags::FIRST)]);
    kernel.put(25, Task { parent: 20, minor: 4, ..TASK });
    kernel.put(9, Task { parent: 25, minor: 5, ..TASK });
    kernel.put(31, Task { parent: 30, ..TASK });
    let found = faults(&tick(&kernel, &mut source));
    assert_eq!(found[..2], [(25, 0, Flags::FIRST), (9, 0, Flags::FIRST)]);
    assert_eq!(found[2..], [(9, 5, NONE), (20, 0, NONE), (25, 4, NONE)]);
    // A process that was found as a child stays when its parent has ended.
    kernel.tasks.borrow_mut().remove(&25);
    kernel.change(9, |task| task.parent = 1);
    assert_eq!(faults(&tick(&kernel, &mut source)), [(9, 5, NONE), (20, 0, NONE), (25, 4, Flags::FINAL)]);
    for pid in [9, 20] {
        kernel.tasks.borrow_mut().remove(&pid);
    }
    assert!(!source.look().unwrap().none_left);
    kernel.now_ns.set(kernel.now_ns.get() + 50_000_000);
    assert!(source.look().unwrap().none_left);
}

#[test]
fn threads_of_the_kernel_are_left_out() {
    struct Kthreads(Rc<Imagined>);
    impl Kernel for Kthreads {
        fn now_ns(&self) -> u64 {
            self.0.now_ns()
        }
        fn runtime_ns(&self, pid: i32) -> Option<u64> {
            self.0.runtime_ns(pid)
        }
        fn pids(&self, into: &mut Vec<i32>) -> io::Result<()> {
            self.0.pids(into)
        }
        fn threads(&self, pid: i32) -> Vec<i32> {
            self.0.threads(pid)
        }
        fn read(&self, _pid: i32, _name: &str, into: &mut Vec<u8>) -> bool {
            into.clear();
            into.extend_from_slice(b"1 (kworker) S 2 0 0 0 -1 2129984 0 0 0 0 0 5 0 0 20 0 1 0 9 0 0\n");
            true
        }
        fn ticks_hz(&self) -> u64 {
            100
        }
    }
    let mut source = Proc::new(Kthreads(imagined()), Selection::Everything, RATE_HZ);
    assert!(source.look().unwrap().records.is_empty());
}

#[test]
fn totals_never_fall_when_a_thread_ends() {
    let kernel = imagined();
    let mut source = all(&kernel);
    kernel.change(1, |task| (task.threads, task.voluntary, task.delay_ns) = (2, 100, 50));
    look(&mut source);
    kernel.change(1, |task| (task.voluntary, task.delay_ns, task.runtime_ns) = (110, 70, 1));
    let totals = tick(&kernel, &mut source)[0].totals;
    assert_eq!((totals.voluntary_switches, totals.run_delay_ns), (20, 40));
    kernel.change(1, |task| (task.threads, task.voluntary, task.runtime_ns) = (1, 111, 2));
    let record = tick(&kernel, &mut source)[0];
    assert_eq!((record.totals.voluntary_switches, record.totals.cpu_ns(), record.threads), (21, 2, 1));
    assert_eq!((record.levels.resident_pages, record.levels.swapped_pages), (77, 2));
}

#[test]
fn the_end_takes_in_what_came_since_the_last_tick() {
    let kernel = imagined();
    let mut source = all(&kernel);
    look(&mut source);
    kernel.change(1, |task| (task.minor, task.runtime_ns) = (12, 1));
    kernel.now_ns.set(kernel.now_ns.get() + 1_000);
    assert!(look(&mut source).is_empty());
    source.end();
    // The tick is not due: as when a process is unregistered, the record is one of its end.
    assert_eq!(faults(&look(&mut source)), [(1, 2, Flags::FINAL)]);
    assert!(look(&mut source).is_empty() && tick(&kernel, &mut source).is_empty());
}

#[test]
fn a_process_may_be_added_and_removed() {
    let kernel = imagined();
    let mut source = Proc::new(kernel.clone(), Selection::Processes { pids: vec![], follow: true }, RATE_HZ);
    assert!(look(&mut source).is_empty());
    source.add(1);
    assert_eq!(faults(&tick(&kernel, &mut source)), [(1, 0, Flags::FIRST), (1, 0, NONE)]);
    source.remove(1);
    assert_eq!(faults(&tick(&kernel, &mut source)), [(1, 0, Flags::FINAL)]);
    assert!(tick(&kernel, &mut source).is_empty());
}

#[test]
fn this_machine_has_a_process_that_is_this_one() {
    let pid = std::process::id() as i32;
    let mut source = Proc::this(Selection::Processes { pids: vec![pid], follow: false }, RATE_HZ);
    let first = SampleRecord::from_words(&source.look().unwrap().records[0]);
    let memory = vec![1_u8; 8 << 20];
    std::hint::black_box(&memory);
    source.end();
    let last = SampleRecord::from_words(&source.look().unwrap().records[0]);
    // Huge pages make fewer faults of it.
    assert!(last.totals.minor_faults > first.totals.minor_faults);
    assert!(last.totals.cpu_ns() > 0 && last.levels.resident_pages >= 2_000);
    assert!(source.counted().has_named("minor") && !source.counted().has_named("blkio_delay"));
}

#[test]
fn a_child_that_has_ended_before_the_first_tick_is_complete() {
    let kernel = imagined();
    let own = std::process::id() as i32;
    kernel.put(20, Task { parent: own, state: 'Z', minor: 31, runtime_ns: 9, ..TASK });
    kernel.put(21, Task { state: 'Z', ..TASK });
    let mut source = Proc::new(kernel.clone(), Selection::Processes { pids: vec![20, 21], follow: true }, RATE_HZ);
    assert_eq!(faults(&look(&mut source)), [(20, 0, Flags::FIRST)]);
    assert_eq!(faults(&tick(&kernel, &mut source)), [(20, 31, Flags::FINAL | Flags::EXITED)]);
}

#[test]
fn the_first_interval_is_a_whole_one_however_late_the_first_look_is() {
    let kernel = imagined();
    let mut source = all(&kernel);
    // 240 ms after the grid began, 10 ms before a tick: a program was started meanwhile.
    kernel.now_ns.set(1_240_000_000);
    assert_eq!(faults(&look(&mut source)), [(1, 0, Flags::FIRST)]);
    let mut ticks = vec![];
    for now_ns in [1_249_000_000, 1_250_000_000, 1_299_999_999, 1_300_000_000] {
        kernel.now_ns.set(now_ns);
        ticks.extend(look(&mut source).iter().map(|record| (record.tick, record.time_ns)));
    }
    assert_eq!(ticks, [(5, 1_250_000_000), (6, 1_300_000_000)]);
}

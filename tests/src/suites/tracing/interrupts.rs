// SPDX-License-Identifier: GPL-2.0

//! Time in interrupts.

use super::oracles::pin;
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::{Event, Irq, IrqClass, Kind, Kinds};
use anyhow::{ensure, Context, Result};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::net::UdpSocket;
use std::time::Duration;
use testkit::child::Child;
use testkit::module::Module;
use testkit::tracing::{Ask, Happened, Ring, Tracing};

tests![interrupts_take_what_a_busy_loop_is_missing, interrupts_take_no_time_of_others_inside_of_them,];

/// What entering and leaving an interrupt and recording it takes at most, where the clock counts instructions, ns.
const AROUND_AN_INTERRUPT_NS: u64 = 5_000;

/// What a busy loop has found that looks at the clock all the time.
#[derive(Debug)]
struct Missing {
    /// CLOCK_BOOTTIME, ns: when it began and ended.
    window: [u64; 2],
    /// What its rounds took beyond as many of the shortest, ns.
    lost_ns: u64,
}

/// Looks at the clock for 160 ms, while `timers` timers expire, 10 at the same time, once a millisecond.
fn busy_loop(timers: u64) -> Missing {
    let read = |clock| Duration::from(nix::time::clock_gettime(clock).expect("a clock"));
    let now = || read(nix::time::ClockId::CLOCK_BOOTTIME).as_nanos() as u64;
    let first = read(nix::time::ClockId::CLOCK_MONOTONIC) + Duration::from_millis(40);
    let all: Vec<TimerFd> = (0..timers)
        .map(|number| {
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()).expect("a timer");
            let when = TimeSpec::from(first + Duration::from_millis(number / 10));
            timer.set(Expiration::OneShot(when), TimerSetTimeFlags::TFD_TIMER_ABSTIME).expect("a timer");
            timer
        })
        .collect();
    let begun = now();
    // Rounds are long beside the nanosecond by which a clock's reading is rounded.
    let (mut at, mut rounds, mut shortest) = (begun, 0, u64::MAX);
    while at - begun < 160_000_000 {
        std::hint::black_box((0..10_000).fold(0_u64, |sum, number| std::hint::black_box(sum ^ number)));
        let next = now();
        shortest = shortest.min(next - at);
        rounds += 1;
        at = next;
    }
    drop(all);
    Missing { window: [begun, at], lost_ns: (at - begun).saturating_sub(rounds * shortest) }
}

fn interrupts_take_what_a_busy_loop_is_missing() -> Outcome {
    let _module = Module::load("")?;
    let mut taken_before = 0;
    for timers in [0, 1000] {
        let mut child = Child::spawn(move |parent| {
            pin(0).expect("CPU 0");
            let parameter = libc::sched_param { sched_priority: 99 };
            // SAFETY: The parameter is a local.
            assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) }, 0);
            allow_many_files().expect("a limit");
            parent.done();
            parent.wait();
            let Missing { window: [begun, ended], lost_ns } = busy_loop(timers);
            std::fs::write("/tmp/mp3-missing", format!("{begun} {ended} {lost_ns}")).expect("a file");
            parent.done();
            parent.wait();
        })?;
        child.wait_done()?;
        let mut tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))?;
        child.go()?;
        child.wait_done()?;
        tracing.stop()?;
        let events = tracing.read()?;
        ensure!(tracing.lost() == 0, "{} lost", tracing.lost());
        let said = std::fs::read_to_string("/tmp/mp3-missing")?;
        let said = said.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [begun, ended, lost_ns] = said[..] else { anyhow::bail!("{said:?}") };
        let (mut interrupts, mut taken_ns) = (0, 0);
        for happened in events {
            if let Event::Irq(irq) = happened.event {
                let is_within = begun <= happened.ns - irq.duration_ns && happened.ns <= ended;
                if is_within && irq.tid == child.pid() as u32 {
                    interrupts += 1;
                    taken_ns += irq.duration_ns - irq.nested_ns;
                }
            }
        }
        println!("    {timers} timers: {interrupts} interrupts of {taken_ns} ns, and the loop is missing {lost_ns} ns");
        // Entering and leaving an interrupt, and recording it, is not in its record.
        ensure!(interrupts > 0 && taken_ns <= lost_ns, "{interrupts} took {taken_ns} of {lost_ns} ns");
        if std::env::var_os("MP3_EXACT_CLOCK").is_some() {
            let beside = (lost_ns - taken_ns) / interrupts;
            ensure!(beside < AROUND_AN_INTERRUPT_NS, "{beside} ns are missing of each interrupt");
            // Each timer takes its interrupt more than a hundred instructions.
            ensure!(taken_ns > taken_before + 100 * timers, "{taken_ns} ns, and {taken_before} with fewer timers");
        }
        taken_before = taken_ns;
        child.go()?;
        child.wait()?;
    }
    Ok(())
}

/// Lets this process have as many timers and sockets as the tests here take.
fn allow_many_files() -> Result<()> {
    use nix::sys::resource::{setrlimit, Resource};
    Ok(setrlimit(Resource::RLIMIT_NOFILE, 4096, 4096)?)
}

/// Sockets that a packet goes to, all of them in one softirq.
const RECEIVERS: usize = 1_000;
/// Timers that expire in one interrupt.
const TIMERS: usize = 64;
/// How long after they are set the timers expire: from 20 us on, each time a fifth later, up to half a second. On a machine of
/// any speed, some of these moments lie in the softirq.
const DELAYS: u32 = 56;
const SWEEPS: u32 = 3;
/// Packets before the others, for which the kernel makes what it keeps.
const WARM_UP: usize = 3;
/// NET_RX, a line of `/proc/softirqs`.
const RECEIVING: u16 = 3;

/// This machine's sockets for `port`, which never have room for a packet.
fn receivers(port: u16) -> Result<Vec<UdpSocket>> {
    use nix::sys::socket::{bind, setsockopt, socket, sockopt, AddressFamily, SockFlag, SockType, SockaddrIn};
    use std::os::fd::AsRawFd;

    let receiver = |_| {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        setsockopt(&socket, sockopt::RcvBuf, &1)?;
        bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port))?;
        Ok(UdpSocket::from(socket))
    };
    (0..RECEIVERS).map(receiver).collect()
}

/// Sends packets to [`RECEIVERS`] sockets each, while [`TIMERS`] timers expire sooner or later after each is sent.
fn be_interrupted_while_sending() -> Result<()> {
    const PORT: u16 = 4711;
    let all = receivers(PORT)?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.set_broadcast(true)?;
    let timers = (0..TIMERS).map(|_| TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()));
    let timers = timers.collect::<Result<Vec<_>, _>>()?;
    let send = || sender.send_to(&[0; 8], ("127.255.255.255", PORT));
    for _ in 0..WARM_UP {
        send()?;
    }
    for _ in 0..SWEEPS {
        let mut delay = Duration::from_micros(20);
        for _ in 0..DELAYS {
            let when = Duration::from(nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?) + delay;
            for timer in &timers {
                let when = Expiration::OneShot(TimeSpec::from(when));
                timer.set(when, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            send()?;
            delay = delay * 6 / 5;
        }
    }
    drop(all);
    Ok(())
}

/// An interrupt with those directly inside of it.
struct Nest {
    irq: Irq,
    inside: Vec<Irq>,
}

/// The interrupts of a CPU. Their records come in the order of their ends, so those inside of one come before it.
fn nests(ring: &mut Ring) -> Result<Vec<Nest>> {
    let (mut nests, mut closed): (_, Vec<(u64, Irq)>) = (vec![], vec![]);
    for Happened { ns, event, .. } in ring.read()? {
        let Event::Irq(irq) = event else { continue };
        let began = ns - irq.duration_ns;
        let first_inside = closed.iter().rposition(|&(before, _)| before < began).map_or(0, |outside| outside + 1);
        let inside = closed.drain(first_inside..).map(|(_, irq)| irq).collect();
        closed.push((began, irq));
        nests.push(Nest { irq, inside });
    }
    Ok(nests)
}

fn interrupts_take_no_time_of_others_inside_of_them() -> Outcome {
    if std::fs::read_to_string("/proc/version")?.contains("PREEMPT_RT") {
        return Err(Skip("with PREEMPT_RT, softirqs are preempted by threads, and not only by interrupts").into());
    }
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        pin(0).expect("CPU 0");
        allow_many_files().expect("a limit");
        parent.wait();
        be_interrupted_while_sending().expect("packets");
        parent.done();
        parent.wait();
    })?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::NONE.with(Kind::Irq)))?;
    child.go()?;
    child.wait_done()?;
    tracing.stop()?;
    let mut all = vec![];
    for ring in &mut tracing.rings {
        all.extend(nests(ring)?);
    }
    ensure!(tracing.lost() == 0, "{} lost", tracing.lost());
    for Nest { irq, inside } in &all {
        let sum: u64 = inside.iter().map(|irq| irq.duration_ns).sum();
        ensure!(irq.nested_ns == sum, "{irq:?} has {sum} ns of others inside: {inside:?}");
    }

    // Each packet is the same work, with others inside of it or without.
    let is_packet = |irq: &Irq| irq.class == IrqClass::Soft && irq.number == RECEIVING && irq.tid == child.pid() as u32;
    let packets: Vec<&Nest> = all.iter().filter(|nest| is_packet(&nest.irq)).skip(WARM_UP).collect();
    let undisturbed = || packets.iter().filter(|nest| nest.inside.is_empty()).map(|nest| nest.irq.own_ns());
    let disturbed: Vec<_> = packets.iter().filter(|nest| !nest.inside.is_empty()).collect();
    // On a slow machine, each packet may be interrupted by the tick.
    let (least, most) = (undisturbed().min().unwrap_or(0), undisturbed().max().unwrap_or(0));
    let longest = disturbed.iter().map(|nest| nest.irq.nested_ns).max().context("no packet was interrupted")?;
    println!(
        "    {} packets of {least} to {most} ns, {} more with up to {longest} ns of other interrupts inside",
        packets.len() - disturbed.len(),
        disturbed.len()
    );
    if std::env::var_os("MP3_EXACT_CLOCK").is_some() {
        ensure!(least > 0, "each packet was interrupted");
        for Nest { irq, inside } in disturbed {
            let around = AROUND_AN_INTERRUPT_NS * inside.len() as u64;
            ensure!((least..most + around).contains(&irq.own_ns()), "{irq:?} took {} ns: {inside:?}", irq.own_ns());
        }
        ensure!(longest > 2 * AROUND_AN_INTERRUPT_NS, "an interrupt of {longest} ns would not be noticed");
    }
    child.go()?;
    child.wait()?;
    Ok(())
}

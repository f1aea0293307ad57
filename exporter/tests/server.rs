// SPDX-License-Identifier: GPL-2.0

//! Clients that never read what they asked for.

use exporter::server::{Limits, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

const PATIENCE: Duration = Duration::from_secs(120);

/// More than the kernel takes for a client that does not read.
const BYTES: usize = 32 << 20;

/// A server of a text of [`BYTES`], in a thread that lives as long as the test. Its number of connections that were dropped is
/// told with each answer.
fn start(limits: Limits) -> (SocketAddr, Arc<AtomicU64>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let dropped = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&dropped);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        sender.send(listener.local_addr().unwrap()).unwrap();
        let server = Server::new(limits, "text/plain", move |tally| {
            told.store(tally.dropped, Ordering::Release);
            "x".repeat(BYTES)
        });
        LocalSet::new().block_on(&runtime, server.serve(listener));
    });
    (receiver.recv().unwrap(), dropped)
}

fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

fn read(mut stream: TcpStream) -> usize {
    let mut answer = vec![];
    // One that was dropped may be reset.
    let _ = stream.read_to_end(&mut answer);
    answer.len()
}

#[test]
fn who_does_not_read_loses_the_connection_and_others_are_answered() {
    let (address, dropped) = start(Limits { clients: 4, time: PATIENCE });
    let idle: Vec<_> = (0..8).map(|_| ask(address)).collect();
    assert!(read(ask(address)) > BYTES);
    let begun = Instant::now();
    while dropped.load(Ordering::Acquire) < 4 {
        assert!(begun.elapsed() < PATIENCE && read(ask(address)) > BYTES);
    }
    // The oldest ones have but a part.
    assert!(idle.into_iter().take(4).all(|stream| read(stream) < BYTES));
}

#[test]
fn a_connection_ends_when_its_time_is_up() {
    let (address, dropped) = start(Limits { clients: 4, time: Duration::from_millis(300) });
    let idle = ask(address);
    let silent = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server ends it, and says that the request came too late, or nothing.
    assert!(read(silent) < 1_000);
    let begun = Instant::now();
    while dropped.load(Ordering::Acquire) < 1 {
        assert!(begun.elapsed() < PATIENCE);
        read(ask(address));
    }
    assert!(read(idle) < BYTES);
}

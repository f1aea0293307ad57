// SPDX-License-Identifier: GPL-2.0

//! taskstats over generic netlink: one request and one answer for each process. Layouts: `linux/netlink.h`,
//! `linux/genetlink.h`, `linux/taskstats.h`.

use super::Reader;
use anyhow::{ensure, Context, Result};
use nix::sys::socket::{
    bind, recv, send, socket, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
};
use std::os::fd::{AsRawFd, OwnedFd};

const HEADERS: usize = 16 + 4;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
/// The family of families, and how to ask it for one.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const TASKSTATS_CMD_GET: u8 = 1;
const TASKSTATS_CMD_ATTR_PID: u16 = 1;

/// A socket, and the requests.
pub struct Socket {
    socket: OwnedFd,
    requests: Vec<Vec<u8>>,
}

impl Socket {
    /// Of these processes.
    pub fn reader(pids: &[i32]) -> Result<Box<dyn Reader>> {
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkGeneric)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let family = family(&socket).context("the taskstats family")?;
        let requests = pids
            .iter()
            .map(|pid| message(family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &pid.to_ne_bytes()))
            .collect();
        Ok(Box::new(Socket { socket, requests }))
    }
}

impl Reader for Socket {
    fn read_all(&mut self) -> Result<usize> {
        let mut answer = [0; 1024];
        for request in &self.requests {
            exchange(&self.socket, request, &mut answer)?;
        }
        Ok(self.requests.len())
    }
}

/// Sends a request and receives its answer.
fn exchange<'a>(socket: &OwnedFd, request: &[u8], answer: &'a mut [u8]) -> Result<&'a [u8]> {
    send(socket.as_raw_fd(), request, MsgFlags::empty())?;
    let length = recv(socket.as_raw_fd(), answer, MsgFlags::empty())?;
    let answer = &answer[..length];
    ensure!(length > HEADERS && number(answer, 4) != NLMSG_ERROR, "netlink refused");
    Ok(answer)
}

/// The number under which the kernel knows taskstats.
fn family(socket: &OwnedFd) -> Result<u16> {
    let mut answer = [0; 1024];
    let request = message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0");
    let answer = exchange(socket, &request, &mut answer)?;
    let mut at = HEADERS;
    while at + 4 <= answer.len() {
        let (length, kind) = (usize::from(number(answer, at)), number(answer, at + 2));
        if kind == CTRL_ATTR_FAMILY_ID && length >= 6 {
            return Ok(number(answer, at + 4));
        }
        at += length.max(4).next_multiple_of(4);
    }
    anyhow::bail!("no number in the answer")
}

fn number(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// A generic netlink message with one attribute.
fn message(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let padded = value.len().next_multiple_of(4);
    let mut message = Vec::with_capacity(HEADERS + 4 + padded);
    message.extend_from_slice(&((HEADERS + 4 + padded) as u32).to_ne_bytes());
    message.extend_from_slice(&family.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    // Sequence and port: 0 is as good as any.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[command, 1, 0, 0]);
    message.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
    message.extend_from_slice(&attribute.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(HEADERS + 4 + padded, 0);
    message
}

// SPDX-License-Identifier: GPL-2.0

//! HTTP, and what one client may take.
//!
//! A client that is slow, silent or wrong costs a place among [`Limits::clients`] for [`Limits::time`] at most, and less where
//! others come: a further connection takes the place of the oldest. Requests are read into a buffer of fixed size, bodies of
//! requests not at all, and a connection has one request.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_local, yield_now, AbortHandle};
use tokio::time::{sleep, timeout};

/// Bytes of a request's first line and headers.
const REQUEST_BYTES: usize = 16 * 1024;

/// Headers of a request.
const HEADERS: usize = 64;

/// A text is given to all that ask within this time: more scrapes cost no more.
const FRESH: Duration = Duration::from_millis(50);

/// How long not to accept connections when there are no descriptors for more.
const REST: Duration = Duration::from_millis(100);

const LANDING: &str = "<!doctype html><title>mp3</title><h1>mp3</h1><p><a href=\"/metrics\">Metrics</a>\n";

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub clients: usize,
    /// Time of a connection.
    pub time: Duration,
}

/// What became of requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Scrapes that were answered.
    pub scrapes: u64,
    /// Connections that were ended before they were answered.
    pub dropped: u64,
    /// Requests that were refused.
    pub rejected: u64,
}

/// Serves `render`'s text. It is given the tally so far, and may take its time: nothing else runs meanwhile.
pub struct Server<F> {
    render: RefCell<F>,
    content_type: &'static str,
    limits: Limits,
    tally: Cell<Tally>,
    text: RefCell<Option<(Instant, Bytes)>>,
    connections: RefCell<VecDeque<(u64, AbortHandle)>>,
}

impl<F: FnMut(Tally) -> String + 'static> Server<F> {
    /// A server of the text.
    pub fn new(limits: Limits, content_type: &'static str, render: F) -> Rc<Self> {
        Rc::new(Server {
            render: RefCell::new(render),
            content_type,
            limits,
            tally: Cell::default(),
            text: RefCell::default(),
            connections: RefCell::default(),
        })
    }

    /// Answers the clients of `listener`, for ever. Needs a `LocalSet`.
    pub async fn serve(self: Rc<Self>, listener: TcpListener) {
        for number in 0.. {
            let stream = loop {
                match listener.accept().await {
                    Ok((stream, _)) => break stream,
                    // The client is gone already, or there are no descriptors: those of others are closed in time.
                    Err(_) => sleep(REST).await,
                }
            };
            self.make_room();
            let server = Rc::clone(&self);
            let task = spawn_local(async move {
                server.connection(stream).await;
                server.connections.borrow_mut().retain(|(other, _)| *other != number);
            });
            self.connections.borrow_mut().push_back((number, task.abort_handle()));
            // Who has sent a request already is answered before the next one is let in.
            yield_now().await;
        }
    }

    fn make_room(&self) {
        let mut connections = self.connections.borrow_mut();
        while connections.len() >= self.limits.clients {
            let Some((_, oldest)) = connections.pop_front() else { break };
            oldest.abort();
            self.count(|tally| tally.dropped += 1);
        }
    }

    fn count(&self, what: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.get();
        what(&mut tally);
        self.tally.set(tally);
    }

    async fn connection(self: &Rc<Self>, stream: TcpStream) {
        let server = Rc::clone(self);
        let answered = Rc::new(Cell::new(false));
        let has_answered = Rc::clone(&answered);
        let service = service_fn(move |request| {
            has_answered.set(true);
            let response = server.answer(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.time)
            .keep_alive(false)
            .max_buf_size(REQUEST_BYTES)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        match timeout(self.limits.time, connection).await {
            Ok(Ok(())) => {}
            // No HTTP, or too much of it; hyper has said so to the client. Or it has gone away.
            Ok(Err(_)) if answered.get() => self.count(|tally| tally.dropped += 1),
            Ok(Err(_)) => self.count(|tally| tally.rejected += 1),
            Err(_) => self.count(|tally| tally.dropped += 1),
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/metrics" if is_read => {
                self.count(|tally| tally.scrapes += 1);
                respond(StatusCode::OK, self.content_type, self.text())
            }
            "/" if is_read => {
                respond(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(LANDING.as_bytes()))
            }
            "/metrics" | "/" => {
                self.count(|tally| tally.rejected += 1);
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD is expected\n");
                response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
                response
            }
            _ => {
                self.count(|tally| tally.rejected += 1);
                plain(StatusCode::NOT_FOUND, "there is /metrics\n")
            }
        }
    }

    fn text(&self) -> Bytes {
        let now = Instant::now();
        if let Some((made, text)) = &*self.text.borrow() {
            if now.duration_since(*made) < FRESH {
                return text.clone();
            }
        }
        let text = Bytes::from((self.render.borrow_mut())(self.tally.get()));
        *self.text.borrow_mut() = Some((now, text.clone()));
        text
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

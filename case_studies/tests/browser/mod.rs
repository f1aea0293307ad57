// SPDX-License-Identifier: GPL-2.0

//! A headless Chromium, controlled over its debugging pipe: JSON messages that end with a NUL.

use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Chromium, if this machine has it: `$CHROMIUM`, or a program of that name in the PATH.
pub fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|path| path.is_file())
}

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
    session: Option<String>,
    /// Console messages, exceptions and warnings of the page.
    pub complaints: Vec<String>,
    /// URLs that the page requested.
    pub requests: Vec<String>,
}

impl Browser {
    /// Starts `program` with its profile in `home`, and opens an empty page.
    pub fn start(program: &Path, home: &Path) -> Self {
        // The pipe is file 3 for what it reads and 4 for what it writes; its own output is not ours to read.
        let script = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(program);
        command.args(["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run"]);
        command.args(["--window-size=1300,1000", "--force-device-scale-factor=1", "--disable-dev-shm-usage"]);
        command.arg(format!("--user-data-dir={}", home.display()));
        if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            // Chromium refuses to build its sandbox for root. The page is ours.
            command.arg("--no-sandbox");
        }
        let mut child = command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (complaints, requests) = (Vec::new(), Vec::new());
        let mut browser = Self { child, to, from, next: 0, session: None, complaints, requests };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the debugging protocol and returns its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(b"\0").unwrap();
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "Chromium ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => {
                self.complaints.push(parameters.to_string());
            }
            Some("Network.requestWillBeSent") => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    /// Opens `url`, and returns when it is loaded and two frames were drawn.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.eval(
            "(async () => { if (document.readyState !== 'complete') await new Promise(done => \
             addEventListener('load', done)); })()",
        );
        self.settle();
    }

    /// Returns when what was asked for is drawn: after two frames.
    pub fn settle(&mut self) {
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// The value of a JavaScript expression, as JSON; a promise's when it is kept.
    pub fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Moves, presses or releases the mouse.
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64), clicks: u32) {
        let held = u8::from(kind != "mouseMoved" && kind != "mouseReleased");
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let parameters = json!({"type": kind, "x": x, "y": y, "button": button, "buttons": held, "clickCount": clicks});
        self.call("Input.dispatchMouseEvent", parameters);
    }

    /// Clicks the element that `selector` finds.
    pub fn click(&mut self, selector: &str) {
        let place = self.centre(selector);
        self.mouse("mouseMoved", place, 0);
        self.mouse("mousePressed", place, 1);
        self.mouse("mouseReleased", place, 1);
        self.settle();
    }

    /// Presses a key.
    pub fn key(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let parameters = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", parameters);
        }
        self.settle();
    }

    /// The middle of an element, after scrolling it into sight.
    pub fn centre(&mut self, selector: &str) -> (f64, f64) {
        let (x, y, width, height) = self.rectangle(selector);
        (x + width / 2.0, y + height / 2.0)
    }

    /// Left, top, width and height of an element, after scrolling it into sight.
    pub fn rectangle(&mut self, selector: &str) -> (f64, f64, f64, f64) {
        let found = self.eval(&format!(
            "(() => {{ const found = document.querySelector({selector:?}); found.scrollIntoView({{block: 'center'}}); \
             const r = found.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; }})()"
        ));
        let at = |index: usize| found[index].as_f64().unwrap();
        (at(0), at(1), at(2), at(3))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

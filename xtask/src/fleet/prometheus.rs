// SPDX-License-Identifier: GPL-2.0

//! A Prometheus of its own, on the loopback address, and its answers.

use super::INTO;
use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs a program that `vm/prepare-fleet` has made ready.
pub const IN_FLEET: &str = "vm/in-fleet";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Labels of a series.
pub type Labels = BTreeMap<String, String>;

/// A server that runs; it is ended where it is dropped.
pub struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// Starts one that scrapes these machines on 127.0.0.1 each second.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(port: u16, targets: &[(&str, u16)]) -> Result<Self> {
        let directory = Path::new(INTO).join("prometheus");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;
        fs::copy("fleet/rules.yml", directory.join("rules.yml"))?;
        fs::write(directory.join("prometheus.yml"), configuration(targets))?;
        let log = File::create(directory.join("log"))?;
        let child = Command::new(IN_FLEET)
            .arg("prometheus")
            .arg(format!("--config.file={}/prometheus.yml", directory.display()))
            .arg(format!("--storage.tsdb.path={}/data", directory.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context(IN_FLEET)?;
        let mut prometheus = Prometheus { child, port };
        while prometheus.get("/-/ready").is_err() {
            if let Some(status) = prometheus.child.try_wait()? {
                bail!("Prometheus: {status}\n{}", fs::read_to_string(directory.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(prometheus)
    }

    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // 1.0: the answer comes in one piece, and the connection ends with it.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status == "200", "{path}: {}: {body}", head.lines().next().unwrap_or_default());
        Ok(body.to_owned())
    }

    fn api(&self, path: &str) -> Result<Value> {
        let mut answer: Value = serde_json::from_str(&self.get(path)?).with_context(|| path.to_owned())?;
        ensure!(answer["status"] == "success", "{path}: {answer}");
        Ok(answer["data"].take())
    }

    /// The series that a query answers with.
    ///
    /// # Errors
    ///
    /// It is no query.
    pub fn values(&self, query: &str) -> Result<Vec<(Labels, f64)>> {
        let data = self.api(&format!("/api/v1/query?query={}", escaped(query)))?;
        let series = data["result"].as_array().with_context(|| format!("{query}: {data}"))?;
        series
            .iter()
            .map(|one| {
                let labels: Labels = serde_json::from_value(one["metric"].clone())?;
                let value = one["value"][1].as_str().and_then(|text| text.parse().ok());
                Ok((labels, value.with_context(|| format!("{query}: {one}"))?))
            })
            .collect()
    }

    /// The values of a label of these series.
    ///
    /// # Errors
    ///
    /// No answer.
    pub fn label_values(&self, label: &str, series: &str) -> Result<Vec<String>> {
        let data = self.api(&format!("/api/v1/label/{label}/values?match[]={}", escaped(series)))?;
        Ok(serde_json::from_value(data)?)
    }

    /// How many rules there are.
    ///
    /// # Errors
    ///
    /// One cannot be evaluated.
    pub fn healthy_rules(&self) -> Result<usize> {
        let data = self.api("/api/v1/rules")?;
        let groups = data["groups"].as_array().context("no groups of rules")?;
        let rules: Vec<&Value> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        for rule in &rules {
            ensure!(rule["health"] == "ok", "a rule fails: {rule}");
        }
        Ok(rules.len())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn configuration(targets: &[(&str, u16)]) -> String {
    let mut text = String::from(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: mp3\n    static_configs:\n",
    );
    for (name, port) in targets {
        text += &format!("      - {{targets: ['127.0.0.1:{port}'], labels: {{machine: {name}}}}}\n");
    }
    text
}

/// A query as a part of an address.
fn escaped(query: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped_byte_by_byte() {
        assert_eq!(escaped("up{a=\"é\"} > 1"), "up%7Ba%3D%22%C3%A9%22%7D%20%3E%201");
    }
}

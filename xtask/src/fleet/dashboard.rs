// SPDX-License-Identifier: GPL-2.0

//! The queries in Grafana's file, as Grafana would ask them.

use super::prometheus::Prometheus;
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A panel's title and one of its queries, with the variables of the dashboard in their place.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut queries = vec![];
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let title = panel["title"].as_str().unwrap_or_default();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap_or_default();
            let query = query.replace("$machine", ".*").replace("$__rate_interval", "1m");
            queries.push((title.to_owned(), query));
        }
    }
    queries
}

/// Asks every query of the dashboard, which must answer with one series at least, and returns how many there are.
///
/// # Errors
///
/// One does not answer.
pub fn ask(prometheus: &Prometheus, path: &Path) -> Result<usize> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let dashboard: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let queries = queries(&dashboard);
    ensure!(!queries.is_empty(), "{}: no queries", path.display());
    for (title, query) in &queries {
        let values = prometheus.values(query).with_context(|| title.clone())?;
        ensure!(!values.is_empty(), "{title}: no answer to {query}");
        ensure!(!query.contains('$'), "{title}: a variable that is not known: {query}");
    }
    let machines = prometheus.label_values("machine", "mp3_info")?;
    ensure!(machines.len() == super::ROLES.len(), "the variable machine has the values {machines:?}");
    Ok(queries.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_of_the_dashboard_asks_something_and_no_variable_is_unknown() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fleet/dashboard.json");
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let graphs: Vec<_> = panels.iter().filter(|panel| panel["type"] != "row").collect();
        assert!(graphs.iter().all(|panel| panel["targets"].as_array().is_some_and(|targets| !targets.is_empty())));
        let queries = queries(&dashboard);
        assert!(queries.len() >= graphs.len());
        assert!(queries.iter().all(|(_, query)| !query.contains('$') && query.contains("machine=~\".*\"")));
        // Places in the dashboard do not overlap: each panel has an ID of its own.
        let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), panels.len());
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The page.

use crate::study::Study;

/// The page of these studies.
pub fn html(studies: &[Study]) -> Result<String, serde_json::Error> {
    let _ = studies;
    Ok(String::new())
}

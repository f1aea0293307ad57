// SPDX-License-Identifier: GPL-2.0

//! Fewer steps that still fail: delta debugging (A. Zeller, R. Hildebrandt, "Simplifying and isolating failure-inducing
//! input", IEEE TSE 28, 2002), of which only the complements are tried.

/// Leaves out of `steps` what can be left out with `fails` still true: halves, then quarters, down to single steps.
/// `fails` is asked at most `limit` times.
pub fn shrink<T: Clone>(steps: &[T], limit: usize, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut steps = steps.to_vec();
    let mut piece = steps.len().div_ceil(2);
    let mut asked = 0;
    while piece > 0 {
        let mut first = 0;
        let mut less = false;
        while first < steps.len() && asked < limit {
            let rest: Vec<_> = steps.iter().take(first).chain(steps.iter().skip(first + piece)).cloned().collect();
            asked += 1;
            if fails(&rest) {
                steps = rest;
                less = true;
            } else {
                first += piece;
            }
        }
        if asked >= limit {
            break;
        }
        if piece > 1 {
            piece = piece.div_ceil(2);
        } else if !less {
            break;
        }
    }
    steps
}

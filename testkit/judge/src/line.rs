// SPDX-License-Identifier: GPL-2.0

//! A line of the kernel's log: `<6>[   12.345678] [    T33] text`, of which only the text is certain to be there.

/// The text behind the level, the time stamp and the caller's ID, as far as these are there.
pub fn text(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    let unlevelled = match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((level, rest)) if !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    };
    let Some((stamp, rest)) = unlevelled.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return line };
    let digits = stamp.trim_start_matches(' ');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return line;
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    // CONFIG_PRINTK_CALLER: a thread (T) or a CPU (C).
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((caller, rest)) if is_caller(caller) => rest.strip_prefix(' ').unwrap_or(rest),
        _ => rest,
    }
}

fn is_caller(text: &str) -> bool {
    let text = text.trim_start_matches(' ');
    text.strip_prefix(['T', 'C']).is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_time_stamp_goes_and_the_indentation_stays() {
        assert_eq!(text("[   12.345678] BUG: KASAN"), "BUG: KASAN");
        assert_eq!(text("[   12.345678]  caller+0x1/0x2 [mp3]"), " caller+0x1/0x2 [mp3]");
        assert_eq!(text("<4>[    0.000000] text\r"), "text");
        assert_eq!(text("[    1.0] [    T33] text"), "text");
        assert_eq!(text("[    1.0] [  C1]  frame+0x1/0x2"), " frame+0x1/0x2");
    }

    #[test]
    fn what_only_looks_like_a_time_stamp_is_text() {
        for line in ["plain", "[mp3] text", "[ ] text", "", "<x> text", "[1.0", "<4> [text]"] {
            assert_eq!(text(line), line);
        }
        assert_eq!(text("[1.0] [mp3] text"), "[mp3] text");
    }

    #[test]
    fn a_level_and_a_caller_have_numbers() {
        for line in ["<>[1.0] text", "<x>[1.0] text", "<6x>[1.0] text"] {
            assert_eq!(text(line), line);
        }
        for rest in ["[T] text", "[Tx] text", "[T1x] text", "[X1] text"] {
            assert_eq!(text(&format!("[1.0] {rest}")), rest);
        }
    }
}

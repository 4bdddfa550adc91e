//! Texts of strangers made safe and made to fit.

/// Characters kept of a name, a label or a table cell.
pub const NAME_MAX: usize = 160;
/// Characters kept of a paragraph.
pub const PARAGRAPH_MAX: usize = 8_000;

/// A text without what XML forbids or what turns the reading direction, cut to `chars_max`.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let mut out: String = text.chars().take(chars_max).filter_map(harmless).collect();
    if text.chars().nth(chars_max).is_some() {
        out.push('…');
    }
    out
}

fn harmless(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\t' => Some(' '),
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' => None,
        '\u{FFFE}' | '\u{FFFF}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// Text for an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Width in pixels at this font size, on the wide side of the common system fonts.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// Advance of a character in units of the font size.
fn em(c: char) -> f64 {
    match c {
        'i' | 'l' | 'j' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.33,
        ' ' | 'f' | 't' | 'r' | '(' | ')' | '-' | '/' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
        'A'..='Z' => 0.69,
        c if c.is_ascii() => 0.61,
        c if c < '\u{1100}' => 0.72,
        _ => 1.0,
    }
}

/// The text if it fits, else its beginning and end around an ellipsis: names of one family differ
/// at their ends.
pub(super) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let mut keep = letters.len();
    while keep > 1 {
        keep -= 1;
        let tail = keep * 2 / 5;
        let head: String = letters.iter().take(keep - tail).collect();
        let end: String = letters.iter().skip(letters.len() - tail).collect();
        let short = format!("{}…{}", head.trim_end(), end.trim_start());
        if width(&short, size) <= room {
            return short;
        }
    }
    "…".to_owned()
}

/// The text in at most `lines_max` lines; what does not fit ends in an ellipsis.
pub(super) fn wrap(text: &str, size: f64, room: f64, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if line.is_empty() || width(&longer, size) <= room {
            line = longer;
            continue;
        }
        if lines.len() + 1 == lines_max {
            line = format!("{longer} {}", words.by_ref().collect::<Vec<_>>().join(" "));
            let cut = line.chars().collect::<Vec<_>>();
            line = ending(&cut, size, room);
            break;
        }
        lines.push(fit(&line, size, room));
        line = word.to_owned();
    }
    if !line.is_empty() {
        lines.push(fit(&line, size, room));
    }
    lines
}

/// The longest beginning that fits with an ellipsis behind it.
fn ending(letters: &[char], size: f64, room: f64) -> String {
    let mut used = width("…", size);
    let mut out = String::new();
    for letter in letters {
        used += em(*letter) * size;
        if used > room {
            break;
        }
        out.push(*letter);
    }
    format!("{}…", out.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        let short = fit("plimsoll balanced preset, budget 20 percent", 12.0, 150.0);
        assert!(
            short.starts_with("plimsoll") && short.ends_with("ercent"),
            "{short}"
        );
        assert!(width(&short, 12.0) <= 150.0);
    }

    #[test]
    fn wrapping_never_exceeds_its_lines_or_its_room() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 12.0, 90.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(
            lines.iter().all(|line| width(line, 12.0) <= 90.0),
            "{lines:?}"
        );
        assert!(lines[1].ends_with('…'));
        assert_eq!(wrap("short", 12.0, 90.0, 2), ["short"]);
        assert!(wrap("  ", 12.0, 90.0, 2).is_empty());
    }

    #[test]
    fn controls_and_direction_marks_are_dropped() {
        assert_eq!(clean("a\u{0}b\u{202E}c\nd\u{FFFF}", 20), "abc d");
        assert_eq!(clean("abcdef", 3), "abc…");
    }
}

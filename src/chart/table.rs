//! A table for the page.

use super::text::{NAME_MAX, clean, escape};

/// Columns shown at most.
pub const COLUMNS_MAX: usize = 40;
/// Rows shown at most.
pub const ROWS_MAX: usize = 2_000;

/// Cells under a header. A column of numbers is aligned to the right by itself. At most
/// [`ROWS_MAX`] rows and [`COLUMNS_MAX`] columns are shown; a line below says what was left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Shown above the table.
    pub caption: String,
    pub header: Vec<String>,
    /// A row that is too short is filled with empty cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn html(&self) -> String {
        let widest = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let columns = widest.max(self.header.len());
        let shown = columns.min(COLUMNS_MAX);
        let numeric: Vec<bool> = (0..shown).map(|column| self.is_numeric(column)).collect();
        let row = |cells: &[String], tag: &str, more: &str| {
            let cells: String = numeric
                .iter()
                .enumerate()
                .map(|(column, numeric)| {
                    let class = if *numeric { " class=\"n\"" } else { "" };
                    let text = cells.get(column).map_or("", String::as_str);
                    let text = escape(&clean(text, NAME_MAX));
                    format!("<{tag}{more}{class}>{text}</{tag}>")
                })
                .collect();
            format!("<tr>{cells}</tr>\n")
        };
        let mut out = String::from("<div class=\"wide\"><table>\n");
        if !self.caption.trim().is_empty() {
            let caption = escape(&clean(&self.caption, NAME_MAX));
            out.push_str(&format!("<caption>{caption}</caption>\n"));
        }
        if !self.header.is_empty() {
            let head = row(&self.header, "th", " scope=\"col\"");
            out.push_str(&format!("<thead>{head}</thead>\n"));
        }
        out.push_str("<tbody>\n");
        for cells in self.rows.iter().take(ROWS_MAX) {
            out.push_str(&row(cells, "td", ""));
        }
        if self.rows.is_empty() || shown == 0 {
            let span = shown.max(1);
            out.push_str(&format!("<tr><td colspan=\"{span}\">no data</td></tr>\n"));
        }
        out.push_str("</tbody></table></div>\n");
        let hidden = [
            (self.rows.len().saturating_sub(ROWS_MAX), "rows"),
            (columns - shown, "columns"),
        ];
        for (count, what) in hidden.into_iter().filter(|(count, _)| *count > 0) {
            out.push_str(&format!(
                "<p class=\"cut\">{count} more {what} not shown.</p>\n"
            ));
        }
        out
    }

    /// Whether every filled cell of the column is a number, and there is one.
    fn is_numeric(&self, column: usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let mut filled = cells
            .map(|cell| cell.trim())
            .filter(|cell| !["", "–", "-", "n/a"].contains(cell))
            .peekable();
        filled.peek().is_some() && filled.all(reads_as_number)
    }
}

/// Digits first, perhaps after a sign, and at most a short unit behind them.
fn reads_as_number(cell: &str) -> bool {
    let body =
        cell.trim_start_matches(['+', '-', '−', '±', '<', '>', '≤', '≥', '~', ' ', '$', '€']);
    let unit = body.trim_start_matches(|c: char| c.is_ascii_digit() || ".,_ '\u{202F}".contains(c));
    let begins = body.starts_with(|c: char| c.is_ascii_digit());
    begins && unit.chars().count() <= 5 && !unit.contains('-') && !unit.contains(':')
}

#[cfg(test)]
mod tests {
    use super::reads_as_number;

    #[test]
    fn numbers_are_told_from_words_and_dates() {
        for number in ["12", "−3.5%", "1,234.5 USDT", "25 bps", "±20%", "10×"] {
            assert!(reads_as_number(number), "{number}");
        }
        for word in [
            "BTCUSDT",
            "2025-10-10",
            "21:20:05",
            "",
            "3 of the days",
            "%",
        ] {
            assert!(!reads_as_number(word), "{word}");
        }
    }
}

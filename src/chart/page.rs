//! A page that stands alone: no network, no script, light or dark, good on paper.

use super::bars::GroupedBars;
use super::price::PriceChart;
use super::reliability::Reliability;
use super::sheet::Home;
use super::style;
use super::table::Table;
use super::text::{NAME_MAX, PARAGRAPH_MAX, clean, escape};

/// Sections on one page at most.
pub const SECTIONS_MAX: usize = 200;

/// By this a page can be told from other files; it stands near its beginning.
pub const MADE_BY: &str = "<meta name=\"generator\" content=\"plimsoll\"/>";

/// Something to look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    Price(PriceChart),
    Bars(GroupedBars),
    Reliability(Reliability),
    Table(Table),
}

/// A heading, what to read from the figure, and the figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    pub heading: String,
    /// An empty line begins a new paragraph.
    pub text: String,
    pub figure: Option<Figure>,
}

/// One self-contained HTML page of at most [`SECTIONS_MAX`] sections; it says what was left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    pub title: String,
    pub lead: String,
    pub sections: Vec<Section>,
    /// How the page was made: command, data, version.
    pub footer: String,
}

impl Page {
    /// The whole page; it is also well-formed XML.
    #[must_use]
    pub fn html(&self) -> String {
        let title = escape(&clean(&self.title, NAME_MAX));
        let mut body = format!(
            "<h1>{title}</h1>\n{}",
            paragraphs(&self.lead, " class=\"lead\"")
        );
        for (number, section) in self.sections.iter().take(SECTIONS_MAX).enumerate() {
            body.push_str(&section.html(number + 1));
        }
        let hidden = self.sections.len().saturating_sub(SECTIONS_MAX);
        if hidden > 0 {
            body.push_str(&format!(
                "<p class=\"cut\">{hidden} more sections not shown.</p>\n"
            ));
        }
        if !self.footer.trim().is_empty() {
            body.push_str(&format!(
                "<footer>{}</footer>\n",
                paragraphs(&self.footer, "")
            ));
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n{MADE_BY}\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <title>{title}</title>\n<style>{}{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
            style::PAGE,
            style::CHART
        )
    }
}

impl Section {
    fn html(&self, number: usize) -> String {
        let heading = clean(&self.heading, NAME_MAX);
        let heading = if heading.trim().is_empty() {
            String::new()
        } else {
            format!("<h2>{}</h2>\n", escape(&heading))
        };
        let figure = match &self.figure {
            Some(figure) => format!("<figure>\n{}</figure>\n", figure.html(Home::Page(number))),
            None => String::new(),
        };
        let text = paragraphs(&self.text, "");
        format!("<section id=\"s{number}\">\n{heading}{text}{figure}</section>\n")
    }
}

impl Figure {
    fn html(&self, home: Home) -> String {
        match self {
            Self::Price(chart) => chart.draw(home),
            Self::Bars(chart) => chart.draw(home),
            Self::Reliability(chart) => chart.draw(home),
            Self::Table(table) => table.html(),
        }
    }
}

/// Paragraphs of a text, with these attributes.
fn paragraphs(text: &str, attributes: &str) -> String {
    let short: String = text.chars().take(PARAGRAPH_MAX).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("{short}{cut}")
        .replace("\r\n", "\n")
        .split("\n\n")
        .map(|part| clean(part, PARAGRAPH_MAX + 1))
        .filter(|part| !part.trim().is_empty())
        .map(|part| format!("<p{attributes}>{}</p>\n", escape(part.trim())))
        .collect()
}

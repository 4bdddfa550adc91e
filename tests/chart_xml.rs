//! Whatever goes in, what comes out is well-formed XML, bounded and without a value that is no number.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop at once"
)]

use std::collections::BTreeSet;

use plimsoll::chart::{
    Bin, Figure, GroupedBars, Mark, MarkKind, Page, PriceChart, Reference, Reliability, Sample,
    Scaling, Section, Series, Table, Unit,
};
use plimsoll::domain::Timestamp;
use proptest::prelude::*;

/// Names of all elements and all attributes with their values.
type Found = (Vec<String>, Vec<(String, String)>);

/// What a text holds as XML, or what is wrong with it.
fn well_formed(text: &str) -> Result<Found, String> {
    let (mut open, mut names, mut values) = (Vec::<String>::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        entities(&rest[..start])?;
        let end = rest[start..].find('>').ok_or("a tag without end")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or("closed but never opened")?;
            if last != name {
                return Err(format!("{last} closed by {name}"));
            }
            continue;
        }
        let inner = tag.strip_suffix('/').unwrap_or(tag);
        let (name, more) = inner.split_once(' ').unwrap_or((inner, ""));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(format!("no name: {tag}"));
        }
        values.extend(attributes(more)?);
        names.push(name.to_owned());
        if inner.len() == tag.len() {
            open.push(name.to_owned());
        }
    }
    entities(rest)?;
    let forbidden = |c: char| c.is_control() && c != '\n' || ('\u{FFFE}'..='\u{FFFF}').contains(&c);
    if text.chars().any(forbidden) {
        return Err("a character that XML forbids".to_owned());
    }
    match open.pop() {
        Some(name) => Err(format!("{name} stays open")),
        None => Ok((names, values)),
    }
}

/// Every attribute is `key="value"` and given once.
fn attributes(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut out, mut seen, mut rest) = (Vec::new(), BTreeSet::new(), text.trim());
    while !rest.is_empty() {
        let (key, more) = rest.split_once("=\"").ok_or(format!("attribute: {rest}"))?;
        let (value, more) = more.split_once('"').ok_or(format!("value: {more}"))?;
        entities(value)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':';
        if key.is_empty() || !key.chars().all(plain) || !seen.insert(key.to_owned()) {
            return Err(format!("attribute {key}"));
        }
        if !more.is_empty() && !more.starts_with(' ') {
            return Err(format!("no space after {key}"));
        }
        out.push((key.to_owned(), value.to_owned()));
        rest = more.trim_start();
    }
    Ok(out)
}

fn entities(text: &str) -> Result<(), String> {
    let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    for part in text.split('&').skip(1) {
        if !known.iter().any(|entity| part.starts_with(entity)) {
            return Err(format!("a bare ampersand before {part:.20}"));
        }
    }
    Ok(())
}

/// Attributes that hold coordinates.
const GEOMETRY: &[&str] = &[
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "d",
    "width",
    "height",
    "viewBox",
    "transform",
];

fn assert_sound(text: &str) {
    let (_, values) = well_formed(text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    let of = |name: &'static str| values.iter().filter(move |(key, _)| key == name);
    let ids: Vec<&str> = of("id").map(|(_, id)| id.as_str()).collect();
    let different: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "ids repeat: {ids:?}");
    for (_, reference) in of("fill").chain(of("clip-path")) {
        let id = reference
            .strip_prefix("url(#")
            .and_then(|rest| rest.strip_suffix(')'));
        let known = id.is_some_and(|id| ids.contains(&id));
        assert!(known, "nothing has the id of {reference}");
    }
    for (_, value) in values
        .iter()
        .filter(|(key, _)| GEOMETRY.contains(&key.as_str()))
    {
        let lower = value.to_lowercase();
        assert!(!lower.contains("nan") && !lower.contains("inf"), "{value}");
        assert!(!lower.contains("e-") && !lower.contains("-0 "), "{value}");
    }
    let handler = values.iter().find(|(key, _)| key.starts_with("on"));
    assert_eq!(handler, None);
}

/// Every text begins within the picture, whose size the view box tells.
fn assert_inside(svg: &str) {
    let number = |text: &str, key: &str| -> f64 {
        let (_, rest) = text.split_once(key).expect("a key");
        let value = rest.split('"').next().and_then(|text| text.parse().ok());
        value.unwrap_or_else(|| panic!("{key} in {text:.80}"))
    };
    let height = number(svg, "viewBox=\"0 0 960 ");
    for text in svg.split("<text ").skip(1) {
        let (x, y) = (number(text, " x=\""), number(text, " y=\""));
        let inside = (0.0..=960.0).contains(&x) && (0.0..=height).contains(&y);
        assert!(inside, "{x} {y} of {height}: {text:.200}");
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -1.0..2.0f64,
        2 => 0.0..200_000.0f64,
        1 => Just(0.0),
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e-300]),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
        prop::sample::select(vec![
            "</text><script>alert(1)</script>".to_owned(),
            "\" onload=\"x".to_owned(),
            "a & b < c > d ' e ]]> <!-- --> &amp;".to_owned(),
            "long policy name ".repeat(40),
            String::new(),
        ]),
    ]
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let real = 1_760_000_000_000..1_760_100_000_000i64;
    prop_oneof![8 => real, 1 => any::<i64>(), 1 => 0..253_402_300_799_999i64]
        .prop_map(Timestamp::from_millis)
}

fn any_line() -> impl Strategy<Value = Vec<Sample>> {
    let sample = (any_time(), prop::option::weighted(0.9, any_value()));
    prop::collection::vec(sample.prop_map(|(at, value)| Sample { at, value }), 0..30)
}

fn any_price() -> impl Strategy<Value = Figure> {
    let kind = prop::sample::select(vec![
        MarkKind::Add,
        MarkKind::Trim,
        MarkKind::Recycle,
        MarkKind::Close,
        MarkKind::Liquidation,
    ]);
    let mark = (any_time(), kind, prop::option::of(any_value()), any_text());
    let mark = mark.prop_map(|(at, kind, price, label)| Mark {
        at,
        kind,
        price,
        label,
    });
    let texts = (any_text(), any_text(), any_text());
    let lines = (any_line(), any_line(), any_line());
    (texts, lines, prop::collection::vec(mark, 0..12)).prop_map(|(texts, lines, marks)| {
        Figure::Price(PriceChart {
            title: texts.0,
            caption: texts.1,
            unit: texts.2,
            price: lines.0,
            liquidation: lines.1,
            act: lines.2,
            marks,
        })
    })
}

fn any_bars() -> impl Strategy<Value = Figure> {
    let unit = prop::sample::select(vec![Unit::Percent, Unit::BasisPoints, Unit::Plain]);
    let series = (any_text(), prop::collection::vec(any_value(), 0..8));
    let series = series.prop_map(|(name, values)| Series { name, values });
    let goal = (any_text(), any_value()).prop_map(|(label, value)| Reference { label, value });
    (
        (any_text(), any_text(), unit),
        prop::collection::vec(any_text(), 0..30),
        prop::collection::vec(series, 0..16),
        prop::option::of(goal),
    )
        .prop_map(|((title, caption, unit), groups, series, reference)| {
            Figure::Bars(GroupedBars {
                title,
                caption,
                unit,
                groups,
                series,
                reference,
            })
        })
}

fn any_reliability() -> impl Strategy<Value = Figure> {
    let interval = prop::option::of((any_value(), any_value()));
    let bin = (any_value(), any_value(), any::<u64>(), interval);
    let bin = bin.prop_map(|(predicted, observed, count, interval)| Bin {
        predicted,
        observed,
        count,
        interval,
    });
    let scaling = prop::sample::select(vec![Scaling::Linear, Scaling::Log]);
    let bins = prop::collection::vec(bin, 0..40);
    (any_text(), any_text(), scaling, any_value(), bins).prop_map(
        |(title, caption, scaling, band, bins)| {
            Figure::Reliability(Reliability {
                title,
                caption,
                scaling,
                band,
                bins,
            })
        },
    )
}

fn any_table() -> impl Strategy<Value = Figure> {
    let row = || prop::collection::vec(any_text(), 0..6);
    (any_text(), row(), prop::collection::vec(row(), 0..6)).prop_map(|(caption, header, rows)| {
        Figure::Table(Table {
            caption,
            header,
            rows,
        })
    })
}

fn any_figure() -> impl Strategy<Value = Figure> {
    prop_oneof![any_price(), any_bars(), any_reliability(), any_table()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_page_is_well_formed_and_runs_nothing(
        texts in (any_text(), any_text(), any_text(), any_text(), any_text()),
        figures in prop::collection::vec(any_figure(), 0..4),
    ) {
        let section = |figure| Section {
            heading: texts.3.clone(),
            text: texts.4.clone(),
            figure: Some(figure),
        };
        let page = Page {
            title: texts.0.clone(),
            lead: texts.1.clone(),
            footer: texts.2.clone(),
            sections: figures.into_iter().map(section).collect(),
        };
        let html = page.html();
        assert_sound(&html);
        let (names, _) = well_formed(&html).unwrap();
        prop_assert!(!names.iter().any(|name| name == "script"));
        prop_assert_eq!(&html, &page.html());
    }

    #[test]
    fn any_chart_alone_is_one_well_formed_svg(figure in any_figure()) {
        let svg = match figure {
            Figure::Price(chart) => chart.svg(),
            Figure::Bars(chart) => chart.svg(),
            Figure::Reliability(chart) => chart.svg(),
            Figure::Table(_) => return Ok(()),
        };
        assert_sound(&svg);
        assert_inside(&svg);
        prop_assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        prop_assert!(svg.len() < 400_000, "{}", svg.len());
    }
}

#[test]
fn the_checker_sees_what_is_broken() {
    for broken in [
        "<a><b></a></b>",
        "<a>",
        "<a x=\"1\" x=\"2\"/>",
        "<a x=\"1\"y=\"2\"/>",
        "<a x=1/>",
        "<a>&nbsp;</a>",
        "<a>\u{1}</a>",
        "</a>",
        "<a",
    ] {
        assert!(well_formed(broken).is_err(), "{broken}");
    }
    let (names, values) = well_formed("<a id=\"x\">1 &lt; 2<b/></a>").unwrap();
    assert_eq!(
        (names.len(), values),
        (2, vec![("id".to_owned(), "x".to_owned())])
    );
}

//! Known data stands at known places, and nothing that a caller passes breaks a picture.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test may stop at once; pixels are compared"
)]

use plimsoll::chart::{
    BINS_MAX, Bin, Figure, GROUPS_MAX, GroupedBars, MARKS_MAX, Mark, MarkKind, Page, PriceChart,
    ROWS_MAX, Reference, Reliability, SERIES_MAX, Sample, Scaling, Section, Series, Table, Unit,
    WIDTH,
};
use plimsoll::domain::{HOUR_MS, Price, Timestamp};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_civil(2025, 10, 10, 21 * HOUR_MS + seconds * 1_000)
}

fn line(values: &[(i64, f64)]) -> Vec<Sample> {
    let sample = |(seconds, value): &(i64, f64)| Sample::new(at(*seconds), *value);
    values.iter().map(sample).collect()
}

/// Path data of every path of this class.
fn paths(svg: &str, class: &str) -> Vec<String> {
    let opening = format!("<path class=\"{class}\" d=\"");
    let data = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
    svg.split(&opening).skip(1).map(data).collect()
}

fn points(path: &str) -> Vec<(f64, f64)> {
    let pair = |text: &str| {
        let (x, y) = text.split_once(' ').expect("two numbers");
        (x.parse().expect("x"), y.parse().expect("y"))
    };
    path.split(['M', 'L'])
        .filter(|text| !text.is_empty())
        .map(pair)
        .collect()
}

/// Contents of every text element of this class.
fn texts(svg: &str, class: &str) -> Vec<String> {
    let opening = format!("<text class=\"{class}\"");
    let content = |rest: &str| {
        let (_, rest) = rest.split_once('>').expect("an opened tag");
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    svg.split(&opening).skip(1).map(content).collect()
}

fn small() -> PriceChart {
    PriceChart {
        title: "BTCUSDT".to_owned(),
        caption: "one hour".to_owned(),
        unit: "USDT".to_owned(),
        price: line(&[(0, 100.0), (1_800, 50.0), (3_600, 100.0)]),
        liquidation: line(&[(0, 40.0), (1_800, 30.0)]),
        act: line(&[(0, 45.0)]),
        marks: vec![Mark {
            at: at(1_800),
            kind: MarkKind::Add,
            price: None,
            label: "+20".to_owned(),
        }],
    }
}

#[test]
fn a_price_stands_at_its_time_and_height() {
    let svg = small().svg();
    let price = points(&paths(&svg, "p-price")[0]);
    assert_eq!(price.len(), 3);
    let (left, right) = (price[0].0, price[2].0);
    assert!((right - (WIDTH - 24.0)).abs() < 0.11, "{right}");
    assert!((price[1].0 - (left + right) / 2.0).abs() < 0.11);
    assert!(price[1].1 > price[0].1, "lower prices stand lower");
    // The range is 30 to 100 with six percent of air on both sides, 340 pixels high.
    let high = 340.0 * 50.0 / (70.0 * 1.12);
    assert!((price[1].1 - price[0].1 - high).abs() < 0.11);
}

#[test]
fn the_legend_swatch_is_a_line_and_the_curve_a_path() {
    let svg = small().svg();
    assert_eq!(svg.matches("<line class=\"p-price\"").count(), 1);
    assert_eq!(paths(&svg, "p-price").len(), 1);
}

#[test]
fn a_line_steps_at_right_angles_and_holds_to_the_end() {
    let svg = small().svg();
    let line = points(&paths(&svg, "p-liq")[0]);
    assert_eq!(line.len(), 4, "{line:?}");
    assert_eq!(line[0].1, line[1].1);
    assert_eq!(line[1].0, line[2].0);
    assert_eq!(line[2].1, line[3].1);
    assert_eq!(line[3].0, points(&paths(&svg, "p-price")[0])[2].0);
}

#[test]
fn a_line_that_ended_is_not_drawn_further() {
    let mut chart = small();
    chart.act.push(Sample::end(at(1_800)));
    let act = points(&paths(&chart.svg(), "p-act")[0]);
    let price = points(&paths(&chart.svg(), "p-price")[0]);
    assert_eq!(act.last().map(|point| point.0), Some(price[1].0));
}

#[test]
fn a_marker_without_a_price_stands_on_the_curve_with_its_label() {
    let svg = small().svg();
    let price = points(&paths(&svg, "p-price")[0])[1];
    let last = paths(&svg, "p-add").pop().expect("a marker");
    let corners = points(last.trim_end_matches('Z'));
    assert_eq!(corners[0].0, price.0);
    assert!((corners[0].1 + 6.5 - price.1).abs() < 0.11);
    assert_eq!(texts(&svg, "p-label"), ["+20"]);
    assert!(svg.contains("<title>2025-10-10T21:30:00Z margin added: +20</title>"));
}

#[test]
fn axes_say_time_in_utc_and_prices_in_round_numbers() {
    let ticks = texts(&small().svg(), "p-tick");
    for expected in [
        "40",
        "100",
        "21:00",
        "21:30",
        "2025-10-10 21:00:00 to 2025-10-10 22:00:00 UTC",
        "price in USDT",
    ] {
        assert!(
            ticks.iter().any(|tick| tick == expected),
            "{expected} in {ticks:?}"
        );
    }
}

#[test]
fn a_hundred_thousand_prices_become_four_for_each_pixel_and_keep_the_low() {
    let mut chart = small();
    chart.liquidation.clear();
    chart.act.clear();
    chart.price = (0..100_000)
        .map(|index| {
            let value = if index == 77_777 {
                10.0
            } else {
                100.0 + (index % 7) as f64
            };
            Sample::new(
                Timestamp::from_millis(1_760_000_000_000 + index * 50),
                value,
            )
        })
        .collect();
    let drawn = points(&paths(&chart.svg(), "p-price")[0]);
    assert!(drawn.len() <= 4 * WIDTH as usize, "{}", drawn.len());
    let lowest = drawn.iter().map(|point| point.1).fold(0.0, f64::max);
    assert_eq!(drawn.iter().filter(|point| point.1 == lowest).count(), 1);
    assert!(chart.svg().len() < 100_000);
}

#[test]
fn labels_of_a_crowd_do_not_overlap() {
    let mut chart = small();
    chart.marks = (0..30)
        .map(|index| Mark {
            at: at(1_700 + index * 7),
            kind: MarkKind::Trim,
            price: None,
            label: format!("trimmed by {index}%"),
        })
        .collect();
    let svg = chart.svg();
    let place = |rest: &str| -> (f64, f64) {
        let number = |key: &str| {
            let (_, rest) = rest.split_once(key).expect("a key");
            rest.split('"')
                .next()
                .and_then(|text| text.parse().ok())
                .expect("a number")
        };
        (number(" x=\""), number(" y=\""))
    };
    let labels: Vec<(f64, f64)> = svg
        .split("<text class=\"p-label\"")
        .skip(1)
        .map(place)
        .collect();
    assert!(labels.len() >= 5, "{}", labels.len());
    for (index, one) in labels.iter().enumerate() {
        for other in labels.iter().skip(index + 1) {
            let apart = (one.0 - other.0).abs() > 80.0 || (one.1 - other.1).abs() >= 14.9;
            assert!(apart, "{one:?} {other:?}");
        }
    }
}

#[test]
fn prices_of_the_domain_are_accepted() {
    let price = Price::of("112000.5".parse().expect("a decimal"));
    assert_eq!(Sample::price(at(0), price), Sample::new(at(0), 112_000.5));
    assert_eq!(Sample::new(at(0), f64::NAN), Sample::end(at(0)));
}

fn bars(values: &[f64], unit: Unit) -> GroupedBars {
    GroupedBars {
        title: "Survival".to_owned(),
        caption: String::new(),
        unit,
        groups: values.iter().map(|value| format!("{value}×")).collect(),
        series: vec![Series {
            name: "balanced".to_owned(),
            values: values.to_vec(),
        }],
        reference: Some(Reference {
            label: "goal".to_owned(),
            value: 0.5,
        }),
    }
}

/// Top and height of every bar of the first series; the first is the legend's.
fn heights(svg: &str) -> Vec<(f64, f64)> {
    let number = |rest: &str, key: &str| -> f64 {
        let (_, rest) = rest.split_once(key).expect("a key");
        rest.split('"')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("a number")
    };
    svg.split("<rect class=\"p-bar p-f0\"")
        .skip(2)
        .map(|rest| (number(rest, " y=\""), number(rest, " height=\"")))
        .collect()
}

#[test]
fn bars_are_as_high_as_their_values_and_negative_ones_hang() {
    let svg = bars(&[0.25, 0.5, -0.25], Unit::Percent).svg();
    let found = heights(&svg);
    assert_eq!(found.len(), 3);
    assert!((found[1].1 - 2.0 * found[0].1).abs() < 0.21, "{found:?}");
    assert!((found[2].1 - found[0].1).abs() < 0.21);
    let zero = found[0].0 + found[0].1;
    assert!((found[2].0 - zero).abs() < 0.21, "hangs from zero");
    assert_eq!(texts(&svg, "p-value"), ["25%", "50%", "−25%"]);
    assert!(texts(&svg, "p-text").contains(&"goal: 50%".to_owned()));
    assert_eq!(svg.matches("<line class=\"p-goal\"").count(), 2);
}

#[test]
fn a_missing_value_has_a_dash_and_no_bar() {
    let svg = bars(&[0.25, f64::NAN], Unit::BasisPoints).svg();
    assert_eq!(heights(&svg).len(), 1);
    assert_eq!(texts(&svg, "p-value"), ["2,500", "–"]);
    assert!(svg.contains("<title>0.25×, balanced: 2,500 bps</title>"));
}

#[test]
fn what_exceeds_a_limit_is_left_out_and_said() {
    let mut chart = bars(&[0.5; GROUPS_MAX + 2], Unit::Plain);
    chart.series = vec![chart.series[0].clone(); SERIES_MAX + 3];
    let svg = chart.svg();
    let note = texts(&svg, "p-note").join(" ");
    assert!(note.contains("(2 more groups not shown.)"), "{note}");
    assert!(note.contains("(3 more series not shown.)"), "{note}");
    assert_eq!(
        svg.matches("<g><rect class=\"p-bar").count(),
        GROUPS_MAX * SERIES_MAX
    );

    let mut price = small();
    price.marks = vec![price.marks[0].clone(); MARKS_MAX + 5];
    assert!(texts(&price.svg(), "p-note")[0].contains("(5 more markers not shown.)"));

    let row = vec!["x".to_owned()];
    let table = Table {
        rows: vec![row; ROWS_MAX + 1],
        ..Table::default()
    };
    let html = page(Figure::Table(table)).html();
    assert_eq!(html.matches("<tr>").count(), ROWS_MAX);
    assert!(html.contains("1 more rows not shown."));
}

#[test]
fn twelve_series_differ_in_colour_or_hatching() {
    let mut chart = bars(&[0.5], Unit::Plain);
    chart.series = vec![chart.series[0].clone(); SERIES_MAX];
    let svg = chart.svg();
    let mut looks: Vec<(String, String)> = svg
        .split("<g><rect class=\"p-bar ")
        .skip(1)
        .map(|rest| {
            let colour = rest.split('"').next().unwrap_or_default().to_owned();
            let bar = rest.split("<title>").next().unwrap_or_default();
            let hatching = bar.split("url(#").nth(1).unwrap_or_default();
            (
                colour,
                hatching.split(')').next().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    assert_eq!(looks.len(), SERIES_MAX);
    looks.sort();
    looks.dedup();
    assert_eq!(looks.len(), SERIES_MAX);
}

fn bin(predicted: f64, observed: f64) -> Bin {
    Bin {
        predicted,
        observed,
        count: 1_200,
        interval: None,
    }
}

fn reliability(scaling: Scaling, bins: Vec<Bin>) -> Reliability {
    Reliability {
        title: "Calibration".to_owned(),
        caption: String::new(),
        scaling,
        band: 0.2,
        bins,
    }
}

#[test]
fn a_bin_within_the_band_is_a_disc_and_one_outside_is_not() {
    let svg = reliability(Scaling::Linear, vec![bin(0.5, 0.55), bin(0.2, 0.4)]).svg();
    // One of each in the legend, one of each on the plot.
    assert_eq!(svg.matches("<circle class=\"p-in\"").count(), 2);
    assert_eq!(svg.matches("<rect class=\"p-out\"").count(), 2);
    assert_eq!(texts(&svg, "p-value"), ["n=1,200", "n=1,200"]);
    assert!(svg.contains("<title>predicted 50%, observed 55%, n = 1,200</title>"));
    assert_eq!(paths(&svg, "p-band").len(), 1);
}

#[test]
fn a_perfect_forecast_stands_on_the_diagonal_on_both_axes() {
    for scaling in [Scaling::Linear, Scaling::Log] {
        let svg = reliability(scaling, vec![bin(0.01, 0.01), bin(0.1, 0.1), bin(0.9, 0.9)]).svg();
        let diagonal = points(&paths(&svg, "p-even")[0]);
        let (from, to) = (diagonal[0], diagonal[1]);
        for rest in svg.split("<g><circle class=\"p-in\" cx=\"").skip(1) {
            let x: f64 = rest
                .split('"')
                .next()
                .and_then(|text| text.parse().ok())
                .expect("x");
            let (_, rest) = rest.split_once("cy=\"").expect("cy");
            let y: f64 = rest
                .split('"')
                .next()
                .and_then(|text| text.parse().ok())
                .expect("y");
            let line = from.1 + (to.1 - from.1) * (x - from.0) / (to.0 - from.0);
            assert!((y - line).abs() < 0.21, "{scaling:?} {x} {y} {line}");
        }
    }
}

#[test]
fn what_was_never_observed_stands_on_the_edge_of_a_logarithmic_axis() {
    let svg = reliability(Scaling::Log, vec![bin(0.001, 0.0), bin(0.1, 0.1)]).svg();
    assert_eq!(paths(&svg, "p-zero").len(), 2, "legend and plot");
    let bins = vec![
        bin(0.0, 0.0),
        bin(1.5, 0.2),
        bin(0.1, f64::NAN),
        bin(0.1, 0.1),
    ];
    let svg = reliability(Scaling::Log, bins).svg();
    assert!(texts(&svg, "p-note")[0].contains("(3 more bins not shown.)"));
    let many = vec![bin(0.1, 0.1); BINS_MAX + 1];
    let svg = reliability(Scaling::Linear, many).svg();
    assert!(texts(&svg, "p-note")[0].contains("(1 more bins not shown.)"));
}

#[test]
fn without_data_a_chart_says_so() {
    let empty = [
        PriceChart::default().svg(),
        PriceChart {
            price: line(&[(0, f64::NAN), (1, f64::INFINITY)]),
            ..PriceChart::default()
        }
        .svg(),
        bars(&[f64::NAN], Unit::Plain).svg(),
        bars(&[], Unit::Plain).svg(),
        reliability(Scaling::Log, vec![bin(f64::NAN, 0.1)]).svg(),
    ];
    for svg in empty {
        assert_eq!(texts(&svg, "p-none"), ["no data"]);
        assert!(!svg.contains("NaN") && !svg.contains(">inf"));
    }
    assert!(
        page(Figure::Table(Table::default()))
            .html()
            .contains("no data")
    );
}

fn page(figure: Figure) -> Page {
    Page {
        title: "Report <1>".to_owned(),
        lead: "First.\n\nSecond & last.".to_owned(),
        sections: vec![Section {
            heading: "Result".to_owned(),
            text: "What it shows.".to_owned(),
            figure: Some(figure),
        }],
        footer: "plimsoll replay".to_owned(),
    }
}

#[test]
fn names_cannot_become_markup() {
    let evil = "</text></svg><script>alert('x')</script>\"&";
    let mut chart = small();
    chart.title = evil.to_owned();
    chart.marks[0].label = evil.to_owned();
    chart.unit = evil.to_owned();
    let svg = chart.svg();
    assert!(!svg.contains("<script") && svg.matches("</svg>").count() == 1);
    assert!(svg.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
    let mut whole = page(Figure::Price(chart));
    whole.footer = evil.to_owned();
    assert!(!whole.html().contains("<script"));
}

#[test]
fn a_page_stands_alone_in_light_dark_and_on_paper() {
    let html = page(Figure::Price(small())).html();
    assert!(html.starts_with("<!DOCTYPE html>"));
    assert!(html.contains("<title>Report &lt;1&gt;</title>"));
    assert!(
        html.contains("<p class=\"lead\">First.</p>\n<p class=\"lead\">Second &amp; last.</p>")
    );
    assert!(
        html.contains("screen and (prefers-color-scheme:dark)") && html.contains("@media print")
    );
    assert!(html.contains("default-src 'none'"));
    let outside = html.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "src=", "href=", "@import"] {
        assert!(!outside.contains(word), "{word}");
    }
    assert_eq!(
        html.matches("<style>").count(),
        1,
        "the page brings the style once"
    );
}

#[test]
fn numbers_of_a_table_are_aligned_to_the_right() {
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let table = Table {
        caption: "Costs".to_owned(),
        header: row(["policy", "cost", "day"]),
        rows: vec![
            row(["a", "−1.5 bps", "2025-10-10"]),
            row(["b", "n/a", "2025-10-11"]),
        ],
    };
    let html = page(Figure::Table(table)).html();
    assert!(html.contains("<th scope=\"col\">policy</th><th scope=\"col\" class=\"n\">cost</th>"));
    assert!(html.contains("<td>a</td><td class=\"n\">−1.5 bps</td><td>2025-10-10</td>"));
    assert!(html.contains("<caption>Costs</caption>"));
}

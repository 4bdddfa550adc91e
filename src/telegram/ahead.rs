//! What lies ahead of each position, in words: act price, odds, and the rescue with the prices of the
//! alternatives. One text for Telegram and the terminal.

use super::render::{clean, money, price, quantity};
use crate::domain::{HOUR_MS, MINUTE_MS};
use crate::guard::explain::{percent, percent_of};
use crate::guard::outlook::{Choice, Odds, Outlook, Rescue};

/// At most so many losing alternatives are told of one position.
const OTHERS_MAX: usize = 5;

/// All positions, a paragraph each.
#[must_use]
pub fn ahead(positions: &[Outlook]) -> String {
    if positions.is_empty() {
        return "No open position.".to_owned();
    }
    let each: Vec<String> = positions.iter().map(position).collect();
    each.join("\n\n")
}

fn position(outlook: &Outlook) -> String {
    let mut out = format!(
        "{} {} {}, mark {}",
        clean(outlook.key.symbol.as_str()),
        outlook.side,
        quantity(outlook.quantity),
        price(outlook.mark_price)
    );
    let (Some(line), Some(distance)) = (outlook.liquidation_price, outlook.distance_pct) else {
        out.push_str("\nNo price liquidates it.");
        return out;
    };
    add(
        &mut out,
        format!(
            "Liquidation at {}, {} away.",
            price(line),
            percent_of(distance)
        ),
    );
    if let Some(act) = outlook.act_price {
        let needed = span(outlook.time_needed_ms);
        add(
            &mut out,
            if outlook.acts_now {
                format!(
                    "I act now: {} is reached (a rescue takes {needed}).",
                    price(act)
                )
            } else {
                format!("I act at {} (a rescue takes {needed}).", price(act))
            },
        );
    }
    odds(&mut out, outlook);
    if let Some(rescue) = &outlook.rescue {
        self::rescue(&mut out, rescue, outlook.acts_now);
    }
    out
}

fn odds(out: &mut String, outlook: &Outlook) {
    if outlook.odds.is_empty() {
        add(
            out,
            "No odds yet: they need an hour of prices. How far from the line I act follows the pace of the price as soon as five minutes are known; before that it is fixed."
                .to_owned(),
        );
        return;
    }
    let row = |pick: fn(&Odds) -> f64| {
        let each: Vec<String> = outlook
            .odds
            .iter()
            .map(|odds| format!("{} {}", span(odds.horizon_ms), chance(pick(odds))))
            .collect();
        each.join(", ")
    };
    if !outlook.acts_now {
        add(out, format!("Odds that I act within: {}.", row(|o| o.act)));
    }
    add(
        out,
        format!(
            "Odds of liquidation if nobody did anything: {}.",
            row(|odds| odds.liquidation)
        ),
    );
    if let Some(bad) = outlook.bad_day_pct {
        add(
            out,
            format!(
                "One day in twenty goes more than {} against you.",
                percent_of(bad)
            ),
        );
    }
}

fn rescue(out: &mut String, rescue: &Rescue, now: bool) {
    let when = if now {
        "Now".to_owned()
    } else {
        format!("At {}", price(rescue.at))
    };
    match &rescue.chosen {
        Some(chosen) => add(out, format!("{when} I would {}.", choice(chosen))),
        None => add(out, format!("{when} NOTHING CAN BE DONE.")),
    }
    for other in rescue.others.iter().take(OTHERS_MAX) {
        add(out, format!("  rather than {}", choice(other)));
    }
    add(
        out,
        format!("  rather than wait: {} with risk", money(rescue.waiting)),
    );
    for remark in &rescue.remarks {
        add(out, format!("  note: {}", clean(remark)));
    }
}

fn choice(choice: &Choice) -> String {
    let line = choice.liquidation_price.map_or_else(
        || "no liquidation price left".to_owned(),
        |line| {
            format!(
                "liquidation to {} ({} away)",
                price(line),
                percent_of(choice.distance_pct)
            )
        },
    );
    format!(
        "{}: {line}, costs {}, {} with risk",
        clean(&choice.label),
        money(choice.cost),
        money(choice.price)
    )
}

fn add(out: &mut String, line: String) {
    out.push('\n');
    out.push_str(&line);
}

fn chance(share: f64) -> String {
    if share < 0.000_1 {
        "under 0.01 %".to_owned()
    } else {
        percent(share)
    }
}

fn span(ms: i64) -> String {
    match ms {
        ..MINUTE_MS => format!(
            "{} s",
            rust_decimal::Decimal::new(ms, 3).round_dp(1).normalize()
        ),
        MINUTE_MS..HOUR_MS => format!("{} min", ms / MINUTE_MS),
        HOUR_MS.. => format!("{} h", ms / HOUR_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DAY_MS;

    /// Odds need an hour of prices, the pace that moves the act price five minutes.
    #[test]
    fn without_odds_nothing_is_claimed_about_the_act_price() {
        use crate::domain::{PositionKey, PositionSide, Price, Quantity, Side, Symbol};
        use crate::guard::intent::Scope;
        use rust_decimal::dec;
        let key = PositionKey {
            symbol: Symbol::new("BTCUSDT"),
            position_side: PositionSide::Both,
        };
        let outlook = Outlook {
            scope: Scope::Isolated(key.clone()),
            key,
            side: Side::Long,
            quantity: Quantity::of(dec!(0.1)),
            mark_price: Price::of(dec!(60000)),
            liquidation_price: Some(Price::of(dec!(50000))),
            distance_pct: Some(16.67),
            act_price: Some(Price::of(dec!(54118))),
            acts_now: false,
            time_needed_ms: 5_000,
            odds: Vec::new(),
            one_in_twenty_ms: None,
            bad_day_pct: None,
            rescue: None,
        };
        let text = ahead(&[outlook]);
        assert!(text.contains("No odds yet: they need an hour"), "{text}");
        assert!(!text.contains("fixed distances rule"), "{text}");
    }

    #[test]
    fn spans_and_chances_read_well() {
        let spans = [500, 5_000, 300_000, HOUR_MS, 4 * HOUR_MS, DAY_MS].map(span);
        assert_eq!(spans, ["0.5 s", "5 s", "5 min", "1 h", "4 h", "24 h"]);
        assert_eq!(chance(0.000_01), "under 0.01 %");
        assert_eq!(chance(0.123_4), "12.34 %");
    }
}

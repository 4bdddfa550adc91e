//! Decisions in one sentence with the numbers that were used. Every face tells the same sentence.

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use super::desk::{Growth, SizeChange};
use super::giveback::Return;
use super::intent::{FillReport, Intent, IntentKind};
use super::planner::{Candidate, Plan};
use super::policy::Policy;
use super::watch::{Danger, Line, act_price};
use crate::domain::{Balance, Money, OpenOrder, Price, Rate};
use crate::forecast::{hundredths_of_pct, rate_up, scaled};

/// At most this many alternatives are told.
const TOLD_ALTERNATIVES: usize = 3;
/// A figure longer than this costs a second allocation.
const LONGEST_USUAL: usize = 16;
/// At most this many orders are named.
const TOLD_ORDERS: usize = 3;

/// `57310.5` as `57,310.5`; at most `places` decimals, trailing zeros dropped.
#[must_use]
pub fn grouped(value: Decimal, places: u32) -> String {
    let rounded = value.round_dp(places);
    let unit = 10_u128.saturating_pow(rounded.scale());
    let digits = rounded.mantissa().unsigned_abs();
    let mut out = String::with_capacity(LONGEST_USUAL);
    if rounded.is_sign_negative() && digits > 0 {
        out.push('-');
    }
    push_whole(&mut out, digits / unit);
    let (mut rest, mut place) = (digits % unit, unit);
    if rest > 0 {
        out.push('.');
    }
    while rest > 0 {
        place /= 10;
        push_digit(&mut out, rest / place);
        rest %= place;
    }
    out
}

/// A whole number with its thousands apart.
fn push_whole(out: &mut String, whole: u128) {
    let (thousands, rest) = (whole / 1_000, whole % 1_000);
    if thousands > 0 {
        push_whole(out, thousands);
        out.push(',');
    }
    for place in [100, 10, 1] {
        if thousands > 0 || rest >= place || place == 1 {
            push_digit(out, rest / place % 10);
        }
    }
}

fn push_digit(out: &mut String, digit: u128) {
    out.extend(
        u32::try_from(digit)
            .ok()
            .and_then(|digit| char::from_digit(digit, 10)),
    );
}

/// A price with about six significant digits.
#[must_use]
pub fn price(value: Price) -> String {
    let digits = value.get().mantissa();
    let places = match digits / 10_i128.saturating_pow(value.get().scale()) {
        10_000.. => 1,
        100..=9_999 => 2,
        1..=99 => 4,
        ..=0 => 8,
    };
    grouped(value.get(), places)
}

/// An amount with two decimals at most.
#[must_use]
pub fn money(value: Money) -> String {
    grouped(value.get(), 2)
}

/// A fraction as a percentage with two decimals at most.
#[must_use]
pub fn percent(fraction: f64) -> String {
    if let Some(hundredths) = hundredths_of_pct(fraction) {
        return format!("{} %", grouped(Decimal::new(hundredths, 2), 2));
    }
    match Decimal::from_f64(fraction) {
        Some(exact) => format!(
            "{} %",
            grouped(exact.saturating_mul(Decimal::ONE_HUNDRED), 2)
        ),
        None => "unknown".to_owned(),
    }
}

/// A number of percent with two decimals at most.
#[must_use]
pub fn percent_of(pct: f64) -> String {
    percent(scaled(pct, 0.01))
}

/// Where a position stands: one sentence, without the final stop.
pub(super) fn standing(
    line: &Line,
    mark: Price,
    danger: Option<&Danger>,
    chance: Option<f64>,
    policy: &Policy,
) -> String {
    let (Some(nearest), Some(danger)) = (line.nearest, danger) else {
        return format!("{}: mark {}, no liquidation price", line.key, price(mark));
    };
    let source = match (line.own, line.venue) {
        (Some(own), _) if same(own, nearest) => "",
        (Some(_), _) if line.alone != line.nearest => " (with the other positions moving along)",
        (None, _) => " (the exchange's number, own one missing)",
        (Some(_), Some(venue)) if same(venue, nearest) => " (the exchange's number)",
        (Some(_), _) => " (after the coming funding)",
    };
    let chance = chance.map_or_else(
        || "no forecast yet".to_owned(),
        |chance| {
            let minutes = policy.triggers.horizon_ms / 60_000;
            format!(
                "{} chance to touch it within {minutes} min",
                percent(chance)
            )
        },
    );
    format!(
        "{}: mark {} is {} from liquidation at {}{source}; acts at {}; {chance}",
        line.key,
        price(mark),
        percent(danger.distance),
        price(nearest),
        act_price(nearest, rate_up(danger.act_distance), line.falls_hurt)
            .map_or_else(|| "no price".to_owned(), price),
    )
}

/// Equal but for rounding.
fn same(one: Price, other: Price) -> bool {
    let slack = Rate::of(Decimal::new(1, 6));
    (one - other)
        .abs()
        .ratio(other)
        .is_some_and(|gap| gap < slack)
}

/// Why this rescue and not another.
pub(super) fn choice(chosen: &Candidate, plan: &Plan) -> String {
    let mut text = format!("{}, {}", chosen.label, effect(chosen));
    if !chosen.reaches {
        text.push_str(&format!(
            "; short of the wished {}",
            percent(plan.target_distance)
        ));
    }
    let others: Vec<String> = plan
        .others
        .iter()
        .take(TOLD_ALTERNATIVES)
        .map(|other| format!("{} ({})", other.label, effect(other)))
        .collect();
    if !others.is_empty() {
        text.push_str(&format!("; rather than {}", others.join(" or ")));
    }
    if !plan.remarks.is_empty() {
        text.push_str(&format!("; {}", plan.remarks.join("; ")));
    }
    text
}

fn effect(candidate: &Candidate) -> String {
    let line = candidate.line_after.map_or_else(
        || "no line left".to_owned(),
        |line| {
            format!(
                "line to {} ({} away)",
                price(line),
                percent(candidate.distance_after)
            )
        },
    );
    // What is compared is the cost there and back plus the chance-weighted loss that stays.
    format!(
        "{line}, cost {}, {} with risk",
        money(candidate.cost),
        money(candidate.price)
    )
}

/// The trader's resting orders, the first of them by name.
#[must_use]
pub fn listed(orders: &[OpenOrder]) -> String {
    let named: Vec<String> = orders
        .iter()
        .take(TOLD_ORDERS)
        .map(ToString::to_string)
        .collect();
    let more = match orders.len().saturating_sub(TOLD_ORDERS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if orders.len() == 1 { "order" } else { "orders" };
    let count = orders.len();
    format!(
        "{count} resting {noun} of your own ({}{more})",
        named.join("; ")
    )
}

/// What an intent does, in a few words.
#[must_use]
pub fn deed(intent: &Intent) -> String {
    match &intent.kind {
        IntentKind::AddMargin { amount } => {
            format!(
                "add {} {} margin to {}",
                money(*amount),
                intent.margin_asset,
                intent.key
            )
        }
        IntentKind::Reduce {
            quantity,
            bound,
            recycle,
        } => {
            let verb = if *quantity >= intent.before.quantity {
                "close"
            } else {
                "reduce"
            };
            let how = bound.map_or_else(String::new, |bound| {
                format!(" at {} or better", price(bound))
            });
            let then = if *recycle {
                ", then put the freed margin back"
            } else {
                ""
            };
            format!(
                "{verb} {} {} by {quantity}{how}{then}",
                intent.key, intent.side
            )
        }
        IntentKind::TakeBack { amount } => format!(
            "take {} {} of the margin that Plimsoll added to {} back",
            money(*amount),
            intent.margin_asset,
            intent.key
        ),
        IntentKind::MoveIn { amount, from } => format!(
            "move {} {} from the {from} wallet into the futures wallet",
            money(*amount),
            intent.margin_asset
        ),
        IntentKind::CancelOrders { orders, frees } => format!(
            "cancel {}, which would free about {} {}",
            listed(orders),
            money(*frees),
            intent.margin_asset
        ),
    }
}

/// Why margin that was added may go back.
pub(super) fn giving_back(found: &Return, factor: f64, after_ms: i64) -> String {
    let line = |line: Option<Price>| line.map_or_else(|| "none".to_owned(), price);
    let hours = Decimal::from(after_ms)
        .checked_div(Decimal::from(crate::domain::HOUR_MS))
        .map_or_else(String::new, |hours| grouped(hours, 1));
    let factor = Decimal::from_f64(factor).map_or_else(String::new, |factor| grouped(factor, 2));
    format!(
        "Calm for {hours} h: of the {} that Plimsoll added {} can go back; mark {}, line from {} to {} ({} away), more than {factor} times the act line of {} and the {} at which it was added",
        money(found.lent),
        money(found.amount),
        price(found.mark),
        line(found.line_before),
        line(found.line_after),
        percent(found.distance_after),
        percent(found.act_distance),
        percent(crate::forecast::share(found.rescued_at)),
    )
}

/// What the account showed afterwards.
pub(super) fn verified(intent: &Intent, fill: Option<&FillReport>, line: Option<Price>) -> String {
    let filled = fill.map_or_else(String::new, |fill| {
        let at = fill
            .average_price
            .map_or_else(String::new, |at| format!(" at {}", price(at)));
        format!(" ({} filled{at})", fill.quantity)
    });
    let line = line.map_or_else(
        || "no liquidation price is left".to_owned(),
        |line| format!("the line is now at {}", price(line)),
    );
    // Its second half was not seen yet.
    format!(
        "Verified by re-reading the account: {}{filled}; {line}.",
        deed(&without_recycling(intent))
    )
}

/// An acknowledged act that the account cannot show clearly.
pub(super) fn blurred(intent: &Intent, fill: Option<&FillReport>, why: &str) -> String {
    let filled = fill.map_or_else(String::new, |fill| format!(" ({} filled)", fill.quantity));
    format!(
        "The exchange has confirmed: {}{filled}. The account cannot show it clearly: {why}. Going on from what it shows.",
        deed(&without_recycling(intent))
    )
}

/// A second half that is not made.
pub(super) fn not_put_back(intent: &Intent, why: &str) -> String {
    format!(
        "Not put back into {} after the trim {}: {why}. The line stays where it was.",
        intent.key, intent.id
    )
}

/// The second half of a trim that recycles is an act of its own.
fn without_recycling(intent: &Intent) -> Intent {
    let mut intent = intent.clone();
    if let IntentKind::Reduce { recycle, .. } = &mut intent.kind {
        *recycle = false;
    }
    intent
}

/// That something was made available, and what is free now.
pub(super) fn freed(intent: &Intent, balance: Option<Balance>) -> String {
    let free = balance.map_or_else(String::new, |balance| {
        let asset = &intent.margin_asset;
        format!("; {} {asset} are free now", money(balance.available))
    });
    format!(
        "Verified by re-reading the account: done is {}{free}.",
        deed(intent)
    )
}

/// A size that somebody else changed.
pub(super) fn foreign(change: &SizeChange) -> String {
    if change.after.is_zero() {
        return format!(
            "{} was closed ({} before), not by Plimsoll.",
            change.key, change.before
        );
    }
    if change.before.is_zero() {
        return format!(
            "{} was opened with {}; it is watched from now on.",
            change.key, change.after
        );
    }
    if change.flipped {
        return format!(
            "{} changed its side ({} before, {} now), not by Plimsoll.",
            change.key, change.before, change.after
        );
    }
    format!(
        "{} went from {} to {}, not by Plimsoll.",
        change.key, change.before, change.after
    )
}

/// An isolated wallet that grew without an act of ours.
pub(super) fn growth(growth: &Growth) -> String {
    let amount = money(growth.amount);
    let (asset, key) = (&growth.asset, &growth.key);
    if growth.auto_add {
        return format!(
            "The exchange itself added {amount} {asset} to {key} from the free balance (its auto-add margin is on for this position)."
        );
    }
    format!("The margin of {key} grew by {amount} {asset}, not by Plimsoll.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::prelude::ToPrimitive;

    use super::*;
    use crate::domain::{
        MarginMode, PositionKey, PositionMode, PositionSide, Quantity, Side, Symbol, Timestamp,
    };
    use crate::guard::intent::{Before, IntentId, Scope};
    use rust_decimal::dec;

    #[test]
    fn a_verified_trim_does_not_claim_that_its_second_half_was_seen() {
        let key = PositionKey {
            symbol: Symbol::new("BTCUSDT"),
            position_side: PositionSide::Both,
        };
        let intent = Intent {
            id: IntentId::new("test", 1),
            plan: 1,
            scope: Scope::Isolated(key.clone()),
            key,
            side: Side::Long,
            margin_mode: MarginMode::Isolated,
            position_mode: PositionMode::OneWay,
            margin_asset: "USDT".to_owned(),
            kind: IntentKind::Reduce {
                quantity: Quantity::of(dec!(0.2)),
                bound: None,
                recycle: true,
            },
            recycled: false,
            before: Before {
                quantity: Quantity::of(dec!(0.5)),
                isolated_wallet: Money::ZERO,
                cross_wallet: Money::ZERO,
            },
            cost: Money::ZERO,
            reason: "a test".to_owned(),
            planned_at: Timestamp::ZERO,
        };
        assert!(deed(&intent).ends_with("then put the freed margin back"));
        let text = verified(&intent, None, None);
        assert_eq!(
            text,
            "Verified by re-reading the account: reduce BTCUSDT long by 0.2; no liquidation price is left."
        );
    }

    #[test]
    fn numbers_read_like_a_trader_writes_them() {
        assert_eq!(grouped(dec!(57310.50), 2), "57,310.5");
        assert_eq!(grouped(dec!(-1234567.891), 2), "-1,234,567.89");
        assert_eq!(grouped(dec!(-0.001), 2), "0");
        assert_eq!(price(Price::of(dec!(0.00012345))), "0.00012345");
        assert_eq!(price(Price::of(dec!(57310.56))), "57,310.6");
        assert_eq!(percent(0.01416), "1.42 %");
        assert_eq!(grouped(dec!(1000000), 0), "1,000,000");
        assert_eq!(grouped(dec!(100.0100), 4), "100.01");
        assert_eq!(grouped(dec!(0.05), 2), "0.05");
        assert_eq!(grouped(dec!(999.995), 2), "1,000");
        assert_eq!(percent(-0.00001), "0 %");
        assert_eq!(percent(-0.5), "-50 %");
        assert_eq!(percent(f64::NAN), "unknown");
    }

    /// The figure as the decimal library writes it, with the thousands put apart afterwards.
    fn by_the_library(value: Decimal, places: u32) -> String {
        let text = value.round_dp(places).normalize().to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = whole.trim_start_matches('-');
        let groups: Vec<&str> = digits
            .as_bytes()
            .rchunks(3)
            .rev()
            .map(|group| std::str::from_utf8(group).expect("digits"))
            .collect();
        let sign = if whole.starts_with('-') { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", groups.join(","))
    }

    proptest! {
        #[test]
        fn a_figure_is_the_one_of_the_decimal_library(
            digits in -1_000_000_000_000_000_000_i64..1_000_000_000_000_000_000,
            shrink in 0_u32..16,
            scale in 0_u32..18,
            places in 0_u32..9,
        ) {
            let value = Decimal::new(digits / 10_i64.pow(shrink), scale);
            prop_assert_eq!(grouped(value, places), by_the_library(value, places));
        }

        #[test]
        fn a_percentage_is_that_of_the_exact_number(
            fraction in prop_oneof![-3.0..3.0_f64, -1e-3..1e-3_f64, -1e6..1e6_f64],
            half in -20_000_i32..20_000,
        ) {
            // Also those in the middle between two hundredths of a percent.
            let middle = Decimal::new(i64::from(half) * 5, 5).to_f64().expect("a float");
            for fraction in [fraction, middle] {
                let exact = Decimal::from_f64(fraction).expect("finite") * Decimal::ONE_HUNDRED;
                prop_assert_eq!(percent(fraction), format!("{} %", by_the_library(exact, 2)));
            }
        }
    }
}

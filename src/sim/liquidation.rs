//! The price at which a margin scope ends, as Binance shows it. The arithmetic is the simulator's own:
//! maintenance is summed tier by tier as a marginal rate, the liquidation price is found by walking
//! the kinks of equity minus maintenance. It uses neither the quick-deduction column of the table nor
//! a closed formula, so it can disagree with code that gets either wrong.

use rust_decimal::Decimal;

use super::law::sliced;
use crate::domain::{Money, Price, Quantity, TierTable};

/// One position of a scope, seen as a function of its mark price.
pub(crate) struct Leg<'a> {
    /// Negative for a short.
    pub(crate) amount: Quantity,
    pub(crate) entry: Price,
    pub(crate) tiers: &'a TierTable,
}

impl Leg<'_> {
    fn profit(&self, mark: Decimal) -> Decimal {
        (mark - self.entry.get()) * self.amount.get()
    }

    fn notional(&self, mark: Decimal) -> Decimal {
        self.amount.get().abs() * mark
    }
}

/// Equity minus maintenance of legs that share `wallet` and one mark price.
fn slack(wallet: Money, legs: &[Leg<'_>], mark: Decimal) -> Decimal {
    legs.iter().fold(wallet.get(), |sum, leg| {
        sum + leg.profit(mark) - sliced(leg.tiers, leg.notional(mark))
    })
}

/// The mark price of one symbol at which its scope is liquidated; `None` when no price does it.
/// `wallet` is what backs the legs: the isolated wallet, or the cross wallet plus unrealised profit
/// minus maintenance of all *other* cross positions at their present marks.
///
/// Slack is concave in the price (maintenance is convex), so a net long has one crossing on the way
/// down and a net short, or an even hedge, one on the way up.
pub(crate) fn liquidation_price(wallet: Money, legs: &[Leg<'_>]) -> Option<Price> {
    let net: Decimal = legs.iter().map(|leg| leg.amount.get()).sum();
    if legs.iter().all(|leg| leg.amount.is_zero()) {
        return None;
    }
    let kinks = kinks(legs);
    let found = if net > Decimal::ZERO {
        lower_crossing(wallet, legs, &kinks)
    } else {
        upper_crossing(wallet, legs, &kinks)
    };
    found.and_then(|price| Price::new(price).ok())
}

/// Prices at which a leg enters another tier, ascending, from zero.
fn kinks(legs: &[Leg<'_>]) -> Vec<Decimal> {
    let mut kinks = vec![Decimal::ZERO];
    for leg in legs {
        for tier in leg.tiers.tiers() {
            kinks.extend(tier.floor.get().checked_div(leg.amount.get().abs()));
        }
    }
    kinks.sort_unstable();
    kinks.dedup();
    kinks
}

fn lower_crossing(wallet: Money, legs: &[Leg<'_>], kinks: &[Decimal]) -> Option<Decimal> {
    let mut low = Decimal::ZERO;
    let mut low_slack = slack(wallet, legs, low);
    if low_slack > Decimal::ZERO {
        return None;
    }
    for &high in kinks.iter().skip(1) {
        let high_slack = slack(wallet, legs, high);
        if high_slack > Decimal::ZERO {
            return zero_between(low, low_slack, high, high_slack);
        }
        (low, low_slack) = (high, high_slack);
    }
    let beyond = low + Decimal::ONE;
    zero_between(low, low_slack, beyond, slack(wallet, legs, beyond))
}

fn upper_crossing(wallet: Money, legs: &[Leg<'_>], kinks: &[Decimal]) -> Option<Decimal> {
    let last = kinks.last().copied().unwrap_or_default();
    let beyond = last + Decimal::ONE;
    let mut high = last;
    let mut high_slack = slack(wallet, legs, last);
    if high_slack > Decimal::ZERO {
        let slope_end = slack(wallet, legs, beyond);
        if slope_end >= high_slack {
            return None;
        }
        return zero_between(last, high_slack, beyond, slope_end);
    }
    for &low in kinks.iter().rev().skip(1) {
        let low_slack = slack(wallet, legs, low);
        if low_slack > Decimal::ZERO {
            return zero_between(low, low_slack, high, high_slack);
        }
        (high, high_slack) = (low, low_slack);
    }
    None
}

/// Where the line through two points is zero.
fn zero_between(x0: Decimal, y0: Decimal, x1: Decimal, y1: Decimal) -> Option<Decimal> {
    (y0 * (x1 - x0))
        .checked_div(y0 - y1)
        .map(|shift| x0 + shift)
        .filter(|price| *price > Decimal::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Tier;
    use rust_decimal::dec;

    fn flat(rate: Decimal) -> TierTable {
        TierTable::new(vec![Tier::of(0, None, rate, dec!(0), 125)]).expect("table")
    }

    fn btc() -> TierTable {
        TierTable::new(vec![
            Tier::of(0, Some(300_000), dec!(0.004), dec!(0), 150),
            Tier::of(300_000, Some(800_000), dec!(0.005), dec!(300), 100),
            Tier::of(800_000, None, dec!(0.0065), dec!(1500), 75),
        ])
        .expect("table")
    }

    fn leg(amount: Decimal, entry: Decimal, tiers: &TierTable) -> Leg<'_> {
        Leg {
            amount: Quantity::of(amount),
            entry: Price::of(entry),
            tiers,
        }
    }

    fn check(wallet: Decimal, legs: &[Leg<'_>], expected: Decimal) {
        let price = liquidation_price(Money::of(wallet), legs).expect("a price");
        let gap = (price.get() - expected).abs();
        assert!(gap < dec!(0.000001), "{price} instead of {expected}");
    }

    #[test]
    fn worked_examples_of_the_venue_rules_come_out() {
        let tiers = btc();
        check(
            dec!(2500),
            &[leg(dec!(0.5), dec!(100000), &tiers)],
            dec!(95381.526104),
        );
        check(
            dec!(29000),
            &[leg(dec!(-2.9), dec!(100000), &tiers)],
            dec!(109555.669926),
        );
        let hedge = [
            leg(dec!(1), dec!(100000), &tiers),
            leg(dec!(-0.4), dec!(101000), &tiers),
        ];
        check(dec!(5000), &hedge, dec!(91857.335128));
        check(
            dec!(3440),
            &[leg(dec!(0.5), dec!(100000), &tiers)],
            dec!(93493.975904),
        );
        check(
            dec!(3000),
            &[leg(dec!(0.5), dec!(100000), &tiers)],
            dec!(94377.510040),
        );
        check(
            dec!(2370.31),
            &[leg(dec!(0.3), dec!(100000), &tiers)],
            dec!(92468.842035),
        );
    }

    #[test]
    fn documented_hedge_legs_come_out() {
        // Sample of the position page: maintenance 0.5 % with 50 deducted, which is a first tier
        // of 0.4 % up to 50,000.
        let tiers = TierTable::new(vec![
            Tier::of(0, Some(50_000), dec!(0.004), dec!(0), 125),
            Tier::of(50_000, None, dec!(0.005), dec!(50), 100),
        ])
        .expect("table");
        let long = [leg(dec!(20), dec!(6563.665), &tiers)];
        let short = [leg(dec!(-10), dec!(6563.86), &tiers)];
        let price = |wallet, legs: &[Leg<'_>]| {
            liquidation_price(Money::of(wallet), legs).map(|p| p.round_display(2))
        };
        assert_eq!(price(dec!(13200.70726908), &long), Some(dec!(5930.78)));
        assert_eq!(price(dec!(6570.42511771), &short), Some(dec!(7189.95)));
    }

    proptest::proptest! {
        #[test]
        fn the_line_is_where_slack_changes_its_sign(
            long in 0_u32..5_000,
            short in 0_u32..5_000,
            entries in proptest::array::uniform2(50_000_i64..150_000),
            wallet in 1_i64..200_000,
        ) {
            let tiers = btc();
            let legs = [
                leg(Decimal::new(i64::from(long), 3), Decimal::from(entries[0]), &tiers),
                leg(Decimal::new(-i64::from(short), 3), Decimal::from(entries[1]), &tiers),
            ];
            let wallet = Money::of(Decimal::from(wallet));
            if let Some(line) = liquidation_price(wallet, &legs) {
                let near = |away| slack(wallet, &legs, line.get() + away);
                let (below, above) = (near(dec!(-0.01)), near(dec!(0.01)));
                proptest::prop_assert!(
                    (below <= dec!(0)) != (above <= dec!(0)),
                    "{line}: {below} and {above}"
                );
            }
        }
    }

    #[test]
    fn a_fully_backed_long_has_no_liquidation_price() {
        let tiers = flat(dec!(0.004));
        let legs = [leg(dec!(0.1), dec!(1000), &tiers)];
        assert_eq!(liquidation_price(Money::of(dec!(101)), &legs), None);
    }

    #[test]
    fn marginal_tiers_agree_with_the_deduction_column() {
        let tiers = btc();
        for notional in [0, 1, 299_999, 300_000, 300_001, 800_000, 5_000_000] {
            let notional = Money::of(Decimal::from(notional));
            let sliced = sliced(&tiers, notional.get());
            assert_eq!(Money::of(sliced), tiers.maintenance(notional));
        }
    }
}

//! The exact state after an action.

use serde::{Deserialize, Serialize};

use super::scope::ScopeMargin;
use crate::domain::{MarginMode, Money, PositionKey, Price, Quantity, Rate};

/// What the venue does with the margin of an isolated position that is partly closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartialClose {
    /// The isolated wallet shrinks with the quantity; the rest returns to the cross wallet together
    /// with the realised result. Believed of Binance and Bybit, not verified on a live account.
    #[default]
    ReleasesProRata,
    /// The isolated wallet stays and takes the realised result.
    KeepsMargin,
}

/// A partial close to be computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reduction {
    /// At most the size of the position.
    pub quantity: Quantity,
    /// Expected average price.
    pub price: Price,
    /// Taker fee as a fraction of the notional closed.
    pub fee: Rate,
}

impl ScopeMargin {
    /// The scope after `amount` was added to its wallet (removed when negative).
    #[must_use]
    pub fn after_add(&self, amount: Money) -> Self {
        let mut after = self.clone();
        after.wallet += amount;
        after
    }

    /// The scope after a partial close of `key`, and what flowed from it into the cross wallet
    /// (zero for a cross scope, whose wallet takes the result itself; may be negative).
    #[must_use]
    pub fn after_reduce(
        &self,
        key: &PositionKey,
        cut: Reduction,
        mode: MarginMode,
        rule: PartialClose,
    ) -> (Self, Money) {
        let mut after = self.clone();
        let mut freed = Money::ZERO;
        let Some(leg) = after.legs.iter_mut().find(|leg| leg.key == *key) else {
            return (after, freed);
        };
        let quantity = cut.quantity.min(leg.quantity);
        let rest = leg.quantity - quantity;
        let mut part = leg.clone();
        part.quantity = quantity;
        let result = part.profit(cut.price) - (cut.price * quantity) * cut.fee;
        match (mode, rule) {
            (MarginMode::Isolated, PartialClose::ReleasesProRata) => {
                let share = quantity.ratio(leg.quantity).unwrap_or(Rate::ONE);
                let released = after.wallet * share;
                after.wallet -= released;
                freed = released + result;
            }
            (MarginMode::Isolated, PartialClose::KeepsMargin) | (MarginMode::Cross, _) => {
                after.wallet += result;
            }
        }
        leg.quantity = rest;
        if rest.is_zero() {
            after.legs.retain(|leg| leg.key != *key);
        }
        (after, freed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rust_decimal::{Decimal, dec};

    use super::*;
    use crate::domain::{PositionSide, Side, Symbol, Tier, TierTable};
    use crate::margin::Leg;

    fn flat(rate: Decimal, cum: Decimal) -> Arc<TierTable> {
        // One open tier that stands for the row a documented example is in.
        Arc::new(TierTable::new(vec![Tier::of(0, None, rate, cum, 125)]).expect("table"))
    }

    fn btc() -> Arc<TierTable> {
        Arc::new(
            TierTable::new(vec![
                Tier::of(0, Some(300_000), dec!(0.004), dec!(0), 150),
                Tier::of(300_000, Some(800_000), dec!(0.005), dec!(300), 100),
                Tier::of(800_000, None, dec!(0.0065), dec!(1500), 75),
            ])
            .expect("table"),
        )
    }

    fn leg(
        name: &str,
        side: Side,
        quantity: Decimal,
        entry: Decimal,
        tiers: &Arc<TierTable>,
    ) -> Leg {
        Leg {
            key: PositionKey {
                symbol: Symbol::new(name),
                position_side: PositionSide::Both,
            },
            side,
            quantity: Quantity::of(quantity),
            entry: Price::of(entry),
            mark: Price::of(entry),
            tiers: Arc::clone(tiers),
        }
    }

    fn isolated(wallet: Decimal, leg: Leg) -> ScopeMargin {
        ScopeMargin {
            wallet: Money::of(wallet),
            legs: vec![leg],
        }
    }

    fn line(scope: &ScopeMargin, name: &str, places: u32) -> Decimal {
        let price = scope.liquidation_price(&Symbol::new(name)).expect("a line");
        price.round_display(places)
    }

    /// Binance support article on USDⓈ-M liquidation prices, examples recomputed.
    #[test]
    fn published_isolated_examples() {
        let eth = flat(dec!(0.1), dec!(135365));
        let scope = isolated(
            dec!(1535443.01),
            leg("ETH", Side::Long, dec!(3683.979), dec!(1456.84), &eth),
        );
        assert_eq!(line(&scope, "ETH", 2), dec!(1114.78));
        let table = flat(dec!(0.025), dec!(16300));
        let scope = isolated(
            dec!(1535443.01),
            leg("BTC", Side::Long, dec!(109.488), dec!(32481.98), &table),
        );
        assert_eq!(line(&scope, "BTC", 2), dec!(18778.73));
    }

    #[test]
    fn published_cross_example_of_two_symbols() {
        let mut btc = leg(
            "BTC",
            Side::Long,
            dec!(109.488),
            dec!(32481.98),
            &flat(dec!(0.025), dec!(16300)),
        );
        btc.mark = Price::of(dec!(31967.27));
        let mut eth = leg(
            "ETH",
            Side::Long,
            dec!(3683.979),
            dec!(1456.84),
            &flat(dec!(0.1), dec!(135365)),
        );
        eth.mark = Price::of(dec!(1335.18));
        let scope = ScopeMargin {
            wallet: Money::of(dec!(1535443.01)),
            legs: vec![btc, eth],
        };
        assert_eq!(line(&scope, "ETH", 2), dec!(1153.26));
        assert_eq!(line(&scope, "BTC", 2), dec!(26316.89));
    }

    #[test]
    fn documented_hedge_legs_in_isolated_mode_have_separate_lines() {
        let table = flat(dec!(0.005), dec!(50));
        let long = isolated(
            dec!(13200.70726908),
            leg("BTC", Side::Long, dec!(20), dec!(6563.665), &table),
        );
        assert_eq!(line(&long, "BTC", 2), dec!(5930.78));
        let short = isolated(
            dec!(6570.42511771),
            leg("BTC", Side::Short, dec!(10), dec!(6563.86), &table),
        );
        assert_eq!(line(&short, "BTC", 2), dec!(7189.95));
    }

    #[test]
    fn first_tier_long_with_bankruptcy_price() {
        let scope = isolated(
            dec!(2500),
            leg("BTC", Side::Long, dec!(0.5), dec!(100000), &btc()),
        );
        assert_eq!(line(&scope, "BTC", 6), dec!(95381.526104));
        assert_eq!(
            scope.bankruptcy_price(&Symbol::new("BTC")),
            Some(Price::of(dec!(95000)))
        );
        let funded = scope.after_add(Money::of(dec!(-5)));
        assert_eq!(line(&funded, "BTC", 6), dec!(95391.566265));
        let topped = scope.after_add(Money::of(dec!(940)));
        assert_eq!(line(&topped, "BTC", 6), dec!(93493.975904));
    }

    #[test]
    fn a_short_uses_the_tier_at_its_line_not_at_mark() {
        let scope = isolated(
            dec!(29000),
            leg("BTC", Side::Short, dec!(2.9), dec!(100000), &btc()),
        );
        assert_eq!(line(&scope, "BTC", 6), dec!(109555.669926));
    }

    #[test]
    fn a_cross_hedge_shares_one_line() {
        let mut short = leg("BTC", Side::Short, dec!(0.4), dec!(101000), &btc());
        short.key.position_side = PositionSide::Short;
        let legs = vec![leg("BTC", Side::Long, dec!(1), dec!(100000), &btc()), short];
        let scope = ScopeMargin {
            wallet: Money::of(dec!(5000)),
            legs,
        };
        assert_eq!(line(&scope, "BTC", 6), dec!(91857.335128));
    }

    #[test]
    fn a_cross_trim_moves_the_line_by_itself() {
        let scope = isolated(
            dec!(3000),
            leg("BTC", Side::Long, dec!(0.5), dec!(100000), &btc()),
        );
        assert_eq!(line(&scope, "BTC", 6), dec!(94377.510040));
        let cut = Reduction {
            quantity: Quantity::of(dec!(0.2)),
            price: Price::of(dec!(96900)),
            fee: Rate::of(dec!(0.0005)),
        };
        let key = scope.legs[0].key.clone();
        let rule = PartialClose::ReleasesProRata;
        let (after, freed) = scope.after_reduce(&key, cut, MarginMode::Cross, rule);
        assert_eq!(after.wallet, Money::of(dec!(2370.31)));
        assert_eq!(freed, Money::ZERO);
        assert_eq!(line(&after, "BTC", 6), dec!(92468.842035));
    }

    #[test]
    fn an_isolated_pro_rata_trim_moves_the_line_only_when_recycled() {
        let scope = isolated(
            dec!(2500),
            leg("BTC", Side::Long, dec!(0.5), dec!(100000), &btc()),
        );
        let cut = Reduction {
            quantity: Quantity::of(dec!(0.2)),
            price: Price::of(dec!(96900)),
            fee: Rate::of(dec!(0.0005)),
        };
        let key = scope.legs[0].key.clone();
        let rule = PartialClose::ReleasesProRata;
        let (after, freed) = scope.after_reduce(&key, cut, MarginMode::Isolated, rule);
        assert_eq!(after.wallet, Money::of(dec!(1500)));
        assert_eq!(line(&after, "BTC", 6), dec!(95381.526104));
        assert_eq!(freed, Money::of(dec!(370.31)));
        assert_eq!(line(&after.after_add(freed), "BTC", 6), dec!(94142.202142));
    }

    #[test]
    fn low_leverage_has_no_line() {
        let scope = isolated(
            dec!(100000),
            leg("BTC", Side::Long, dec!(0.5), dec!(100000), &btc()),
        );
        assert_eq!(scope.liquidation_price(&Symbol::new("BTC")), None);
    }

    fn any_scope() -> impl Strategy<Value = ScopeMargin> {
        let side = prop_oneof![Just(Side::Long), Just(Side::Short)];
        (side, 1_i64..40_000, 100_i64..200_000, 8_i64..400).prop_map(
            |(side, milli, entry, permille)| {
                let quantity = Decimal::new(milli, 3);
                let entry = Decimal::from(entry);
                let wallet = quantity * entry * Decimal::new(permille, 3);
                isolated(wallet, leg("X", side, quantity, entry, &btc()))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn health_flips_at_the_line(scope in any_scope()) {
            let symbol = Symbol::new("X");
            let Some(price) = scope.liquidation_price(&symbol) else { return Ok(()) };
            let step = price.get() * Decimal::new(1, 9);
            let safe = match scope.legs[0].side { Side::Long => step, Side::Short => -step };
            prop_assert!(scope.at_mark(&symbol, Price::of(price.get() + safe)).is_healthy());
            prop_assert!(!scope.at_mark(&symbol, Price::of(price.get() - safe)).is_healthy());
        }

        #[test]
        fn the_short_way_finds_the_same_line_as_the_long_one(scope in any_scope()) {
            let symbol = Symbol::new("X");
            // A second leg of dust size forces the general way.
            let mut hedged = scope.clone();
            let mut dust = scope.legs[0].clone();
            dust.key.position_side = PositionSide::Short;
            dust.quantity = Quantity::of(Decimal::new(1, 18));
            hedged.legs.push(dust);
            let (short, long) = (scope.liquidation_price(&symbol), hedged.liquidation_price(&symbol));
            match (short, long) {
                (Some(short), Some(long)) => {
                    let gap = (short - long).abs().get() / long.get();
                    prop_assert!(gap < Decimal::new(1, 9), "{short} {long}");
                }
                (short, long) => prop_assert_eq!(short, long),
            }
        }

        #[test]
        fn adding_margin_never_brings_the_line_nearer(scope in any_scope(), amount in 1_i64..10_000) {
            let symbol = Symbol::new("X");
            let after = scope.after_add(Money::of(Decimal::from(amount)));
            let (Some(before), Some(after)) =
                (scope.liquidation_price(&symbol), after.liquidation_price(&symbol))
            else { return Ok(()) };
            match scope.legs[0].side {
                Side::Long => prop_assert!(after < before),
                Side::Short => prop_assert!(after > before),
            }
        }

        #[test]
        fn a_trim_never_raises_maintenance(scope in any_scope(), share in 1_i64..100) {
            let leg = &scope.legs[0];
            let cut = Reduction {
                quantity: leg.quantity * Rate::of(Decimal::new(share, 2)),
                price: leg.mark,
                fee: Rate::of(dec!(0.0005)),
            };
            for rule in [PartialClose::ReleasesProRata, PartialClose::KeepsMargin] {
                let (after, _) = scope.after_reduce(&leg.key, cut, MarginMode::Isolated, rule);
                prop_assert!(after.maintenance() <= scope.maintenance());
            }
        }

        #[test]
        fn the_wallet_for_a_wished_line_gives_that_line(scope in any_scope(), permille in 10_i64..500) {
            let symbol = Symbol::new("X");
            let leg = &scope.legs[0];
            let shift = leg.mark.get() * Decimal::new(permille, 3);
            let wished = match leg.side {
                Side::Long => Price::of(leg.mark.get() - shift),
                Side::Short => Price::of(leg.mark.get() + shift),
            };
            let mut after = scope.clone();
            after.wallet = scope.wallet_for_line(&symbol, wished);
            let got = after.liquidation_price(&symbol).expect("a line");
            let error = (got.get() - wished.get()).abs() / wished.get();
            prop_assert!(error < Decimal::new(1, 12), "{got} {wished}");
        }
    }
}

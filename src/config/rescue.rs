//! What the trader allows beyond adding margin and trimming.

use rust_decimal::{Decimal, dec};

use super::reader::Reader;
use super::schema::{millis, number_f64, span};
use crate::domain::Money;
use crate::guard::allowance::{Allowance, GiveBack};

pub(super) fn allowance(
    reader: &mut Reader<'_>,
    default: &Allowance,
    may_transfer: bool,
) -> Allowance {
    const SECTION: &str = "rescue";
    let give_back = &default.give_back;
    Allowance {
        move_in_per_day: move_in(reader, default.move_in_per_day, may_transfer),
        cancel_own_orders: reader.flag(SECTION, "cancel_own_orders", default.cancel_own_orders),
        give_back: GiveBack {
            allowed: reader.flag(SECTION, "give_back", give_back.allowed),
            after_ms: millis(
                reader,
                (SECTION, "give_back_after_secs"),
                span(dec!(600), dec!(2_592_000), "seconds", 3),
                give_back.after_ms,
            ),
            factor: number_f64(
                reader,
                (SECTION, "give_back_factor"),
                span(dec!(2.5), dec!(100), "", 4),
                give_back.factor,
                Decimal::ONE,
            ),
        },
    }
}

/// Moving money in needs the owner's word twice: a budget, and that the key may do it.
fn move_in(reader: &mut Reader<'_>, default: Money, may_transfer: bool) -> Money {
    const SECTION: &str = "budget";
    const KEY: &str = "move_in_per_day_usdt";
    let range = span(dec!(0), dec!(1_000_000_000), "USDT", 8);
    let found = Money::of(reader.number(SECTION, KEY, range, default.get()));
    if found.is_positive() && !may_transfer {
        let line = reader.line(SECTION, KEY);
        reader.problem(
            line,
            format!("{KEY} = {found} in [{SECTION}] needs a key that may move funds between your wallets; set allow_wallet_transfer = true in [exchange], or {KEY} = 0"),
        );
    }
    found
}

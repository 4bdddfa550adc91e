//! What the trader allows beyond adding margin and trimming.

use rust_decimal::{Decimal, dec};

use super::reader::Reader;
use super::schema::{millis, number_f64, span};
use crate::guard::allowance::{Allowance, GiveBack};

pub(super) fn allowance(reader: &mut Reader<'_>, default: &Allowance) -> Allowance {
    const SECTION: &str = "rescue";
    let give_back = &default.give_back;
    Allowance {
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

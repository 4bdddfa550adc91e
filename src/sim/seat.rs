//! A position put in place as it stands, for what begins in the middle of a story.

use super::Refusal;
use super::account::{AccountId, Slot, SymbolConfig};
use super::model::Exchange;
use crate::domain::{MarginMode, Money, PositionKey, PositionSide, Price, Quantity, Side};

/// A position as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    pub key: PositionKey,
    pub side: Side,
    /// Size without a sign, above zero.
    pub quantity: Quantity,
    pub entry: Price,
    pub mode: MarginMode,
    /// At least 1; one that the tiers would not allow for a new position may still be held.
    pub leverage: u32,
    /// Isolated wallet without unrealised profit; not used for cross.
    pub isolated_wallet: Money,
    /// The venue tops the position up by itself.
    pub auto_add: bool,
}

impl Exchange {
    /// Puts a position in place without a trade: no fee, no fill, no notice, and the isolated wallet
    /// comes on top of the cross wallet instead of out of it.
    ///
    /// # Errors
    /// [`Refusal`] when the symbol is unknown, the size is not above zero, the slot does not belong
    /// to the account's position mode or is taken.
    pub fn seat(&mut self, account: AccountId, seat: &Seat) -> Result<(), Refusal> {
        let at = self.now;
        if !self.boards.contains_key(&seat.key.symbol) {
            return Err(Refusal::UnknownSymbol);
        }
        if !seat.quantity.is_positive() {
            return Err(Refusal::QuantityNotPositive);
        }
        let found = self.accounts.get_mut(account.0);
        let found = found.ok_or(Refusal::UnknownSymbol)?;
        let fits = match seat.key.position_side {
            PositionSide::Both => !found.hedge,
            PositionSide::Long => found.hedge && seat.side == Side::Long,
            PositionSide::Short => found.hedge && seat.side == Side::Short,
        };
        if !fits || !found.slot(&seat.key).amount.is_zero() {
            return Err(Refusal::PositionSideMismatch);
        }
        let config = SymbolConfig {
            mode: seat.mode,
            leverage: seat.leverage.max(1),
            auto_add: seat.auto_add,
        };
        found.configs.insert(seat.key.symbol.clone(), config);
        let slot = Slot {
            amount: match seat.side {
                Side::Long => seat.quantity,
                Side::Short => -seat.quantity,
            },
            entry: seat.entry,
            isolated_wallet: match seat.mode {
                MarginMode::Isolated => seat.isolated_wallet,
                MarginMode::Cross => Money::ZERO,
            },
            updated_at: at,
            ..Slot::EMPTY
        };
        found.slots.insert(seat.key.clone(), slot);
        Ok(())
    }
}

//! A scope: one wallet (or one pool of collateral) and the legs it backs.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::collateral::Collateral;
use super::leg::Leg;
use super::rules::{CloseFee, Ratio, Removal, Rules, TierBy, Venue};
use crate::domain::{MarginMode, Money, PositionKey, Price, Quantity, Rate, Side, Symbol, Tier};

/// Share of the notional that must stay, at venues that ask for a tenth.
const TENTH: Rate = Rate::of(Decimal::from_parts(1, 0, 0, false, 1));

/// Wallet and legs that are liquidated together. Isolated: one leg and its isolated wallet. Cross:
/// all cross legs of one asset and the cross wallet, or of several assets that back each other.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeMargin {
    pub rules: Rules,
    pub mode: MarginMode,
    /// Wallet of the settlement asset without unrealised profit. Isolated: as the venue books it,
    /// with the close fee it has set aside.
    pub wallet: Money,
    pub legs: Vec<Leg>,
    /// Taker fee as a fraction; part of the line where the venue sets a close fee aside.
    pub taker_fee: Rate,
    /// Taken from equity by the venue for open orders and the like.
    pub reserved: Money,
    /// Maintenance of what is not a leg: open orders, borrowed assets.
    pub other_maintenance: Money,
    /// More assets that back a cross scope.
    pub collateral: Vec<Collateral>,
}

/// The demand on one leg as a function of its value: `value * rate - deduction`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    pub(super) rate: Decimal,
    pub(super) deduction: Decimal,
}

impl ScopeMargin {
    /// A scope without fees, reservations or further collateral.
    #[must_use]
    pub fn new(rules: Rules, mode: MarginMode, wallet: Money, legs: Vec<Leg>) -> Self {
        let mut scope = Self {
            rules,
            mode,
            wallet,
            legs,
            taker_fee: Rate::ZERO,
            reserved: Money::ZERO,
            other_maintenance: Money::ZERO,
            collateral: Vec::new(),
        };
        scope.count_families();
        scope
    }

    /// A cross scope of Binance USDⓈ-M, or the isolated wallet of one of its positions.
    #[must_use]
    pub fn binance_usdm(mode: MarginMode, wallet: Money, legs: Vec<Leg>) -> Self {
        Self::new(Venue::BinanceUsdm.rules(), mode, wallet, legs)
    }

    /// Wallet and collateral plus unrealised profit at the marks held in the legs, less what is
    /// reserved, in the settlement asset.
    #[must_use]
    pub fn equity(&self) -> Money {
        Money::of(self.equity_where(|leg| leg.mark, |asset| asset.price.get()))
    }

    /// Maintenance margin as the venue shows it: of all legs at their marks, and of what else has one.
    #[must_use]
    pub fn maintenance(&self) -> Money {
        let of_legs: Money = self
            .legs
            .iter()
            .map(|leg| self.worth(leg, self.leg_maintenance(leg, leg.mark)))
            .sum();
        of_legs + self.other_maintenance
    }

    /// What equity is held against: maintenance and, where it is shown apart, the close fee.
    #[must_use]
    pub fn demand(&self) -> Money {
        Money::of(self.demand_where(|leg| leg.mark, |asset| asset.price.get()))
    }

    /// Sum of the initial margins at mark; `None` where a leverage is not known. Isolated: of the
    /// entry value where the venue books it so, with its close fee.
    #[must_use]
    pub fn initial_margin(&self) -> Option<Money> {
        let each = self.legs.iter().map(|leg| {
            let margin = self.leg_initial_margin(leg)?;
            Some(self.worth(leg, margin))
        });
        each.sum()
    }

    /// Above the line? Division-free for linear legs.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.outlives(self.health())
    }

    /// Equity minus demand at the marks held.
    pub(super) fn health(&self) -> Decimal {
        if self.is_pooled() {
            return self.equity().get().saturating_sub(self.demand().get());
        }
        self.health_of(self.legs.iter())
    }

    /// Is a scope with this `health` alive?
    pub(super) fn outlives(&self, health: Decimal) -> bool {
        Money::of(health).is_positive() || self.rules.alive_at_line && health.is_zero()
    }

    /// The margin ratio in the venue's own sense (see [`Ratio`]); liquidation at 1. `None` without
    /// a demand or without positive equity, where the venue's number has no meaning.
    #[must_use]
    pub fn margin_ratio(&self) -> Option<Rate> {
        let (equity, demand) = (self.equity(), self.demand());
        match self.rules.ratio {
            Ratio::DemandOverEquity => equity.is_positive().then(|| demand.ratio(equity)).flatten(),
            Ratio::EquityOverDemand => demand.is_positive().then(|| equity.ratio(demand)).flatten(),
        }
    }

    /// What may back new positions: equity above initial margin, not below zero. `None` where a
    /// leverage is not known.
    #[must_use]
    pub fn free_margin(&self) -> Option<Money> {
        let free = self.equity() - self.initial_margin()?;
        Some(free.max(Money::ZERO))
    }

    /// How much may be taken out of the wallet by the venue's rule, not below zero. `None` where a
    /// leverage is not known.
    #[must_use]
    pub fn removable_margin(&self) -> Option<Money> {
        let equity = self.equity();
        let at_mark: Money = self
            .legs
            .iter()
            .map(|leg| Some(self.worth(leg, leg.initial_margin(leg.mark)?)))
            .sum::<Option<Money>>()?;
        let room = match self.rules.removal {
            Removal::AboveMaintenanceAndInitial => {
                let wallet = equity - self.unrealized();
                (wallet - self.maintenance()).min(equity - at_mark)
            }
            Removal::AddedPart => {
                let booked = self.initial_margin()?;
                match self.mode {
                    MarginMode::Isolated => (self.wallet - booked).min(equity - at_mark),
                    MarginMode::Cross => equity - booked,
                }
            }
            Removal::AboveInitial => (self.wallet - at_mark).min(equity - at_mark),
            Removal::AboveInitialAndTenth => {
                let notional: Money = self.legs.iter().map(|leg| leg.notional(leg.mark)).sum();
                equity - at_mark.max(notional * TENTH)
            }
        };
        Some(room.max(Money::ZERO))
    }

    /// Unrealised profit of all legs at their marks, undiscounted, in the settlement asset.
    #[must_use]
    pub fn unrealized(&self) -> Money {
        let of_legs = self.legs.iter();
        of_legs
            .map(|leg| self.worth(leg, leg.profit(leg.mark)))
            .sum()
    }

    /// Maintenance margin of one leg at `price` as the venue shows it, in the leg's own asset.
    #[must_use]
    pub fn leg_maintenance(&self, leg: &Leg, price: Price) -> Money {
        let value = leg.notional(price);
        let tier = self.tier(leg, value);
        let margin = (value * tier.maintenance_rate - tier.deduction).max(Money::ZERO);
        match self.rules.close_fee {
            CloseFee::None | CloseFee::AtMark => margin,
            CloseFee::AtBankruptcy => margin + self.leg_close_fee(leg, price),
        }
    }

    /// Fee of closing one leg that the venue sets aside at `price`, in the leg's own asset; zero
    /// where it sets none aside.
    #[must_use]
    pub fn leg_close_fee(&self, leg: &Leg, price: Price) -> Money {
        leg.notional(price) * Rate::of(self.fee_share()) + Money::of(self.fixed_fee(leg))
    }

    /// Initial margin of one leg in the leg's own asset, as the venue books it; `None` where its
    /// leverage is not known.
    #[must_use]
    pub fn leg_initial_margin(&self, leg: &Leg) -> Option<Money> {
        match (self.rules.close_fee, self.mode) {
            (CloseFee::None | CloseFee::AtMark, _) => leg.initial_margin(leg.mark),
            (CloseFee::AtBankruptcy, MarginMode::Cross) => {
                Some(leg.initial_margin(leg.mark)? + self.leg_close_fee(leg, leg.mark))
            }
            (CloseFee::AtBankruptcy, MarginMode::Isolated) => {
                Some(leg.initial_margin(leg.entry)? + self.booked_fee(leg))
            }
        }
    }

    /// Close fee booked at opening: on the bankruptcy value of a position with nothing added to it.
    pub(super) fn booked_fee(&self, leg: &Leg) -> Money {
        let value = leg.entry_value().saturating_mul(leg.share_at_loss());
        Money::of(value) * self.taker_fee
    }

    /// The tier of a leg whose value is `value`.
    #[must_use]
    pub fn tier<'a>(&self, leg: &'a Leg, value: Money) -> &'a Tier {
        match self.rules.tier_by {
            TierBy::Value => leg.tiers.at(value),
            TierBy::Contracts => leg.tiers.allowing(leg.counted()),
        }
    }

    /// The demand on `leg` around `value`, all of it that depends on the value.
    pub(super) fn demand_on(&self, leg: &Leg, value: Money) -> Demand {
        let tier = self.tier(leg, value);
        Demand {
            rate: tier.maintenance_rate.get() + self.fee_share(),
            deduction: tier.deduction.get(),
        }
    }

    /// Close fee per unit of value at the price in question.
    fn fee_share(&self) -> Decimal {
        match self.rules.close_fee {
            CloseFee::None | CloseFee::AtBankruptcy => Decimal::ZERO,
            CloseFee::AtMark => self.taker_fee.get(),
        }
    }

    /// Close fee that does not depend on the price. Isolated: the taker fee `t` on the value at which
    /// the wallet `W` is used up, `t (V - d W) / (1 - d t)` with entry value `V` and direction `d`.
    /// Cross, where no wallet belongs to the leg: as booked at opening.
    pub(super) fn fixed_fee(&self, leg: &Leg) -> Decimal {
        match (self.rules.close_fee, self.mode) {
            (CloseFee::None | CloseFee::AtMark, _) => Decimal::ZERO,
            (CloseFee::AtBankruptcy, MarginMode::Cross) => self.booked_fee(leg).get(),
            (CloseFee::AtBankruptcy, MarginMode::Isolated) => {
                let fee = self.taker_fee.get();
                let left = leg.entry_value() - leg.signed(self.wallet.get());
                let fee = (fee * left).checked_div(Decimal::ONE - leg.signed(fee));
                fee.unwrap_or(Decimal::ZERO).max(Decimal::ZERO)
            }
        }
    }

    /// Several assets back each other.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        !self.collateral.is_empty()
    }

    /// Equity if marks and prices of collateral were others.
    pub(super) fn equity_where(
        &self,
        mark: impl Fn(&Leg) -> Price,
        price: impl Fn(&Collateral) -> Decimal,
    ) -> Decimal {
        let mut equity = self.wallet.get() - self.reserved.get();
        if !self.is_pooled() {
            for leg in &self.legs {
                equity = equity.saturating_add(leg.profit(mark(leg)).get());
            }
            return equity;
        }
        let mut settled = vec![Money::ZERO; self.collateral.len()];
        for leg in &self.legs {
            let profit = leg.profit(mark(leg));
            match self.place(leg).and_then(|place| settled.get_mut(place)) {
                Some(sum) => *sum += profit,
                None => equity = equity.saturating_add(profit.get()),
            }
        }
        for (asset, profit) in self.collateral.iter().zip(settled) {
            let worth = asset.worth(profit, price(asset), self.rules.discounts_profit);
            equity = equity.saturating_add(worth);
        }
        equity
    }

    /// Demand if marks and prices of collateral were others.
    pub(super) fn demand_where(
        &self,
        mark: impl Fn(&Leg) -> Price,
        price: impl Fn(&Collateral) -> Decimal,
    ) -> Decimal {
        let mut demand = self.other_maintenance.get();
        for leg in &self.legs {
            let mark = mark(leg);
            let mut needed = self.leg_maintenance(leg, mark).get();
            if self.rules.close_fee == CloseFee::AtMark {
                needed = needed.saturating_add(self.leg_close_fee(leg, mark).get());
            }
            if let Some(asset) = self.settlement(leg) {
                needed = needed.saturating_mul(price(asset));
            }
            demand = demand.saturating_add(needed);
        }
        demand
    }

    /// `amount` of the asset in which `leg` is settled, in the scope's own.
    #[must_use]
    pub fn worth(&self, leg: &Leg, amount: Money) -> Money {
        match self.settlement(leg) {
            Some(asset) => Money::of(amount.get().saturating_mul(asset.price.get())),
            None => amount,
        }
    }

    /// The collateral a leg is settled in, when that is not the scope's own asset.
    fn settlement(&self, leg: &Leg) -> Option<&Collateral> {
        self.place(leg).and_then(|place| self.collateral.get(place))
    }

    pub(super) fn place(&self, leg: &Leg) -> Option<usize> {
        let name = leg.asset.as_ref()?;
        self.collateral
            .iter()
            .position(|asset| asset.asset == *name)
    }

    /// Tells each leg what the others of its family hold, where the venue adds them up.
    pub(super) fn count_families(&mut self) {
        if self.rules.tier_by != TierBy::Contracts || self.mode != MarginMode::Cross {
            return;
        }
        let mut sums: BTreeMap<Symbol, Quantity> = BTreeMap::new();
        for leg in &self.legs {
            if let Some(family) = &leg.family {
                *sums.entry(family.clone()).or_default() += leg.quantity;
            }
        }
        for leg in &mut self.legs {
            let sum = leg.family.as_ref().and_then(|family| sums.get(family));
            leg.peers = sum.map_or(Quantity::ZERO, |sum| *sum - leg.quantity);
        }
    }

    /// The legs of `symbol`: one, or two in hedge mode.
    pub(super) fn legs_of<'a>(&'a self, symbol: &'a Symbol) -> impl Iterator<Item = &'a Leg> {
        self.legs
            .iter()
            .filter(move |leg| leg.key.symbol == *symbol)
    }

    /// Are there no legs but those of `symbol`?
    #[must_use]
    pub fn is_all_in(&self, symbol: &Symbol) -> bool {
        self.legs.iter().all(|leg| leg.key.symbol == *symbol)
    }

    /// The leg in this slot.
    #[must_use]
    pub fn leg(&self, key: &PositionKey) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.key == *key)
    }

    /// The same scope with the mark of one symbol replaced; collateral that follows it moves along.
    #[must_use]
    pub fn at_mark(&self, symbol: &Symbol, mark: Price) -> Self {
        let mut moved = self.clone();
        let before = self.legs_of(symbol).next();
        let factor = before.and_then(|leg| mark.get().checked_div(leg.mark.get()));
        for leg in moved
            .legs
            .iter_mut()
            .filter(|leg| leg.key.symbol == *symbol)
        {
            leg.mark = mark;
        }
        for asset in &mut moved.collateral {
            if let (true, Some(factor)) = (asset.follows.as_ref() == Some(symbol), factor) {
                asset.price = Price::of(asset.price.get().saturating_mul(factor));
            }
        }
        moved
    }

    /// Net direction in `symbol`: `None` without exposure there or with a perfect hedge.
    #[must_use]
    pub fn net_side(&self, symbol: &Symbol) -> Option<Side> {
        let net: Quantity = self
            .legs_of(symbol)
            .map(|leg| match leg.side {
                Side::Long => leg.quantity,
                Side::Short => -leg.quantity,
            })
            .sum();
        if net.is_positive() {
            Some(Side::Long)
        } else if net.is_negative() {
            Some(Side::Short)
        } else {
            None
        }
    }
}

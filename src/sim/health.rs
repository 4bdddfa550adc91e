//! Where the accounts of the model meet the law: which rules hold, what each position needs, and
//! whether a scope is over. The model trades linear contracts of one base unit, so tiers that a law
//! picks by contracts (OKX) are bounded in base units here.

use rust_decimal::Decimal;

use super::account::{Account, Slot, SymbolConfig};
use super::board::{Board, Boards};
use super::law::{Exposure, Footing, Holding, Law, Ledger, Need, Stake};
use crate::domain::{
    ContractKind, MarginMode, Money, PositionKey, PositionSide, Quantity, Rate, Side, Symbol,
};

/// What of the venue's set-up decides about margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) law: Law,
    pub(crate) taker_fee: Rate,
}

/// Balance of a scope and what it may not fall to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) balance: Money,
    pub(crate) need: Money,
    pub(crate) over: bool,
}

impl Rules {
    /// Margin that opening a position worth `notional` asks for, at the asset's eight decimals.
    pub(crate) fn opening(self, side: Side, notional: Money, leverage: u32) -> Money {
        let stake = Stake {
            contract: ContractKind::Linear,
            side,
            value: notional.get(),
            leverage: Decimal::from(leverage.max(1)),
        };
        Money::of(self.law.opening(&stake, self.taker_fee).round_dp(8))
    }

    fn judge(self, balance: Money, need: Money) -> Health {
        let over = self.law.is_over(balance, need);
        Health {
            balance,
            need,
            over,
        }
    }
}

/// A slot of the model as the law sees it.
pub(crate) fn exposure<'a>(
    symbol: &'a Symbol,
    slot: &Slot,
    board: &'a Board,
    config: SymbolConfig,
) -> Exposure<'a> {
    Exposure {
        symbol,
        contract: ContractKind::Linear,
        side: side_of(slot),
        contracts: slot.amount.abs(),
        contract_size: Decimal::ONE,
        entry: slot.entry,
        mark: board.mark,
        leverage: Decimal::from(config.leverage.max(1)),
        tiers: &board.market.tiers,
    }
}

fn side_of(slot: &Slot) -> Side {
    if slot.amount.is_negative() {
        Side::Short
    } else {
        Side::Long
    }
}

impl Account {
    /// What one position needs at its mark; `slot` is where it is kept.
    pub(crate) fn need(
        &self,
        leg: &Exposure<'_>,
        slot: &Slot,
        mode: MarginMode,
        boards: &Boards,
    ) -> Need {
        let footing = Footing {
            mode,
            backing: slot.isolated_wallet,
            crowd: self.crowd(leg, mode, boards),
            taker_fee: self.rules.taker_fee,
        };
        self.rules.law.need(leg, &footing)
    }

    fn crowd(&self, leg: &Exposure<'_>, mode: MarginMode, boards: &Boards) -> Quantity {
        let cross = self
            .positions(boards)
            .filter(|(_, _, _, config)| config.mode == MarginMode::Cross)
            .map(|(key, slot, board, config)| exposure(&key.symbol, slot, board, config));
        self.rules.law.crowd(mode, leg, cross)
    }

    /// Initial margin of a held position, at the asset's eight decimals.
    pub(crate) fn initial(&self, leg: &Exposure<'_>, mode: MarginMode) -> Money {
        let rules = self.rules;
        let initial = rules.law.initial(leg, mode, rules.taker_fee);
        Money::of(initial.round_dp(8))
    }

    /// Health of an isolated position; `None` for an unknown symbol.
    pub(crate) fn isolated_health(&self, key: &PositionKey, boards: &Boards) -> Option<Health> {
        let board = boards.get(&key.symbol)?;
        let slot = self.slot(key);
        let leg = exposure(&key.symbol, &slot, board, self.config(&key.symbol, boards));
        let need = self.need(&leg, &slot, MarginMode::Isolated, boards).total();
        let balance = slot.isolated_wallet + slot.unrealized(board.mark);
        Some(self.rules.judge(balance, Money::of(need)))
    }

    /// Health of everything cross, at the present marks.
    pub(crate) fn cross_health(&self, boards: &Boards) -> Health {
        let mut balance = self.cross_wallet;
        let mut need = Money::ZERO;
        for (key, slot, board, config) in self.positions(boards) {
            if config.mode == MarginMode::Cross {
                balance += slot.unrealized(board.mark);
                let leg = exposure(&key.symbol, slot, board, config);
                need += Money::of(self.need(&leg, slot, config.mode, boards).total());
            }
        }
        self.rules.judge(balance, need)
    }

    /// What may be moved out of an isolated wallet.
    pub(crate) fn removable(&self, key: &PositionKey, boards: &Boards) -> Money {
        let ledger = self.scope(Some(key), boards);
        ledger.removable()
    }

    /// A scope of the account as a ledger of the law: one isolated position, or everything cross.
    pub(crate) fn scope(&self, isolated: Option<&PositionKey>, boards: &Boards) -> Ledger {
        let mode = isolated.map_or(MarginMode::Cross, |_| MarginMode::Isolated);
        let chosen = self.positions(boards).filter(|(key, _, _, config)| {
            config.mode == mode && isolated.is_none_or(|wanted| wanted == *key)
        });
        let rules = self.rules;
        let holdings: Vec<Holding> = chosen
            .map(|(key, slot, board, config)| {
                let leg = exposure(&key.symbol, slot, board, config);
                let base = rules.law.initial(&leg, mode, rules.taker_fee);
                Holding {
                    symbol: key.symbol.clone(),
                    position_side: key.position_side,
                    contract: leg.contract,
                    side: leg.side,
                    contracts: leg.contracts,
                    contract_size: leg.contract_size,
                    entry: leg.entry,
                    mark: leg.mark,
                    leverage: leg.leverage,
                    extra_margin: match mode {
                        MarginMode::Isolated => slot.isolated_wallet - Money::of(base),
                        MarginMode::Cross => Money::ZERO,
                    },
                    tiers: leg.tiers.clone(),
                    settles_in: None,
                }
            })
            .collect();
        let wallet = match isolated {
            Some(key) => self.slot(key).isolated_wallet,
            None => self.cross_wallet,
        };
        Ledger::new(rules.law, mode, wallet, rules.taker_fee, holdings)
    }

    /// Side a slot is on, or would be opened on when it is empty.
    pub(crate) fn side_in(key: &PositionKey, slot: &Slot) -> Side {
        match key.position_side {
            PositionSide::Short => Side::Short,
            PositionSide::Both | PositionSide::Long => side_of(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Price;
    use crate::sim::tests::venue_with;
    use crate::sim::{AccountId, Exchange};
    use rust_decimal::dec;

    const LAWS: [Law; 4] = [Law::BinanceUsdm, Law::Bybit, Law::Okx, Law::Hyperliquid];

    fn key() -> PositionKey {
        PositionKey {
            symbol: Symbol::new("BTCUSDT"),
            position_side: PositionSide::Both,
        }
    }

    fn opened(law: Law, mode: MarginMode) -> (Exchange, AccountId) {
        let (mut exchange, id) = venue_with(&[dec!(100000)], |spec| spec.law = law);
        let notional = Money::of(dec!(150000));
        exchange
            .open_position(id, &key().symbol, Side::Long, notional, 20, mode)
            .expect("opened");
        (exchange, id)
    }

    fn scope(exchange: &Exchange, id: AccountId, mode: MarginMode) -> Ledger {
        let wanted = key();
        let isolated = (mode == MarginMode::Isolated).then_some(&wanted);
        exchange.accounts[id.0].scope(isolated, &exchange.boards)
    }

    /// Lets the mark fall until the position is gone; the model must agree with the law at each step.
    fn death(law: Law, mode: MarginMode) -> Decimal {
        let (mut exchange, id) = opened(law, mode);
        let symbol = key().symbol;
        let mut mark = dec!(96000);
        while mark > dec!(90000) {
            let mut told = scope(&exchange, id, mode);
            told.set_mark(&symbol, Price::of(mark));
            exchange.force_mark(&symbol, Price::of(mark));
            let gone = scope(&exchange, id, mode).holdings.is_empty();
            assert_eq!(gone, told.is_liquidated(), "{law:?} {mode} at {mark}");
            if gone {
                return mark;
            }
            mark -= dec!(5);
        }
        panic!("{law:?} {mode} lives at {mark}")
    }

    #[test]
    fn the_model_liquidates_when_its_law_says_so() {
        for mode in [MarginMode::Isolated, MarginMode::Cross] {
            let deaths = LAWS.map(|law| death(law, mode));
            let [binance, bybit, okx, hyperliquid] = deaths;
            assert!(okx > binance, "the way out is part of the need: {deaths:?}");
            assert_eq!(hyperliquid, binance);
            match mode {
                // The fee lies in the wallet as well as in the need.
                MarginMode::Isolated => assert_eq!(bybit, binance),
                MarginMode::Cross => assert!(bybit > binance, "{deaths:?}"),
            }
        }
    }

    #[test]
    fn the_model_shows_the_figures_of_its_law() {
        for law in LAWS {
            for mode in [MarginMode::Isolated, MarginMode::Cross] {
                let (exchange, id) = opened(law, mode);
                let told = scope(&exchange, id, mode);
                let view = exchange.position(id, &key()).expect("a view");
                assert_eq!(view.maintenance_margin, told.maintenance_shown());
                let initial = Money::of(told.initial_margin().get().round_dp(8));
                assert_eq!(view.initial_margin, initial);
                assert_eq!(view.unrealized, told.unrealized());
                let held = told.maintenance();
                let wallets = exchange.wallets(id).expect("wallets");
                assert_eq!(wallets.maintenance, held);
            }
        }
    }

    #[test]
    fn a_bybit_wallet_holds_the_fee_of_the_way_out_and_nothing_extra() {
        let (exchange, id) = opened(Law::Bybit, MarginMode::Isolated);
        let told = scope(&exchange, id, MarginMode::Isolated);
        let held = &told.holdings[0];
        let gap = held.extra_margin.abs();
        assert!(gap < Money::of(dec!(0.0000001)), "{gap} from rounding");
        let value = held.exposure().value_at(held.entry);
        let stake = told.wallet.get() - value / dec!(20);
        let fee = value * dec!(0.95) * told.taker_fee.get();
        assert_eq!(stake.round_dp(6), fee.round_dp(6));
    }
}

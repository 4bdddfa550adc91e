//! The numbers of a book: of each position and of each cross wallet.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};

use super::book::{Backed, Book, PRICE_MIN, Slot};
use super::json::{Place, Wrong};
use crate::domain::{
    ContractKind, MarginMode, Money, PositionKey, Price, Rate, Side, Symbol, Tier,
};
use crate::margin::{
    CloseFee, Folded, Leg, Line, Ratio, ScopeMargin, Shock, ShownLine, TierBy, Venue,
};

/// Digits that are shown of a number: relative precision 1e-15.
const DIGITS: u32 = 16;

/// An exact number, shown with at most 16 significant digits and no exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) Decimal);

impl Number {
    pub(super) fn text(self) -> String {
        let rounded = self
            .0
            .round_sf_with_strategy(DIGITS, RoundingStrategy::MidpointAwayFromZero);
        rounded.unwrap_or(self.0).normalize().to_string()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.text())
    }
}

/// Everything that is answered.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) exchange: Venue,
    pub(super) margin_ratio_meaning: &'static str,
    /// Why the venue would not do what was asked; then there is no `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    #[serde(flatten)]
    pub(super) now: State,
    /// The state after what was asked with `--price`, `--add` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<After>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct After {
    #[serde(flatten)]
    pub(super) state: State,
    /// What isolated positions gave to the free balance; negative: what they took.
    pub(super) freed: Number,
}

#[derive(Debug, Serialize)]
pub(super) struct State {
    pub(super) account: Accounts,
    pub(super) positions: Vec<PositionAnswer>,
}

/// Cross wallets: none, one, or one for each settlement asset.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Accounts {
    None,
    One(Box<AccountAnswer>),
    Several(Vec<AccountAnswer>),
}

impl Accounts {
    pub(super) fn list(&self) -> &[AccountAnswer] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct AccountAnswer {
    pub(super) settlement_asset: Option<String>,
    pub(super) wallet_balance: Number,
    pub(super) equity: Number,
    pub(super) maintenance_margin: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) close_fee: Option<Number>,
    pub(super) initial_margin: Option<Number>,
    pub(super) margin_ratio: Option<Number>,
    pub(super) free_margin: Option<Number>,
    pub(super) removable_margin: Option<Number>,
    pub(super) shock_to_liquidation_pct: Span,
    pub(super) status: Status,
}

/// A move of all prices together that ends in liquidation, in percent of them.
#[derive(Debug, Serialize)]
pub(super) struct Span {
    pub(super) down: Option<Number>,
    pub(super) up: Option<Number>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Healthy,
    Liquidatable,
}

#[derive(Debug, Serialize)]
pub(super) struct PositionAnswer {
    pub(super) symbol: String,
    pub(super) side: Side,
    pub(super) margin_mode: MarginMode,
    pub(super) quantity: Number,
    pub(super) entry_price: Number,
    pub(super) mark_price: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) isolated_margin: Option<Number>,
    pub(super) liquidation_price: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) liquidation_price_shown: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) liquidation_price_after_funding: Option<Option<Number>>,
    pub(super) bankruptcy_price: Option<Number>,
    pub(super) maintenance_margin: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) close_fee: Option<Number>,
    pub(super) initial_margin: Option<Number>,
    pub(super) margin_ratio: Option<Number>,
    pub(super) distance_pct: Option<Number>,
    pub(super) tier: usize,
    pub(super) tier_at_liquidation: Option<usize>,
    pub(super) unrealized_pnl: Number,
    pub(super) equity: Number,
    pub(super) free_margin: Option<Number>,
    pub(super) removable_margin: Option<Number>,
    pub(super) status: Status,
    /// For people: what JSON readers look up themselves.
    #[serde(skip)]
    pub(super) more: More,
}

/// What the text says beside the numbers.
#[derive(Debug)]
pub(super) struct More {
    pub(super) stated: usize,
    pub(super) asset: Option<String>,
    pub(super) contract: ContractKind,
    pub(super) contract_size: Decimal,
    pub(super) leverage: Option<Decimal>,
    pub(super) tier: Tier,
    pub(super) tiers: usize,
    pub(super) falls_hurt: bool,
}

/// What the venue calls its ratio.
pub(super) fn ratio_meaning(venue: Venue) -> &'static str {
    let rules = venue.rules();
    match (rules.ratio, rules.close_fee) {
        (Ratio::DemandOverEquity, CloseFee::AtBankruptcy) => {
            "maintenance (with its close fee) over equity; rises with danger; liquidation at 1"
        }
        (Ratio::DemandOverEquity, CloseFee::None | CloseFee::AtMark) => {
            "maintenance over equity; rises with danger; liquidation at 1"
        }
        (Ratio::EquityOverDemand, _) => {
            "equity over maintenance and close fee; falls with danger; liquidation at 1"
        }
    }
}

/// What all legs of a scope have in common.
struct Common<'a> {
    backed: &'a Backed,
    folded: Folded<'a>,
    legs: BTreeMap<&'a PositionKey, &'a Leg>,
    healthy: bool,
    equity: Money,
    ratio: Option<Rate>,
    free: Option<Money>,
    removable: Option<Money>,
}

impl State {
    /// Computes every number of the book.
    ///
    /// # Errors
    /// [`Wrong`] when a position or its line lies beyond the end of its tiers.
    pub(super) fn of(book: &Book) -> Result<Self, Wrong> {
        let common: Vec<Common<'_>> = book.scopes.iter().map(Common::of).collect();
        let free: BTreeMap<&Option<String>, Money> = common
            .iter()
            .filter(|common| common.backed.margin.mode == MarginMode::Cross)
            .map(|common| (&common.backed.asset, common.free.unwrap_or_default()))
            .collect();
        let mut positions = Vec::with_capacity(book.slots.len());
        for slot in &book.slots {
            let Some(common) = common.get(slot.scope) else {
                continue;
            };
            if let Some(leg) = common.legs.get(&slot.key) {
                let asset = &common.backed.asset;
                let idle = || book.idle_for(asset.as_ref()).unwrap_or_default();
                let free = free.get(asset).copied().unwrap_or_else(idle);
                positions.push(position(common, leg, slot, free)?);
            }
        }
        let mut accounts: Vec<AccountAnswer> = common
            .iter()
            .filter(|common| common.backed.margin.mode == MarginMode::Cross)
            .map(account)
            .collect();
        let account = match (accounts.pop(), accounts.is_empty()) {
            (None, _) => Accounts::None,
            (Some(one), true) => Accounts::One(Box::new(one)),
            (Some(last), false) => {
                accounts.push(last);
                Accounts::Several(accounts)
            }
        };
        Ok(Self { account, positions })
    }
}

impl Book {
    /// A stated wallet that backs no cross position.
    pub(super) fn idle_for(&self, asset: Option<&String>) -> Option<Money> {
        let own = self.idle.get(&asset.cloned());
        own.or_else(|| self.idle.get(&None)).copied()
    }
}

impl<'a> Common<'a> {
    fn of(backed: &'a Backed) -> Self {
        let scope = &backed.margin;
        Self {
            backed,
            folded: Folded::of(scope),
            legs: scope.legs.iter().map(|leg| (&leg.key, leg)).collect(),
            healthy: scope.is_healthy(),
            equity: scope.equity(),
            ratio: scope.margin_ratio(),
            free: scope.free_margin(),
            removable: scope.removable_margin(),
        }
    }

    fn status(&self) -> Status {
        if self.healthy {
            Status::Healthy
        } else {
            Status::Liquidatable
        }
    }
}

fn account(common: &Common<'_>) -> AccountAnswer {
    let scope = &common.backed.margin;
    let reach = scope.reach(&Shock::market());
    let percent = |share: Option<Rate>| match common.status() {
        Status::Healthy => share.map(|share| Number(share.as_pct())),
        Status::Liquidatable => Some(Number(Decimal::ZERO)),
    };
    AccountAnswer {
        settlement_asset: common.backed.asset.clone(),
        wallet_balance: Number(scope.wallet.get()),
        equity: Number(common.equity.get()),
        maintenance_margin: Number(scope.maintenance().get()),
        close_fee: sets_fee_aside(scope).then(|| {
            let fees = scope
                .legs
                .iter()
                .map(|leg| scope.worth(leg, scope.leg_close_fee(leg, leg.mark)));
            Number(fees.sum::<Money>().get())
        }),
        initial_margin: scope.initial_margin().map(money),
        margin_ratio: common.ratio.map(|ratio| Number(ratio.get())),
        free_margin: common.free.map(money),
        removable_margin: common.removable.map(money),
        shock_to_liquidation_pct: Span {
            down: percent(reach.down),
            up: percent(reach.up),
        },
        status: common.status(),
    }
}

fn money(amount: Money) -> Number {
    Number(amount.get())
}

fn price(price: Price) -> Number {
    Number(price.get())
}

fn sets_fee_aside(scope: &ScopeMargin) -> bool {
    scope.rules.close_fee != CloseFee::None
}

fn position(
    common: &Common<'_>,
    leg: &Leg,
    slot: &Slot,
    free: Money,
) -> Result<PositionAnswer, Wrong> {
    let scope = &common.backed.margin;
    let symbol = &leg.key.symbol;
    let alone = common.folded.on(symbol);
    let line = line(&alone, symbol);
    let beyond = |at: Price, what: &str| {
        beyond_table(scope, leg, at).map_or(Ok(()), |end| {
            let what = format!("{symbol}: {what} {end}");
            Err(Place::position(slot.stated).key("tiers").wrong(what))
        })
    };
    beyond(leg.mark, "at its mark price the position")?;
    if let Some(line) = line {
        beyond(
            line.price,
            "its liquidation price cannot be known: there the position",
        )?;
    }
    let tier = scope.tier(leg, leg.notional(leg.mark));
    let after_funding = slot.funding.map(|rate| {
        let paid = alone.after_funding(symbol, rate, leg.mark, free).scope;
        self::line(&paid, symbol).map(|line| price(line.price))
    });
    let differs = scope.rules.shown_line != ShownLine::Exact && scope.mode == MarginMode::Isolated;
    let shown = line.filter(|_| differs);
    Ok(PositionAnswer {
        symbol: symbol.to_string(),
        side: leg.side,
        margin_mode: scope.mode,
        quantity: Number(leg.quantity.get()),
        entry_price: price(leg.entry),
        mark_price: price(leg.mark),
        isolated_margin: (scope.mode == MarginMode::Isolated).then(|| money(scope.wallet)),
        liquidation_price: line.map(|line| price(line.price)),
        liquidation_price_shown: shown
            .zip(slot.tick)
            .map(|(line, tick)| price(scope.shown_line(line, tick))),
        liquidation_price_after_funding: after_funding,
        bankruptcy_price: (alone.bankruptcy_price(symbol))
            .filter(|bust| bust.get() >= PRICE_MIN)
            .map(price),
        maintenance_margin: money(scope.leg_maintenance(leg, leg.mark)),
        close_fee: sets_fee_aside(scope).then(|| money(scope.leg_close_fee(leg, leg.mark))),
        initial_margin: scope.leg_initial_margin(leg).map(money),
        margin_ratio: common.ratio.map(|ratio| Number(ratio.get())),
        distance_pct: line.and_then(|line| distance(line, leg.mark, common.healthy)),
        tier: place_of(leg, tier),
        tier_at_liquidation: line
            .map(|line| place_of(leg, scope.tier(leg, leg.notional(line.price)))),
        unrealized_pnl: money(leg.profit(leg.mark)),
        equity: money(common.equity),
        free_margin: common.free.map(money),
        removable_margin: common.removable.map(money),
        status: common.status(),
        more: More {
            stated: slot.stated,
            asset: common.backed.asset.clone(),
            contract: leg.contract,
            contract_size: leg.contract_size,
            leverage: leg.leverage.map(crate::domain::Leverage::get),
            tier: tier.clone(),
            tiers: leg.tiers.tiers().len(),
            falls_hurt: line.map_or(leg.side == Side::Long, |line| line.falls_hurt),
        },
    })
}

/// The line of `symbol`; a price of nothing is none.
fn line(alone: &ScopeMargin, symbol: &Symbol) -> Option<Line> {
    alone
        .line(symbol)
        .filter(|line| line.price.get() >= PRICE_MIN)
}

/// Way to the line in percent of mark; below zero where it has been crossed.
fn distance(line: Line, mark: Price, healthy: bool) -> Option<Number> {
    let gap = (line.price.get() - mark.get()).abs();
    let share = gap.checked_div(mark.get())?;
    let percent = share.saturating_mul(Decimal::ONE_HUNDRED);
    Some(Number(if healthy { percent } else { -percent }))
}

fn place_of(leg: &Leg, tier: &Tier) -> usize {
    let tiers = leg.tiers.tiers();
    tiers
        .iter()
        .take_while(|other| other.floor < tier.floor)
        .count()
        + 1
}

/// Where the tiers end, if the position at price `at` is larger than that.
fn beyond_table(scope: &ScopeMargin, leg: &Leg, at: Price) -> Option<String> {
    let end = leg.tiers.tiers().last()?.cap?;
    let (size, unit) = match scope.rules.tier_by {
        TierBy::Value => (leg.notional(at), "is worth"),
        TierBy::Contracts => (counted(scope, leg), "and its family count"),
    };
    (size > end).then(|| {
        format!(
            "{unit} {}, and its risk tiers end at {}; give the further tiers, or a last one without a cap",
            Number(size.get()).text(),
            Number(end.get()).text()
        )
    })
}

/// Contracts that choose the tier.
fn counted(scope: &ScopeMargin, leg: &Leg) -> Money {
    let family = leg
        .family
        .as_ref()
        .filter(|_| scope.mode == MarginMode::Cross);
    let Some(family) = family else {
        return Money::of(leg.quantity.get());
    };
    let members = scope
        .legs
        .iter()
        .filter(|other| other.family.as_ref() == Some(family));
    members.map(|other| Money::of(other.quantity.get())).sum()
}

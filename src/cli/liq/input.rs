//! An account from a JSON file or standard input.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::super::exit::UsageError;
use super::account::{Account, Stated};
use super::json::{self, Object, Place, Wrong};
use crate::domain::{
    ContractKind, Leverage, MarginMode, Money, Quantity, Rate, Side, Symbol, Tier, TierError,
    TierTable,
};
use crate::margin::{Collateral, Discount, DiscountStep, Venue};

/// Longest input, in bytes.
const INPUT_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// Most positions in one account.
const POSITIONS_MAX: usize = 10_000;
/// Most tiers of one position.
const TIERS_MAX: usize = 200;
/// Most other assets, and most wallets.
const ASSETS_MAX: usize = 500;
/// Most steps of one discount.
const STEPS_MAX: usize = 100;
/// A taker fee above this is a percentage that was written as a fraction.
const TAKER_FEE_MAX: Decimal = Decimal::from_parts(2, 0, 0, false, 2);
/// Highest leverage where a tier does not say one; it enters no formula.
const LEVERAGE_UNSAID: u32 = 1_000;

const ACCOUNT_KEYS: &[&str] = &[
    "exchange",
    "wallet_balance",
    "wallets",
    "taker_fee_rate",
    "position_mode",
    "account_mode",
    "collateral",
    "reserved",
    "other_maintenance",
    "positions",
];
const POSITION_KEYS: &[&str] = &[
    "symbol",
    "contract",
    "margin_mode",
    "side",
    "quantity",
    "contract_size",
    "entry_price",
    "mark_price",
    "isolated_margin",
    "leverage",
    "tiers",
    "family",
    "settle_asset",
    "tick_size",
    "funding_rate",
];
const TIER_KEYS: &[&str] = &[
    "floor",
    "cap",
    "maintenance_rate",
    "deduction",
    "max_leverage",
];
const ASSET_KEYS: &[&str] = &[
    "asset",
    "amount",
    "price",
    "ratio",
    "steps",
    "debt_factor",
    "follows",
];
const STEP_KEYS: &[&str] = &["cap", "rate"];

/// Names of other programs and of the venues' own answers.
const MEANT: &[(&str, &str)] = &[
    ("venue", "exchange"),
    ("balance", "wallet_balance"),
    ("wallet", "wallet_balance"),
    ("crossWalletBalance", "wallet_balance"),
    ("fee", "taker_fee_rate"),
    ("takerFee", "taker_fee_rate"),
    ("hedge", "position_mode"),
    ("instId", "symbol"),
    ("coin", "symbol"),
    ("pair", "symbol"),
    ("type", "contract"),
    ("contract_type", "contract"),
    ("mode", "margin_mode"),
    ("mgnMode", "margin_mode"),
    ("margin_type", "margin_mode"),
    ("direction", "side"),
    ("position_side", "side"),
    ("posSide", "side"),
    ("size", "quantity"),
    ("sz", "quantity"),
    ("szi", "quantity"),
    ("qty", "quantity"),
    ("pos", "quantity"),
    ("contracts", "quantity"),
    ("position_amt", "quantity"),
    ("ctVal", "contract_size"),
    ("entry", "entry_price"),
    ("avgPx", "entry_price"),
    ("avgPrice", "entry_price"),
    ("entryPx", "entry_price"),
    ("mark", "mark_price"),
    ("markPx", "mark_price"),
    ("price", "mark_price"),
    ("margin", "isolated_margin"),
    ("collateral", "isolated_margin"),
    ("isolated_wallet", "isolated_margin"),
    ("lever", "leverage"),
    ("brackets", "tiers"),
    ("tick", "tick_size"),
    ("tickSz", "tick_size"),
    ("settle", "settle_asset"),
    ("margin_asset", "settle_asset"),
    ("min", "floor"),
    ("minSz", "floor"),
    ("notional_floor", "floor"),
    ("max", "cap"),
    ("maxSz", "cap"),
    ("notional_cap", "cap"),
    ("riskLimitValue", "cap"),
    ("mmr", "maintenance_rate"),
    ("maint_margin_ratio", "maintenance_rate"),
    ("maintenance_margin_rate", "maintenance_rate"),
    ("cum", "deduction"),
    ("mmDeduction", "deduction"),
    ("initial_leverage", "max_leverage"),
    ("coin", "asset"),
    ("ccy", "asset"),
    ("haircut", "ratio"),
    ("discount", "ratio"),
];

/// The text of an input and how messages call it.
pub(super) struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Reads a file; `-` is standard input.
    pub(super) fn read(path: &Path) -> Result<Self, UsageError> {
        let name = if path == Path::new("-") {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let mut bytes = Vec::new();
        let read = if path == Path::new("-") {
            io::stdin()
                .lock()
                .take(INPUT_BYTES_MAX + 1)
                .read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| file.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes))
        };
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(UsageError::no_input(format!(
                    "{name}: there is no such file; `--input -` reads standard input"
                )));
            }
            Err(error) => {
                return Err(UsageError::no_input(format!(
                    "{name} cannot be read: {error}"
                )));
            }
        }
        if bytes.len() as u64 > INPUT_BYTES_MAX {
            return Err(UsageError::bad_input(format!(
                "{name} is longer than {} MB; split the account",
                INPUT_BYTES_MAX / 1_024 / 1_024
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            UsageError::bad_input(format!(
                "{name} is not UTF-8 text: byte {} does not fit; save it as UTF-8",
                at + 1
            ))
        })?;
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        if text.trim().is_empty() {
            return Err(UsageError::bad_input(format!(
                "{name} is empty; it must hold one JSON object (see `plimsoll liq --help`)"
            )));
        }
        Ok(Self { name, text })
    }

    /// A text that is at hand.
    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self {
            name: "a test".to_owned(),
            text: text.to_owned(),
        }
    }

    /// The account that the text states.
    pub(super) fn account(&self) -> Result<Account, UsageError> {
        let raw: &RawValue = serde_json::from_str(&self.text).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            UsageError::bad_input(format!(
                "{}:{}:{}: this is not JSON: {reason}",
                self.name,
                error.line(),
                error.column()
            ))
        })?;
        account(raw).map_err(|wrong| self.complain(&wrong))
    }

    /// The complaint with file, line, column and key path.
    pub(super) fn complain(&self, wrong: &Wrong) -> UsageError {
        let spot = wrong.place.locate(&self.text);
        let spot = spot.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
        let place = wrong.place.to_string();
        let gap = if place.is_empty() { "the input" } else { "" };
        UsageError::bad_input(
            format!("{}{spot}: {gap}{place}: {}", self.name, wrong.what)
                .replace(": the input: ", ": the input "),
        )
    }
}

fn account(raw: &RawValue) -> Result<Account, Wrong> {
    let top = Object::read(raw, Place::default(), ACCOUNT_KEYS, MEANT)?;
    let name = top.text("exchange")?.ok_or_else(|| {
        let fix = format!("write one of {}", Venue::names());
        top.at("exchange").wrong(json::missing(&fix))
    })?;
    let venue: Venue = name.parse().map_err(|error: crate::margin::UnknownVenue| {
        top.at("exchange").wrong(error.to_string())
    })?;
    let hedge = top.word("position_mode", &[("one-way", false), ("hedge", true)])?;
    let stated = top.list("positions", POSITIONS_MAX)?.ok_or_else(|| {
        let fix = "write \"positions\": [{\"symbol\": …}]";
        top.at("positions").wrong(json::missing(fix))
    })?;
    let mut positions = Vec::with_capacity(stated.len());
    for (index, raw) in stated.into_iter().enumerate() {
        positions.push(position(raw, Place::position(index), venue)?);
    }
    if positions.is_empty() {
        return Err(top
            .at("positions")
            .wrong("is empty; there is nothing to compute"));
    }
    let mut collateral = Vec::new();
    for (index, raw) in top
        .list("collateral", ASSETS_MAX)?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        collateral.push(asset(raw, top.at("collateral").index(index))?);
    }
    Ok(Account {
        venue,
        wallet: top.number("wallet_balance")?,
        wallets: wallets(&top)?,
        taker_fee: taker_fee(&top)?,
        hedge: hedge.unwrap_or(false),
        mode: top.text("account_mode")?,
        collateral,
        reserved: not_negative(&top, "reserved")?.unwrap_or_default(),
        other_maintenance: not_negative(&top, "other_maintenance")?.unwrap_or_default(),
        positions,
        opens_with_initial_margin: false,
    })
}

fn wallets(top: &Object<'_>) -> Result<Vec<(String, Money)>, Wrong> {
    let place = top.at("wallets");
    let Some(raw) = top.get("wallets") else {
        return Ok(Vec::new());
    };
    let entries = Object::open(raw, place.clone())?;
    if entries.len() > ASSETS_MAX {
        return Err(place.wrong(format!("has more than {ASSETS_MAX} entries")));
    }
    let mut wallets: Vec<(String, Money)> = Vec::with_capacity(entries.len());
    for (asset, raw) in entries {
        let place = place.key(&asset);
        let amount = json::number(raw).map_err(|what| place.clone().wrong(what))?;
        if wallets.iter().any(|(name, _)| *name == asset) {
            return Err(place.wrong("stands here twice; keep one of the two"));
        }
        wallets.push((asset, amount));
    }
    Ok(wallets)
}

fn taker_fee(top: &Object<'_>) -> Result<Option<Rate>, Wrong> {
    let fee: Option<Rate> = top.number("taker_fee_rate")?;
    match fee {
        Some(fee) => check_taker_fee(fee)
            .map(Some)
            .map_err(|what| top.at("taker_fee_rate").wrong(what)),
        None => Ok(None),
    }
}

/// A fee that no venue takes is a mistake of units.
pub(super) fn check_taker_fee(fee: Rate) -> Result<Rate, String> {
    if fee.is_negative() {
        Err("is negative; write what you pay as a positive fraction".to_owned())
    } else if fee.get() > TAKER_FEE_MAX {
        Err(format!(
            "means {} %, which no exchange takes; 0.05 % is written 0.0005",
            fee.as_pct().normalize()
        ))
    } else {
        Ok(fee)
    }
}

fn not_negative(object: &Object<'_>, key: &str) -> Result<Option<Money>, Wrong> {
    let amount: Option<Money> = object.number(key)?;
    match amount {
        Some(amount) if amount.is_negative() => {
            Err(object.at(key).wrong("is negative; it must be 0 or more"))
        }
        amount => Ok(amount),
    }
}

fn positive(object: &Object<'_>, key: &str) -> Result<Option<Decimal>, Wrong> {
    let number: Option<Quantity> = object.number(key)?;
    match number {
        Some(number) if !number.is_positive() => Err(object.at(key).wrong("must be above 0")),
        number => Ok(number.map(Quantity::get)),
    }
}

fn position(raw: &RawValue, place: Place, venue: Venue) -> Result<Stated, Wrong> {
    let object = Object::read(raw, place, POSITION_KEYS, MEANT)?;
    let lacks = |key: &str, fix: &str| object.at(key).wrong(json::missing(fix));
    let side = object.word("side", &[("long", Side::Long), ("short", Side::Short)])?;
    let side = side.ok_or_else(|| lacks("side", "write \"long\" or \"short\""))?;
    let quantity: Quantity = object.needed("quantity", "write the size in contracts")?;
    if quantity.is_negative() {
        let what = "is negative; write the size without a sign and the direction in \"side\"";
        return Err(object.at("quantity").wrong(what));
    }
    if quantity.is_zero() {
        return Err(object
            .at("quantity")
            .wrong("is 0; leave closed positions out"));
    }
    let modes = [
        ("isolated", MarginMode::Isolated),
        ("cross", MarginMode::Cross),
    ];
    let margin_mode = object.word("margin_mode", &modes)?;
    let kinds = [
        ("linear", ContractKind::Linear),
        ("inverse", ContractKind::Inverse),
    ];
    let symbol = object.text("symbol")?;
    Ok(Stated {
        symbol: symbol.ok_or_else(|| lacks("symbol", "write the contract's name"))?,
        contract: object.word("contract", &kinds)?,
        margin_mode: margin_mode
            .ok_or_else(|| lacks("margin_mode", "write \"isolated\" or \"cross\""))?,
        side,
        quantity,
        contract_size: positive(&object, "contract_size")?,
        entry: object.needed("entry_price", "write the average price of the position")?,
        mark: object.number("mark_price")?,
        margin: object.number("isolated_margin")?,
        leverage: leverage(&object)?,
        tiers: tiers(&object, venue)?,
        family: object.text("family")?,
        settle: object.text("settle_asset")?,
        tick: positive(&object, "tick_size")?,
        funding: object.number("funding_rate")?,
    })
}

fn leverage(object: &Object<'_>) -> Result<Option<Leverage>, Wrong> {
    let leverage: Option<Leverage> = object.number("leverage")?;
    match leverage {
        Some(leverage) if leverage < 1.into() => {
            Err(object.at("leverage").wrong("must be 1 or more: 20 for 20x"))
        }
        leverage => Ok(leverage),
    }
}

fn tiers(position: &Object<'_>, venue: Venue) -> Result<Option<TierTable>, Wrong> {
    let Some(rows) = position.list("tiers", TIERS_MAX)? else {
        return Ok(None);
    };
    let place = position.at("tiers");
    let mut tiers: Vec<Tier> = Vec::with_capacity(rows.len());
    for (index, raw) in rows.into_iter().enumerate() {
        let row = Object::read(raw, place.index(index), TIER_KEYS, MEANT)?;
        let tier = tier(&row, tiers.last(), venue)?;
        tiers.push(tier);
    }
    TierTable::new(tiers).map(Some).map_err(|error| match error {
        TierError::Empty => place.wrong("is empty; leave it out to use the built-in table"),
        TierError::Gap { index } => place.index(index).key("floor").wrong(
            "does not start where the tier before it ends; list the tiers from 0 upwards without gaps",
        ),
        TierError::Rate { index } => place.index(index).key("maintenance_rate").wrong(
            "must be a fraction from 0 to below 1 (0.4 % is 0.004), and not below that of the tier before",
        ),
    })
}

fn tier(row: &Object<'_>, before: Option<&Tier>, venue: Venue) -> Result<Tier, Wrong> {
    let edge = match before {
        None => Money::ZERO,
        Some(before) => before.cap.ok_or_else(|| {
            let what = "follows a tier without a cap; only the last tier may be open";
            row.place.clone().wrong(what)
        })?,
    };
    let floor: Money = row.number("floor")?.unwrap_or(edge);
    // The smallest number of contracts in a tier is one more than the largest of the one before.
    let counts_on = venue == Venue::Okx && floor > edge && (floor - edge).get() <= Decimal::ONE;
    let floor = if counts_on { edge } else { floor };
    if floor != edge {
        let what = format!(
            "starts at {floor}, but the tier before it ends at {edge}; list the tiers from 0 upwards without gaps"
        );
        return Err(row.at("floor").wrong(what));
    }
    let cap: Option<Money> = row.number("cap")?;
    if cap.is_some_and(|cap| cap <= floor) {
        return Err(row
            .at("cap")
            .wrong(format!("must be above the floor, {floor}")));
    }
    let rate: Rate = row.needed("maintenance_rate", "write it as a fraction: 0.4 % is 0.004")?;
    let deduction = match (not_negative(row, "deduction")?, before) {
        (Some(deduction), _) => deduction,
        (None, Some(before)) if venue != Venue::Okx => {
            before.deduction + floor * (rate - before.maintenance_rate)
        }
        (None, Some(_) | None) => Money::ZERO,
    };
    let max_leverage: Option<Leverage> = row.number("max_leverage")?;
    Ok(Tier {
        floor,
        cap,
        maintenance_rate: rate,
        deduction,
        max_leverage: max_leverage.unwrap_or_else(|| LEVERAGE_UNSAID.into()),
    })
}

fn asset(raw: &RawValue, place: Place) -> Result<Collateral, Wrong> {
    let object = Object::read(raw, place, ASSET_KEYS, MEANT)?;
    let lacks = |key: &str, fix: &str| object.at(key).wrong(json::missing(fix));
    let name = object.text("asset")?;
    let debt: Option<Rate> = object.number("debt_factor")?;
    if debt.is_some_and(|debt| debt < Rate::ONE || debt.get() > Decimal::TEN) {
        let what = "must be from 1 to 10: what one unit owed costs, as a multiple of its price";
        return Err(object.at("debt_factor").wrong(what));
    }
    let steps = match (share(&object, "ratio")?, object.list("steps", STEPS_MAX)?) {
        (Some(_), Some(_)) => {
            let what = "stands beside \"ratio\"; keep one of the two";
            return Err(object.at("steps").wrong(what));
        }
        (ratio, None) => vec![DiscountStep {
            cap: None,
            rate: ratio.unwrap_or(Rate::ONE),
        }],
        (None, Some(rows)) => steps(&object, rows)?,
    };
    let follows = object.text("follows")?;
    Ok(Collateral {
        asset: Symbol::new(&name.ok_or_else(|| lacks("asset", "write its name, such as \"BTC\""))?),
        amount: object.needed("amount", "write the amount held, negative when owed")?,
        price: object.needed(
            "price",
            "write the value of one unit in the unit of the wallet",
        )?,
        follows: follows.map(|symbol| Symbol::new(&symbol)),
        discount: Discount {
            steps,
            debt: debt.unwrap_or(Rate::ONE),
        },
    })
}

fn steps(asset: &Object<'_>, rows: Vec<&RawValue>) -> Result<Vec<DiscountStep>, Wrong> {
    let mut steps: Vec<DiscountStep> = Vec::with_capacity(rows.len());
    let place = asset.at("steps");
    for (index, raw) in rows.into_iter().enumerate() {
        let row = Object::read(raw, place.index(index), STEP_KEYS, MEANT)?;
        let cap = not_negative(&row, "cap")?;
        let rises = match steps.last().map(|step| step.cap) {
            None => true,
            Some(Some(before)) => cap.is_none_or(|cap| cap > before),
            Some(None) => false,
        };
        if !rises {
            let what = "must be above that of the step before it; only the last step may be open";
            return Err(row.at("cap").wrong(what));
        }
        let rate = share(&row, "rate")?;
        let rate = rate.ok_or_else(|| {
            row.at("rate")
                .wrong(json::missing("write it as a fraction of 1"))
        })?;
        steps.push(DiscountStep { cap, rate });
    }
    if steps.is_empty() {
        return Err(place.wrong("is empty; write \"ratio\" instead"));
    }
    Ok(steps)
}

fn share(object: &Object<'_>, key: &str) -> Result<Option<Rate>, Wrong> {
    let share: Option<Rate> = object.number(key)?;
    match share {
        Some(share) if share.is_negative() || share > Rate::ONE => {
            let what = "must be a fraction from 0 to 1: 95 % is 0.95";
            Err(object.at(key).wrong(what))
        }
        share => Ok(share),
    }
}

//! Every recorded position that carries enough fields, recomputed. What a recording does not tell and
//! its other numbers do (rate, fee, contract size) stands in [`TOLD`] with the reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use plimsoll::domain::{Leverage, Money, Price, Side};
use plimsoll::margin::{Leg, ScopeMargin, Venue};
use rust_decimal::{Decimal, dec};
use serde_json::Value;

use crate::evidence::{Check, Field, Origin, Place, Unfit, is_documented, judge, table};
use crate::shared::shared;
use crate::world::{Cross, Isolated, Long, Short, flat, inverse, linear, scope, with_fee};

/// Keys that betray a position: a file with one of them must have a reader.
const BETRAYING: &[&str] = &[
    "liquidationPrice",
    "liqPrice",
    "liqPx",
    "liquidationPx",
    "positionAmt",
    "szi",
    "positionMM",
    "isolatedWallet",
    "iw",
    "posId",
];

/// What a recording does not tell itself.
struct Told {
    file: &'static str,
    rate: Decimal,
    fee: Decimal,
    tick: Decimal,
    /// Of one contract.
    size: Decimal,
}

/// Rates and fees here are inferred from the recording's own numbers, sizes and ticks are the
/// contract's.
const TOLD: &[Told] = &[
    // Rate and fee from `mgnRatio` and `mmr`; 10 USD a contract.
    Told {
        file: "api-v5-account-positions__jkorf.json",
        rate: dec!(0.008),
        fee: dec!(0.0005),
        tick: dec!(0.01),
        size: dec!(10),
    },
    // An account in multi-currency mode; rate from `mmr` and `notionalUsd`.
    Told {
        file: "ws-Balance.3__jkorf.json",
        rate: dec!(0.004),
        fee: dec!(0.0005),
        tick: dec!(0.1),
        size: dec!(1),
    },
    // Rate from the difference of the two margins, fee from what is left.
    Told {
        file: "v5-position-list.uta-cross-long__ccxt.json",
        rate: dec!(0.01),
        fee: dec!(0.00055),
        tick: dec!(0.01),
        size: dec!(1),
    },
    Told {
        file: "ws-position__gct.json",
        rate: dec!(0.01),
        fee: dec!(0.0006),
        tick: dec!(0.0001),
        size: dec!(1),
    },
    // Zero margins in the sample: these two are the usual ones of that contract.
    Told {
        file: "v5-position-list.open-time__nautilus.json",
        rate: dec!(0.01),
        fee: dec!(0.00055),
        tick: dec!(0.01),
        size: dec!(1),
    },
    Told {
        file: "v5-position-list__jkorf.json",
        rate: dec!(0.005),
        fee: dec!(0.00055),
        tick: dec!(0.5),
        size: dec!(1),
    },
    // Highest leverage not printed in 2023: 50 (1 %) is what its prices imply.
    Told {
        file: "info-clearinghouseState__hlsdk.json",
        rate: dec!(0.01),
        fee: dec!(0),
        tick: dec!(0.0001),
        size: dec!(1),
    },
];

const OLD_HYPERLIQUID: &str = "in 2023 the displayed price held maintenance at its value at mark: mark - side (equity - 1 % of all values) / size";
const BEFORE_MARK: &str = "of before 2025-09: value at entry, not at mark";
const EDITED: &str = "documentation sample: the numbers do not belong to each other";

const UNFIT: &[Unfit] = &[
    Unfit {
        source: "ws-user-account-update__nautilus.json",
        symbol: "BTCUSDT",
        field: Field::Profit,
        theirs: dec!(-1423.15600),
        ours: dec!(-1423.10600),
        reason: EDITED,
    },
    Unfit {
        source: "v5-position-list.open-time__nautilus.json",
        symbol: "LTCUSDT",
        field: Field::Initial,
        theirs: dec!(0),
        ours: dec!(7.03465),
        reason: EDITED,
    },
    Unfit {
        source: "v5-position-list.open-time__nautilus.json",
        symbol: "LTCUSDT",
        field: Field::Maintenance,
        theirs: dec!(0),
        ours: dec!(0.73465),
        reason: EDITED,
    },
    Unfit {
        source: "v5-position-list.uta-cross-long__ccxt.json",
        symbol: "LTCUSDT",
        field: Field::Initial,
        theirs: dec!(12.95542633),
        ours: dec!(14.25552971),
        reason: BEFORE_MARK,
    },
    Unfit {
        source: "v5-position-list.uta-cross-long__ccxt.json",
        symbol: "LTCUSDT",
        field: Field::Maintenance,
        theirs: dec!(0.81072399),
        ours: dec!(0.88872971),
        reason: BEFORE_MARK,
    },
    Unfit {
        source: "v5-position-list__jkorf.json",
        symbol: "BTCUSD",
        field: Field::Initial,
        theirs: dec!(0.00010923),
        ours: dec!(0.00106831),
        reason: EDITED,
    },
    Unfit {
        source: "v5-position-list__jkorf.json",
        symbol: "BTCUSD",
        field: Field::Maintenance,
        theirs: dec!(0.0000015),
        ours: dec!(0.0000585523),
        reason: EDITED,
    },
    Unfit {
        source: "ws-position__gct.json",
        symbol: "XRPUSDT",
        field: Field::Initial,
        theirs: dec!(2.72589075),
        ours: dec!(2.54514075),
        reason: BEFORE_MARK,
    },
    Unfit {
        source: "ws-position__gct.json",
        symbol: "XRPUSDT",
        field: Field::Maintenance,
        theirs: dec!(0.28576575),
        ours: dec!(0.26769075),
        reason: BEFORE_MARK,
    },
    Unfit {
        source: "api-v5-account-positions__jkorf.json",
        symbol: "ETH-USD-210430",
        field: Field::Ratio,
        theirs: dec!(11.731726509588816),
        ours: dec!(1.0508977527),
        reason: EDITED,
    },
    Unfit {
        source: "api-v5-account-positions__jkorf.json",
        symbol: "ETH-USD-210430",
        field: Field::Profit,
        theirs: dec!(-0.0000009932766034),
        ours: dec!(-0.0003517154981709),
        reason: EDITED,
    },
    Unfit {
        source: "api-v5-account-positions__jkorf.json",
        symbol: "ETH-USD-210430",
        field: Field::Maintenance,
        theirs: dec!(0.0000311811092368),
        ours: dec!(0.0000339868870093),
        reason: EDITED,
    },
    Unfit {
        source: "info-clearinghouseState.cross-short-and-long__ccxt.json",
        symbol: "account",
        field: Field::Free,
        theirs: dec!(11292.922399),
        ours: dec!(11329.807934),
        reason: "36.885535 less than equity above initial margin: probably open orders, which this response does not show",
    },
    Unfit {
        source: "info-clearinghouseState__hlsdk.json",
        symbol: "BTC",
        field: Field::Line,
        theirs: dec!(173198.69592357),
        ours: dec!(171750.79988144),
        reason: OLD_HYPERLIQUID,
    },
    Unfit {
        source: "info-clearinghouseState__hlsdk.json",
        symbol: "ATOM",
        field: Field::Line,
        theirs: dec!(2561.83187333),
        ours: dec!(2536.57413127),
        reason: OLD_HYPERLIQUID,
    },
    Unfit {
        source: "info-clearinghouseState__hlsdk.json",
        symbol: "DYDX",
        field: Field::Line,
        theirs: dec!(11.841653),
        ours: dec!(11.747874),
        reason: OLD_HYPERLIQUID,
    },
    Unfit {
        source: "info-clearinghouseState__hlsdk.json",
        symbol: "APE",
        field: Field::Line,
        theirs: dec!(12.57589638),
        ours: dec!(12.48965978),
        reason: OLD_HYPERLIQUID,
    },
    Unfit {
        source: "info-clearinghouseState__hlsdk.json",
        symbol: "OP",
        field: Field::Line,
        theirs: dec!(17.0707113),
        ours: dec!(16.9219419),
        reason: OLD_HYPERLIQUID,
    },
];

/// One file and where it came from.
struct File {
    name: String,
    venue: &'static str,
    origin: Origin,
    json: Value,
}

/// What became of the files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Recomputed.
    used: usize,
    /// Positions that are flat or give nothing to compare.
    empty: usize,
    /// No position in it.
    other: usize,
}

fn files(folder: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for venue in [
        "binance-usdm",
        "binance-coinm",
        "bybit",
        "okx",
        "hyperliquid",
    ] {
        let folder = folder.join(venue);
        let index = std::fs::read_to_string(folder.join("index.tsv")).expect("an index");
        for line in index.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let text = std::fs::read_to_string(folder.join(columns[0])).expect("a listed file");
            files.push(File {
                name: columns[0].to_owned(),
                venue,
                origin: if columns[5].starts_with("live recording") {
                    Origin::Recording
                } else {
                    Origin::Library
                },
                json: serde_json::from_str(&text).expect("JSON"),
            });
        }
    }
    files
}

impl File {
    fn told(&self) -> &'static Told {
        TOLD.iter()
            .find(|told| told.file == self.name)
            .unwrap_or_else(|| panic!("{} needs a row in TOLD", self.name))
    }

    fn place(&self, scope: &ScopeMargin, leg: &Leg) -> Place {
        Place {
            venue: scope.rules.venue,
            mode: scope.mode,
            contract: leg.contract,
            origin: self.origin,
            source: self.name.clone(),
            symbol: leg.key.symbol.as_str().to_owned(),
        }
    }

    /// `None`: no reader, so there must be no position.
    fn checks(&self) -> Option<Vec<Check>> {
        let begins = |with: &str| self.name.starts_with(with);
        match self.venue {
            "binance-usdm" if begins("fapi-v3-positionRisk") => Some(self.binance_risk()),
            "binance-usdm" if begins("fapi-v2-account") => Some(self.binance_account()),
            "binance-usdm" if begins("ws-user-account-update") => Some(self.binance_update()),
            "bybit" if begins("v5-position-list") => {
                Some(self.bybit(&self.json["result"]["list"], "avgPrice"))
            }
            "bybit" if begins("ws-position") || begins("ws-Position.2") => {
                Some(self.bybit(&self.json["data"], "entryPrice"))
            }
            "okx" if begins("api-v5-account-positions") => Some(self.okx()),
            "okx" if begins("api-v5-account-account-position-risk") => Some(self.okx_risk()),
            "okx" if begins("ws-Balance.3") => Some(self.okx_account()),
            "hyperliquid" if begins("info-clearinghouseState") => Some(self.hyperliquid()),
            _ => None,
        }
    }

    /// The wallet of a cross position is not in this response: its price proves nothing here.
    fn binance_risk(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for row in list(&self.json) {
            let signed = number(&row["positionAmt"]);
            if signed.is_zero() {
                continue;
            }
            assert_eq!(text(&row["marginType"]), "cross", "isolated needs a reader");
            let leg = linear(
                text(&row["symbol"]),
                side(signed),
                signed.abs(),
                number(&row["entryPrice"]),
                &flat(dec!(0.004), dec!(0)),
            );
            let scope = marked(
                scope(Venue::BinanceUsdm, Cross, Decimal::ZERO, vec![leg]),
                number(&row["markPrice"]),
            );
            let leg = &scope.legs[0];
            let place = self.place(&scope, leg);
            let profit = scope.unrealized().get();
            let value = leg.notional(leg.mark).get() * sign(leg.side);
            // Printed to eight places, cut off.
            let last = dec!(0.00000001);
            checks.push(place.within(
                Field::Profit,
                Some(profit),
                number(&row["unRealizedProfit"]),
                last,
            ));
            checks.push(place.within(Field::Value, Some(value), number(&row["notional"]), last));
        }
        checks
    }

    /// Only flat positions are on record.
    fn binance_account(&self) -> Vec<Check> {
        for row in list(&self.json["positions"]) {
            assert!(number(&row["positionAmt"]).is_zero(), "needs a reader");
        }
        Vec::new()
    }

    /// The frame has no mark. The profit of the long names one; the short must agree with it.
    fn binance_update(&self) -> Vec<Check> {
        let rows = list(&self.json["a"]["P"]);
        let find = |side: &str| rows.iter().find(|row| text(&row["ps"]) == side);
        let (Some(long), Some(short)) = (find("LONG"), find("SHORT")) else {
            return Vec::new();
        };
        let mark = number(&long["ep"]) + number(&long["up"]) / number(&long["pa"]);
        let leg = linear(
            "BTCUSDT",
            Short,
            number(&short["pa"]).abs(),
            number(&short["ep"]),
            &flat(dec!(0.004), dec!(0)),
        );
        let wallet = number(&short["iw"]);
        let scope = marked(scope(Venue::BinanceUsdm, Isolated, wallet, vec![leg]), mark);
        let place = self.place(&scope, &scope.legs[0]);
        vec![place.check(
            Field::Profit,
            Some(scope.unrealized().get()),
            number(&short["up"]),
        )]
    }

    /// An empty price means not told in cross mode, so it is not compared.
    fn bybit(&self, rows: &Value, entry: &str) -> Vec<Check> {
        let mut checks = Vec::new();
        for row in list(rows) {
            let size = number(&row["size"]);
            if size.is_zero() {
                continue;
            }
            let told = self.told();
            let side = if text(&row["side"]) == "Buy" {
                Long
            } else {
                Short
            };
            let (name, entry) = (text(&row["symbol"]), number(&row[entry]));
            let tiers = flat(told.rate, dec!(0));
            let mut leg = if name.ends_with("USDT") {
                linear(name, side, size, entry, &tiers)
            } else {
                inverse(name, side, (size, told.size), entry, &tiers)
            };
            leg.leverage = Some(Leverage::of(number(&row["leverage"])));
            assert_eq!(row["tradeMode"], 0, "isolated needs a reader");
            let scope = scope(Venue::Bybit, Cross, dec!(100), vec![leg]);
            let scope = marked(with_fee(scope, told.fee), number(&row["markPrice"]));
            let place = self.place(&scope, &scope.legs[0]);
            let initial = scope.initial_margin().map(Money::get);
            let maintenance = Some(scope.maintenance().get());
            let last = dec!(0.000000005);
            checks.push(place.check(Field::Initial, initial, number(&row["positionIM"])));
            checks.push(place.check(Field::Maintenance, maintenance, number(&row["positionMM"])));
            checks.push(place.within(
                Field::Profit,
                Some(scope.unrealized().get()),
                number(&row["unrealisedPnl"]),
                last,
            ));
        }
        checks
    }

    fn okx(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for row in list(&self.json["data"]) {
            let scope = self.okx_scope(row);
            let place = self.place(&scope, &scope.legs[0]);
            let symbol = &scope.legs[0].key.symbol;
            let shown = scope.line(symbol).map(|line| {
                let tick = self.told().tick;
                scope.shown_line(line, tick).get()
            });
            let ratio = scope.margin_ratio().map(|rate| rate.get());
            checks.extend([
                place.check(Field::Line, shown, number(&row["liqPx"])),
                place.check(Field::Ratio, ratio, number(&row["mgnRatio"])),
                place.check(
                    Field::Profit,
                    Some(scope.unrealized().get()),
                    number(&row["upl"]),
                ),
                place.check(
                    Field::Maintenance,
                    Some(scope.maintenance().get()),
                    number(&row["mmr"]),
                ),
            ]);
        }
        checks
    }

    fn okx_scope(&self, row: &Value) -> ScopeMargin {
        let told = self.told();
        assert_eq!(text(&row["mgnMode"]), "isolated", "cross needs a reader");
        assert_eq!(text(&row["posSide"]), "long", "others need a reader");
        let leg = inverse(
            text(&row["instId"]),
            Long,
            (number(&row["pos"]), told.size),
            number(&row["avgPx"]),
            &flat(told.rate, dec!(0)),
        );
        let scope = scope(Venue::Okx, Isolated, number(&row["margin"]), vec![leg]);
        marked(with_fee(scope, told.fee), number(&row["markPx"]))
    }

    /// Only an empty position is on record.
    fn okx_risk(&self) -> Vec<Check> {
        for account in list(&self.json["data"]) {
            for row in list(&account["posData"]) {
                assert!(number(&row["pos"]).is_zero(), "needs a reader");
            }
        }
        Vec::new()
    }

    /// A whole account in multi-currency mode: its value as one leg at price 1.
    fn okx_account(&self) -> Vec<Check> {
        let (account, told) = (&self.json["data"][0], self.told());
        let value = number(&account["notionalUsd"]);
        let tiers = flat(told.rate, dec!(0));
        let mut leg = linear("account", Long, value, dec!(1), &tiers);
        leg.leverage = Some(Leverage::of(dec!(10)));
        let equity = number(&account["adjEq"]);
        let scope = with_fee(scope(Venue::Okx, Cross, equity, vec![leg]), told.fee);
        let place = self.place(&scope, &scope.legs[0]);
        let ratio = scope.margin_ratio().map(|rate| rate.get());
        let initial = scope.initial_margin().map(Money::get);
        let maintenance = Some(scope.maintenance().get());
        vec![
            place.check(Field::Ratio, ratio, number(&account["mgnRatio"])),
            place.check(Field::Initial, initial, number(&account["imr"])),
            place.check(Field::Maintenance, maintenance, number(&account["mmr"])),
        ]
    }

    fn hyperliquid(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let positions = list(&self.json["assetPositions"]);
        let positions = positions.iter().map(|row| &row["position"]);
        let (isolated, cross): (Vec<_>, Vec<_>) =
            positions.partition(|position| text(&position["leverage"]["type"]) == "isolated");
        for position in isolated {
            let leg = self.hyperliquid_leg(position);
            let cost = leg.notional(leg.entry).get() * sign(leg.side);
            let wallet = number(&position["leverage"]["rawUsd"]) + cost;
            let scope = scope(Venue::Hyperliquid, Isolated, wallet, vec![leg]);
            let place = self.place(&scope, &scope.legs[0]);
            let equity = scope.equity().get();
            checks.push(place.check(Field::Equity, Some(equity), number(&position["marginUsed"])));
            checks.extend(self.hyperliquid_position(&scope, 0, position));
        }
        if cross.is_empty() {
            return checks;
        }
        let summary = &self.json["crossMarginSummary"];
        let legs: Vec<Leg> = cross
            .iter()
            .map(|position| self.hyperliquid_leg(position))
            .collect();
        let cost: Decimal = legs
            .iter()
            .map(|leg| leg.notional(leg.entry).get() * sign(leg.side))
            .sum();
        let wallet = number(&summary["totalRawUsd"]) + cost;
        let scope = scope(Venue::Hyperliquid, Cross, wallet, legs);
        let mut place = self.place(&scope, &scope.legs[0]);
        place.symbol = "account".to_owned();
        let equity = scope.equity().get();
        let initial = scope.initial_margin().map(Money::get);
        checks.push(place.check(
            Field::Equity,
            Some(equity),
            number(&summary["accountValue"]),
        ));
        checks.push(place.check(Field::Initial, initial, number(&summary["totalMarginUsed"])));
        let free = scope.free_margin().map(Money::get);
        checks.push(place.check(Field::Free, free, number(&self.json["withdrawable"])));
        let maintenance = &self.json["crossMaintenanceMarginUsed"];
        if !maintenance.is_null() {
            let ours = Some(scope.maintenance().get());
            checks.push(place.check(Field::Maintenance, ours, number(maintenance)));
        }
        for (index, position) in cross.into_iter().enumerate() {
            let ours = scope.leg_initial_margin(&scope.legs[index]).map(Money::get);
            let place = self.place(&scope, &scope.legs[index]);
            let used = number(&position["marginUsed"]);
            checks.push(place.within(Field::Initial, ours, used, dec!(0.000001)));
            checks.extend(self.hyperliquid_position(&scope, index, position));
        }
        checks
    }

    /// The mark follows from the value, to all digits.
    fn hyperliquid_leg(&self, position: &Value) -> Leg {
        let signed = number(&position["szi"]);
        let rate = match printed(&position["maxLeverage"]) {
            None => self.told().rate,
            Some(most) => Decimal::ONE / (number(most) * dec!(2)),
        };
        let mut leg = linear(
            text(&position["coin"]),
            side(signed),
            signed.abs(),
            number(&position["entryPx"]),
            &flat(rate, dec!(0)),
        );
        leg.mark = Price::of(number(&position["positionValue"]) / signed.abs());
        leg.leverage = Some(Leverage::of(number(&position["leverage"]["value"])));
        leg
    }

    fn hyperliquid_position(
        &self,
        scope: &ScopeMargin,
        index: usize,
        position: &Value,
    ) -> [Check; 2] {
        let leg = &scope.legs[index];
        let place = self.place(scope, leg);
        let line = scope.liquidation_price(&leg.key.symbol);
        let line = line.map(|price| price.get());
        // The entry is printed with five or six digits: half of its last one, times the size.
        let entry = number(&position["entryPx"]);
        let slack = Decimal::new(5, entry.scale() + 1) * leg.face() + dec!(0.000001);
        let profit = leg.profit(leg.mark).get();
        [
            match printed(&position["liquidationPx"]) {
                None => place.none(Field::Line, line),
                Some(price) => place.check(Field::Line, line, number(price)),
            },
            place.within(
                Field::Profit,
                Some(profit),
                number(&position["unrealizedPnl"]),
                slack,
            ),
        ]
    }
}

/// The scope with another mark for its only symbol.
fn marked(scope: ScopeMargin, mark: Decimal) -> ScopeMargin {
    let symbol = scope.legs[0].key.symbol.clone();
    scope.at_mark(&symbol, Price::of(mark))
}

/// A missing key reads as null.
fn printed(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A decimal in a string or a plain number.
fn number(value: &Value) -> Decimal {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    // Empty where the venue has nothing to say about a position that is flat.
    if text.is_empty() {
        return Decimal::ZERO;
    }
    Decimal::from_str(&text).expect("a number")
}

fn side(signed: Decimal) -> Side {
    if signed.is_sign_negative() {
        Short
    } else {
        Long
    }
}

fn sign(side: Side) -> Decimal {
    match side {
        Long => Decimal::ONE,
        Short => Decimal::NEGATIVE_ONE,
    }
}

fn betrays(value: &Value) -> Option<&str> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let known = BETRAYING.iter().find(|betraying| *betraying == key);
            known.copied().or_else(|| betrays(value))
        }),
        Value::Array(items) => items.iter().find_map(betrays),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[test]
fn recorded_positions_follow_from_the_rules() {
    let Some(folder) = shared("recorded") else {
        return;
    };
    let mut checks = Vec::new();
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for file in files(&folder) {
        let count = counts.entry(file.venue).or_default();
        match file.checks() {
            Some(found) if found.is_empty() => count.empty += 1,
            Some(found) => {
                count.used += 1;
                checks.extend(found);
            }
            None => {
                let key = betrays(&file.json);
                assert_eq!(key, None, "{} holds a position without reader", file.name);
                count.other += 1;
            }
        }
    }
    for (venue, count) in &counts {
        println!("{venue}: {count:?}");
    }
    let rows = table(&checks);
    for row in &rows {
        println!("{row}");
    }
    for known in judge(&checks, UNFIT) {
        println!("{known}");
    }
    is_documented(&rows);
    let live = |check: &&Check| check.place.origin == Origin::Recording;
    assert!(checks.iter().filter(live).count() >= 40, "live recordings");
}

/// The five prices of the account of 2023 that do not fit have one other rule in common.
#[test]
fn the_displayed_price_of_2023_held_maintenance_at_mark() {
    let Some(folder) = shared("recorded") else {
        return;
    };
    let files = files(&folder);
    let file = files
        .iter()
        .find(|file| file.name == "info-clearinghouseState__hlsdk.json");
    let json = &file.expect("the account of 2023").json;
    let summary = &json["crossMarginSummary"];
    let room = number(&summary["accountValue"]) - number(&summary["totalNtlPos"]) * dec!(0.01);
    let mut compared = 0;
    for row in list(&json["assetPositions"]) {
        let position = &row["position"];
        let signed = number(&position["szi"]);
        let mark = number(&position["positionValue"]) / signed.abs();
        let line = mark - room / signed;
        match printed(&position["liquidationPx"]) {
            None => assert!(!line.is_sign_positive(), "{line}"),
            Some(printed) => {
                compared += 1;
                let printed = number(printed);
                assert!(
                    (line - printed).abs() <= printed * dec!(0.000000001),
                    "{line}"
                );
            }
        }
    }
    assert_eq!(compared, 5);
}

/// With the value at entry the positions of before 2025-09 fit.
#[test]
fn margins_of_before_mark_based_margin_are_on_the_entry_value() {
    let Some(folder) = shared("recorded") else {
        return;
    };
    for mut file in files(&folder) {
        let rows = match file.name.as_str() {
            "v5-position-list.uta-cross-long__ccxt.json" => &mut file.json["result"]["list"],
            "ws-position__gct.json" => &mut file.json["data"],
            _ => continue,
        };
        let row = &mut rows[0];
        let entry = printed(&row["avgPrice"]).unwrap_or(&row["entryPrice"]);
        let entry = entry.clone();
        row["markPrice"] = entry;
        for check in file.checks().expect("a reader") {
            let of_margin = [Field::Initial, Field::Maintenance].contains(&check.field);
            assert!(!of_margin || check.fits(), "{check:?}");
        }
    }
}

/// The mark of OKX's sample was edited: its other numbers belong to the one its profit tells.
#[test]
fn the_inverse_sample_fits_at_the_mark_its_profit_implies() {
    let Some(folder) = shared("recorded") else {
        return;
    };
    let mut files = files(&folder);
    let file = files
        .iter_mut()
        .find(|file| file.name == "api-v5-account-positions__jkorf.json")
        .expect("the sample");
    let row = &mut file.json["data"][0];
    let face = dec!(10);
    let value = face / number(&row["avgPx"]) - number(&row["upl"]);
    row["markPx"] = Value::String((face / value).round_dp(15).to_string());
    let checks = file.checks().expect("a reader");
    assert_eq!(checks.len(), 4);
    for check in checks {
        assert!(check.fits(), "{check:?}");
    }
}

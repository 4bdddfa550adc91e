//! Real answers and frames of the venue, compared with what a correct decoder finds in them.

// Helpers of tests may panic: that is how a test fails. Clippy's switch for tests does not reach them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout
)]

#[path = "support/recorded.rs"]
mod recorded;
#[path = "support/shared.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use plimsoll::domain::{MarginMode, Position, PositionSide, Side};
use plimsoll::exchange::binance::{Decoded, Stage, decode_file};
use plimsoll::guard::event::{Event, OrderOrigin, OrderStatus};
use recorded::{Fields, NO_USE, compare, fields, folder, index};

fn slot(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

fn signed(side: Option<Side>, quantity: &impl ToString) -> String {
    match side {
        Some(Side::Short) => format!("-{}", quantity.to_string()),
        Some(Side::Long) | None => quantity.to_string(),
    }
}

fn position_fields(position: &Position) -> Fields {
    let money = |value: plimsoll::domain::Money| value.get().round_dp(8).to_string();
    let liquidation = position.venue_liquidation;
    fields([
        ("qty", signed(Some(position.side), &position.quantity)),
        ("entry", position.entry_price.to_string()),
        ("mark", position.mark_price.to_string()),
        (
            "liq",
            liquidation.map_or("none".to_owned(), |price| price.to_string()),
        ),
        ("upnl", money(position.unrealized(position.mark_price))),
        ("mode", position.margin_mode.to_string()),
        ("lev", position.leverage.expect("leverage").to_string()),
    ])
}

/// What was decoded, in the words of the `expect` column; by head or by the symbol.
fn facts(decoded: &Decoded) -> Vec<(String, Fields)> {
    match decoded {
        Decoded::ServerTime(at) => {
            vec![(
                String::new(),
                fields([("serverTime", at.as_millis().to_string())]),
            )]
        }
        Decoded::Permissions(_) | Decoded::Settings(_) | Decoded::Resting(_) | Decoded::Unused => {
            Vec::new()
        }
        Decoded::SymbolSettings(all) => {
            let one = |(symbol, settings): (
                &plimsoll::domain::Symbol,
                &plimsoll::exchange::binance::SymbolSettings,
            )| {
                let mode = match settings.margin_mode {
                    MarginMode::Isolated => "ISOLATED",
                    MarginMode::Cross => "CROSSED",
                };
                let fields = fields([
                    ("marginType", mode.to_owned()),
                    ("leverage", settings.leverage.to_string()),
                    ("isAutoAddMargin", settings.auto_add_margin.to_string()),
                ]);
                (symbol.to_string(), fields)
            };
            all.iter().map(one).collect()
        }
        Decoded::Positions(rows) => rows
            .iter()
            .map(|row| {
                let key = &row.position.key;
                let head = format!("pos[{}/{}]", key.symbol, slot(key.position_side));
                (head, position_fields(&row.position))
            })
            .collect(),
        Decoded::Balances(all) => {
            let usdt = &all["USDT"];
            let fields = fields([
                ("availableBalance", usdt.available.to_string()),
                ("totalWalletBalance", usdt.cross_wallet.to_string()),
            ]);
            vec![(String::new(), fields)]
        }
        Decoded::Orders(orders) => orders
            .iter()
            .map(|order| {
                assert_eq!(order.stage, Stage::Final);
                let price = order.fill.average_price;
                let fields = fields([
                    ("clientOrderId", order.client_id.clone().expect("client id")),
                    ("executedQty", order.fill.quantity.to_string()),
                    (
                        "avgPrice",
                        price.map_or("none".to_owned(), |price| price.to_string()),
                    ),
                ]);
                (String::new(), fields)
            })
            .collect(),
        Decoded::MarginAdded(rows) => rows
            .iter()
            .map(|row| {
                let fields = fields([
                    ("symbol", row.symbol.to_string()),
                    ("amount", row.amount.to_string()),
                    ("time", row.at.as_millis().to_string()),
                    (
                        "positionSide",
                        slot(row.position_side.expect("side")).to_owned(),
                    ),
                ]);
                (format!("time {}", row.at.as_millis()), fields)
            })
            .collect(),
        Decoded::Book(book) => {
            assert!(!book.is_unusable());
            let fields = fields([
                ("best_bid", book.bids[0].price.to_string()),
                ("best_ask", book.asks[0].price.to_string()),
            ]);
            vec![(String::new(), fields)]
        }
        Decoded::Events(events) => events.iter().flat_map(event_facts).collect(),
    }
}

fn event_facts(event: &Event) -> Vec<(String, Fields)> {
    match event {
        Event::Instruments(all) => all
            .iter()
            .map(|rules| {
                let none = 4_133_404_800_000_i64;
                let fields = fields([
                    ("marginAsset", rules.margin_asset.clone()),
                    ("liquidationFee", rules.liquidation_fee.to_string()),
                    ("status", format!("{:?}", rules.status).to_uppercase()),
                    ("perpetual", rules.perpetual.to_string()),
                    (
                        "deliveryDate",
                        rules
                            .delivery_at
                            .map_or(none, |at| at.as_millis())
                            .to_string(),
                    ),
                ]);
                (rules.symbol.to_string(), fields)
            })
            .collect(),
        Event::Tiers { symbol, table } => {
            let (first, last) = (
                table.tiers().first().unwrap(),
                table.tiers().last().unwrap(),
            );
            let fields = fields([
                ("tiers", table.tiers().len().to_string()),
                ("first_mmr", first.maintenance_rate.to_string()),
                ("last_mmr", last.maintenance_rate.to_string()),
                ("last_cum", last.deduction.to_string()),
            ]);
            vec![(symbol.to_string(), fields)]
        }
        Event::TakerFee { symbol, rate } => {
            let symbol = symbol.as_ref().expect("a symbol").to_string();
            vec![(symbol, fields([("takerCommissionRate", rate.to_string())]))]
        }
        Event::Mark(mark) => {
            let rate = mark
                .funding_rate
                .map_or("0".to_owned(), |rate| rate.to_string());
            let next = mark
                .next_funding_at
                .map_or(0, |at| at.as_millis())
                .to_string();
            let fields = fields([
                ("markPrice", mark.price.to_string()),
                ("p", mark.price.to_string()),
                ("lastFundingRate", rate.clone()),
                ("r", rate),
                ("nextFundingTime", next.clone()),
                ("T", next),
            ]);
            vec![(mark.symbol.to_string(), fields)]
        }
        Event::Book(book) => vec![(
            book.symbol.to_string(),
            fields([("s", book.symbol.to_string())]),
        )],
        Event::Change(change) => {
            let mut all = vec![(String::new(), fields([("reason", change.reason.clone())]))];
            for (asset, cross) in &change.balances {
                all.push((
                    format!("bal[{asset}]"),
                    fields([("cross", cross.to_string())]),
                ));
            }
            for row in &change.positions {
                let head = format!("pos[{}/{}]", row.symbol, slot(row.position_side));
                let entry = row
                    .entry_price
                    .map_or("0".to_owned(), |price| price.to_string());
                let mode = if row.isolated { "isolated" } else { "cross" };
                let fields = fields([
                    ("qty", signed(row.side, &row.quantity)),
                    ("entry", entry),
                    ("mode", mode.to_owned()),
                    ("iso", row.isolated_wallet.to_string()),
                ]);
                all.push((head, fields));
            }
            all
        }
        Event::Order(order) => {
            let side = match order.order_side {
                Side::Long => "BUY",
                Side::Short => "SELL",
            };
            let price = order
                .average_price
                .map_or("0".to_owned(), |price| price.to_string());
            let fields = fields([
                ("s", order.symbol.to_string()),
                ("c", order.client_id.clone()),
                ("S", side.to_owned()),
                ("z", order.filled.to_string()),
                ("ap", price),
                ("ps", slot(order.position_side).to_owned()),
            ]);
            vec![("order".to_owned(), fields)]
        }
        Event::ConfigChanged => {
            vec![(
                String::new(),
                fields([("e", "ACCOUNT_CONFIG_UPDATE".to_owned())]),
            )]
        }
        other => panic!("not an event of this venue: {other:?}"),
    }
}

#[test]
fn every_recorded_file_is_decoded_or_has_a_reason_not_to_be() {
    let Some(folder) = folder() else { return };
    let no_use: BTreeMap<_, _> = NO_USE.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let mut used = 0;
    for row in index(&folder) {
        let (file, endpoint, expect) = (row.file.as_str(), &row.endpoint, &row.expect);
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        let decoded =
            decode_file(endpoint, &text).unwrap_or_else(|error| panic!("{file}: {error}"));
        seen.insert(file.to_owned());
        if let Some(reason) = no_use.get(file) {
            assert_eq!(decoded, Decoded::Unused, "{file} has a use, but: {reason}");
            continue;
        }
        used += 1;
        let compared = compare(file, expect, &facts(&decoded));
        assert!(
            compared > 0,
            "{file}: nothing of `{expect}` was compared with {decoded:?}"
        );
    }
    for (file, _) in NO_USE {
        assert!(seen.contains(*file), "{file} is no longer in the index");
    }
    assert!(used >= 31, "only {used} files have a use");
}

fn recorded_file(file: &str, endpoint: &str) -> Option<Decoded> {
    let text = std::fs::read_to_string(folder()?.join(file)).expect(file);
    Some(decode_file(endpoint, &text).expect(file))
}

fn order(file: &str) -> Option<plimsoll::guard::event::OrderUpdate> {
    match recorded_file(file, "ws")? {
        Decoded::Events(events) => match events.as_slice() {
            [Event::Order(order)] => Some(order.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn forced_orders_are_recognised_by_their_client_id() {
    for (file, origin, status) in [
        (
            "ws-order-update-liquidation__nautilus.json",
            OrderOrigin::Liquidation,
            OrderStatus::Filled,
        ),
        (
            "ws-order-update-liquidation-zero-qty__nautilus.json",
            OrderOrigin::Liquidation,
            OrderStatus::Filled,
        ),
        (
            "ws-user-order-update-calculated-pending__nautilus.json",
            OrderOrigin::Liquidation,
            OrderStatus::Working,
        ),
        (
            "ws-user-order-update-adl__nautilus.json",
            OrderOrigin::AutoDeleveraging,
            OrderStatus::Working,
        ),
        (
            "ws-user-order-update-delivery__nautilus.json",
            OrderOrigin::Settlement,
            OrderStatus::Filled,
        ),
        (
            "ws-user-order-update-trade__nautilus.json",
            OrderOrigin::Foreign,
            OrderStatus::Working,
        ),
    ] {
        let Some(order) = order(file) else { return };
        assert_eq!((order.origin, order.status), (origin, status), "{file}");
    }
}

#[test]
fn a_dated_contract_has_its_delivery_and_no_funding() {
    let Some(Decoded::Events(rules)) = recorded_file(
        "fapi-v1-exchangeInfo__nautilus.json",
        "/fapi/v1/exchangeInfo",
    ) else {
        return;
    };
    let Some(Event::Instruments(all)) = rules.first() else {
        panic!("{rules:?}");
    };
    let dated = all
        .iter()
        .find(|i| i.symbol.as_str() == "BTCUSDT_220325")
        .expect("dated");
    assert!(!dated.perpetual && dated.delivery_at.is_some());
    assert!(
        all.iter()
            .filter(|i| i.perpetual)
            .all(|i| i.delivery_at.is_none())
    );
    assert!(
        all.iter()
            .all(|i| i.market_lot.max <= i.limit_lot.max && i.min_notional.is_positive())
    );
    let Some(Decoded::Events(marks)) = recorded_file("ws-markPriceUpdate.3__tardis.json", "ws")
    else {
        return;
    };
    let Some(Event::Mark(mark)) = marks.first() else {
        panic!("{marks:?}");
    };
    assert_eq!((mark.funding_rate, mark.next_funding_at), (None, None));
}

#[test]
fn tiers_are_continuous_at_every_border() {
    for symbol in ["BTCUSDT", "SOLUSDT", "1000PEPEUSDT"] {
        let file = format!("fapi-v1-leverageBracket.{symbol}__freqtrade.json");
        let Some(Decoded::Events(events)) = recorded_file(&file, "/fapi/v1/leverageBracket") else {
            return;
        };
        let Some(Event::Tiers { table, .. }) = events.first() else {
            panic!("{events:?}");
        };
        for pair in table.tiers().windows(2) {
            let border = pair[1].floor;
            let below = border * pair[0].maintenance_rate - pair[0].deduction;
            assert_eq!(table.maintenance(border), below, "{symbol} at {border}");
        }
    }
}

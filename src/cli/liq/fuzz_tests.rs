//! Whatever JSON is made of the schema's own keys: an answer or a complaint, never a panic; and what
//! is folded for speed gives the same lines as the whole scope.

use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::{Decimal, dec};
use serde_json::{Map, Value, json};

use super::book::{Book, PRICE_MIN};
use super::input::Source;
use super::tables::Tables;
use super::what_if::{Amount, Move, Plan};
use super::{Origin, answer, text};
use crate::domain::{Money, Symbol, Tier};
use crate::margin::{Folded, ScopeMargin, TierBy};

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.5",
    "2",
    "3",
    "10",
    "20",
    "100",
    "1000",
    "0.004",
    "0.01",
    "0.00055",
    "0.95",
    "0.1",
    "100000",
    "95000",
    "3000",
    "1e-15",
    "0.000000000001",
    "1e-28",
    "1e9",
    "999999999",
    "1e13",
    "1e18",
    "-1e18",
    "123456789.123456789",
    "0.3333333333333333333333333333",
    "1e400",
    "NaN",
    "",
    "79228162514264337593543950335",
    "1000000000000",
];
const WORDS: &[&str] = &[
    "binance-usdm",
    "binance-coinm",
    "bybit",
    "okx",
    "hyperliquid",
    "BTCUSDT",
    "ETHUSDC",
    "BTCUSD_PERP",
    "BTCUSD",
    "BTC",
    "BTC-USDT-SWAP",
    "BTC-USD-261225",
    "kPEPE",
    "X",
    "long",
    "short",
    "isolated",
    "cross",
    "linear",
    "inverse",
    "hedge",
    "one-way",
    "unified",
    "multi-currency",
    "USDT",
    "é\u{0}",
];

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(NUMBERS).prop_map(|text| json!(text)),
        1 => any::<i32>().prop_map(|number| json!(number)),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => Just(Value::Null),
    ]
}

/// Mostly numbers in their usual size, so that many cases come to an answer.
fn usual(from: i64, to: i64, scale: u32) -> impl Strategy<Value = Value> {
    prop_oneof![
        60 => (from..to).prop_map(move |units| json!(Decimal::new(units, scale).to_string())),
        1 => number(),
    ]
}

fn word(usual: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        60 => select(usual).prop_map(|word| json!(word)),
        1 => select(WORDS).prop_map(|word| json!(word)),
        1 => Just(Value::Null),
    ]
}

fn object(parts: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let keys: Vec<&str> = parts.iter().map(|(key, _)| *key).collect();
    let values: Vec<_> = parts.into_iter().map(|(_, value)| value).collect();
    values
        .prop_map(move |values| {
            let pairs = keys
                .iter()
                .zip(values)
                .filter(|(_, value)| !value.is_null());
            Value::Object(
                pairs
                    .map(|(key, value)| ((*key).to_owned(), value))
                    .collect::<Map<_, _>>(),
            )
        })
        .boxed()
}

fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![1 => Just(Value::Null), 1 => value].boxed()
}

fn tiers() -> BoxedStrategy<Value> {
    let wild = proptest::collection::vec(
        object(vec![
            ("floor", maybe(number())),
            ("cap", maybe(number())),
            ("maintenance_rate", number().boxed()),
            ("deduction", maybe(number())),
            ("max_leverage", maybe(number())),
        ]),
        0..4,
    );
    let tame = (1_i64..100, 1_i64..1_000_000, 0_i64..300).prop_map(|(rate, cap, more)| {
        json!([
            {"floor": 0, "cap": cap, "maintenance_rate": Decimal::new(rate, 3).to_string()},
            {"cap": null, "maintenance_rate": Decimal::new(rate + more, 3).to_string()},
        ])
    });
    prop_oneof![1 => wild.prop_map(Value::Array), 20 => tame].boxed()
}

fn position() -> BoxedStrategy<Value> {
    object(vec![
        (
            "symbol",
            word(&[
                "BTCUSDT",
                "ETHUSDC",
                "BTCUSD_PERP",
                "BTC-USDT-SWAP",
                "BTC-USD-261225",
                "X",
                "BTC",
            ])
            .boxed(),
        ),
        ("contract", maybe(word(&["linear", "inverse"]))),
        ("margin_mode", word(&["isolated", "cross", "cross"]).boxed()),
        ("side", word(&["long", "short"]).boxed()),
        ("quantity", usual(1, 100_000, 2).boxed()),
        ("contract_size", usual(1, 1_000, 1).boxed()),
        ("entry_price", usual(1, 10_000_000, 2).boxed()),
        ("mark_price", maybe(usual(1, 10_000_000, 2))),
        ("isolated_margin", maybe(usual(-1_000, 1_000_000, 1))),
        ("leverage", usual(1, 125, 0).boxed()),
        ("tiers", tiers()),
        ("family", maybe(word(&["A", "B"]))),
        ("settle_asset", maybe(word(&["USDT", "BTC"]))),
        ("tick_size", maybe(usual(1, 100, 2))),
        ("funding_rate", maybe(usual(-100, 100, 4))),
    ])
}

fn asset() -> BoxedStrategy<Value> {
    let step = object(vec![
        ("cap", maybe(number())),
        ("rate", usual(0, 100, 2).boxed()),
    ]);
    object(vec![
        ("asset", word(&["USDT", "BTC", "ETH"]).boxed()),
        ("amount", usual(-1_000, 1_000_000, 2).boxed()),
        ("price", usual(1, 10_000_000, 2).boxed()),
        ("ratio", maybe(usual(0, 100, 2))),
        ("steps", prop_oneof![5 => Just(Value::Null), 1 => proptest::collection::vec(step, 0..3).prop_map(Value::Array)].boxed()),
        ("debt_factor", maybe(usual(100, 110, 2))),
        ("follows", maybe(word(&["BTCUSDT", "BTCUSD_PERP", "X"]))),
    ])
}

fn wild() -> BoxedStrategy<Value> {
    let assets = proptest::collection::vec(asset(), 0..3).prop_map(Value::Array);
    let wallets = object(vec![
        ("USDT", usual(0, 1_000_000, 1).boxed()),
        ("BTC", maybe(number())),
    ]);
    object(vec![
        (
            "exchange",
            word(&[
                "binance-usdm",
                "binance-coinm",
                "bybit",
                "okx",
                "hyperliquid",
            ])
            .boxed(),
        ),
        ("wallet_balance", usual(0, 10_000_000, 1).boxed()),
        (
            "wallets",
            prop_oneof![6 => Just(Value::Null), 1 => wallets].boxed(),
        ),
        ("taker_fee_rate", usual(0, 100, 5).boxed()),
        ("position_mode", maybe(word(&["hedge", "one-way"]))),
        (
            "account_mode",
            maybe(word(&["unified", "multi-currency", "single-currency"])),
        ),
        ("collateral", maybe(assets)),
        ("reserved", maybe(usual(0, 10_000, 1))),
        ("other_maintenance", maybe(usual(0, 10_000, 1))),
        (
            "positions",
            proptest::collection::vec(position(), 1..4)
                .prop_map(Value::Array)
                .boxed(),
        ),
    ])
}

/// An account whose contradictions have been taken out, more often than not.
fn account() -> BoxedStrategy<Value> {
    (wild(), 0_u8..4)
        .prop_map(|(mut account, luck)| {
            let exchange = account["exchange"].as_str().unwrap_or_default();
            let contract = match exchange {
                "bybit" | "okx" => json!("linear"),
                _ => Value::Null,
            };
            let hedge = if exchange == "hyperliquid" {
                "one-way"
            } else {
                "hedge"
            };
            let positions = account.get_mut("positions").and_then(Value::as_array_mut);
            for position in positions.into_iter().flatten().filter(|_| luck > 0) {
                if position["margin_mode"] == "isolated" {
                    position["isolated_margin"] = json!("1000");
                } else {
                    position["isolated_margin"] = Value::Null;
                }
                position["contract"] = contract.clone();
            }
            if luck > 0 {
                account["wallets"] = Value::Null;
                account["position_mode"] = json!(hedge);
            }
            account
        })
        .boxed()
}

fn plan() -> impl Strategy<Value = Plan> {
    let amount = prop_oneof![
        (-99_i64..1_000).prop_map(|share| Amount::Share(Decimal::new(share, 2))),
        (1_i64..1_000_000_000).prop_map(|plain| Amount::Plain(Decimal::new(plain, 3))),
    ];
    let price =
        (proptest::option::of(select(WORDS)), amount.clone()).prop_map(|(symbol, to)| Move {
            symbol: symbol.map(str::to_owned),
            to,
        });
    let positions = select(vec![
        "BTCUSDT",
        "X",
        "X/long",
        "BTC/short",
        "BTCUSD_PERP/cross",
    ]);
    (
        proptest::collection::vec(price, 0..2),
        any::<bool>(),
        proptest::option::of(amount),
        any::<bool>(),
        proptest::option::of(1_u32..125),
        proptest::option::of(-1_000_000_i64..1_000_000),
        proptest::option::of(positions),
    )
        .prop_map(
            |(prices, funding, trim, recycles, leverage, add, position)| Plan {
                prices,
                funding,
                trim,
                recycles,
                leverage: leverage.map(Into::into),
                add: add.map(|add| Money::of(Decimal::from(add))),
                slippage: crate::domain::Rate::of(dec!(0.001)),
                position: position.map(str::to_owned),
            },
        )
}

/// The answer, or the complaint.
fn tell(input: &str, tables: &Tables, plan: &Plan) -> Result<String, String> {
    let source = Source::of(input);
    let account = source.account().map_err(|error| error.to_string())?;
    let origin = Origin::Input(source);
    let answer = answer(&origin, &account, tables, plan).map_err(|error| error.to_string())?;
    let json = serde_json::to_string(&answer).expect("JSON");
    Ok(format!("{json}\n{}", text::render(&answer)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_account_is_answered_or_refused_in_one_sentence(account in account(), plan in plan()) {
        let tables = Tables::built_in().expect("readable");
        for plan in [Plan::default(), plan] {
            match tell(&account.to_string(), &tables, &plan) {
                Ok(told) => prop_assert!(told.contains("\"exchange\"")),
                Err(told) => {
                    prop_assert!(!told.is_empty());
                    prop_assert!(!told.contains('\n'), "{}", told);
                }
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_answered(text in "\\PC{0,60}", at in 0_usize..400, account in account()) {
        let tables = Tables::built_in().expect("readable");
        let whole = account.to_string();
        let cut: String = whole.chars().take(at).collect();
        for input in [text.clone(), cut, whole.replace(':', &text)] {
            drop(tell(&input, &tables, &Plan::default()));
        }
    }

    #[test]
    fn at_every_line_the_whole_scope_has_nothing_left_above_the_demand(account in account()) {
        let tables = Tables::built_in().expect("readable");
        let Ok(account) = Source::of(&account.to_string()).account() else {
            return Ok(());
        };
        let Ok(book) = Book::of(&account, &tables) else {
            return Ok(());
        };
        for backed in &book.scopes {
            let folded = Folded::of(&backed.margin);
            for leg in &backed.margin.legs {
                let symbol = &leg.key.symbol;
                let alone = folded.on(symbol);
                let close = |one: Option<Decimal>, other: Option<Decimal>| match (one, other) {
                    (Some(one), Some(other)) => (one - other).abs() <= one.abs() * dec!(0.000000000000001),
                    (one, other) => one == other,
                };
                if let Some(line) = alone.line(symbol).filter(|line| is_continuous(&backed.margin) && has_one_mark(&backed.margin, symbol) && line.price.get() >= PRICE_MIN) {
                    let there = backed.margin.at_mark(symbol, line.price);
                    let health = (there.equity() - there.demand()).abs();
                    let sums: Money = there.legs.iter().map(|leg| leg.notional(leg.mark)).sum();
                    let room = (sums.get() + there.wallet.get().abs() + dec!(1)) * dec!(0.000000000001);
                    prop_assert!(health.get() <= room, "{:?} {}", line, health);
                }
                let (one, other) = (alone.bankruptcy_price(symbol), backed.margin.bankruptcy_price(symbol));
                let price = |price: Option<crate::domain::Price>| price.map(crate::domain::Price::get);
                prop_assert!(close(price(one), price(other)), "{:?} {:?}", one, other);
                let off = (alone.equity() - backed.margin.equity()).abs();
                prop_assert!(off.get() <= dec!(0.00000001) , "{}", off);
            }
        }
    }
}

/// Does the maintenance of every leg rise without jumps, so that it meets the equity somewhere?
fn is_continuous(scope: &ScopeMargin) -> bool {
    scope.legs.iter().all(|leg| {
        let tiers = leg.tiers.tiers();
        let mut pairs = tiers.iter().zip(tiers.iter().skip(1));
        let by_value = scope.rules.tier_by == TierBy::Value;
        let starts_at_zero = tiers.first().is_some_and(|tier| tier.deduction.is_zero());
        let joins = |(one, next): (&Tier, &Tier)| {
            let step = next.floor * (next.maintenance_rate - one.maintenance_rate);
            next.deduction == one.deduction + step
        };
        starts_at_zero && (!by_value || pairs.all(joins))
    })
}

/// A path of the whole scope keeps different marks of one symbol apart; a line has one.
fn has_one_mark(scope: &ScopeMargin, symbol: &Symbol) -> bool {
    let mut marks = scope
        .legs
        .iter()
        .filter(|leg| leg.key.symbol == *symbol)
        .map(|leg| leg.mark);
    let first = marks.next();
    marks.all(|mark| Some(mark) == first)
}

#[test]
fn the_accounts_of_the_fuzz_are_often_answered() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let tables = Tables::built_in().expect("readable");
    let mut runner = TestRunner::deterministic();
    let mut answered = 0;
    for _ in 0..300 {
        let account = account().new_tree(&mut runner).expect("a case").current();
        answered += usize::from(tell(&account.to_string(), &tables, &Plan::default()).is_ok());
    }
    assert!(
        answered > 60,
        "{answered} of 300 accounts came to an answer"
    );
}

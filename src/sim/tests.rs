use rust_decimal::{Decimal, dec};

use super::*;
use crate::domain::{
    ContractKind, InstrumentStatus, LotLimits, MarginMode, Money, PositionSide, Quantity, Rate,
    Side, Tier,
};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_760_126_400_000);

pub(crate) fn btc_market() -> Market {
    let lot = |max: i64| LotLimits {
        min: Quantity::of(dec!(0.001)),
        max: Quantity::of(Decimal::from(max)),
        step: dec!(0.001),
    };
    Market {
        instrument: Instrument {
            symbol: Symbol::new("BTCUSDT"),
            contract: ContractKind::Linear,
            perpetual: true,
            margin_asset: "USDT".to_owned(),
            status: InstrumentStatus::Trading,
            tick: dec!(0.1),
            limit_lot: lot(1_000),
            market_lot: lot(120),
            min_notional: Money::of(dec!(50)),
            price_cap_factor: Some(Rate::of(dec!(1.05))),
            price_floor_factor: Some(Rate::of(dec!(0.95))),
            market_take_bound: Some(Rate::of(dec!(0.05))),
            liquidation_fee: Rate::of(dec!(0.0125)),
            delivery_at: None,
        },
        tiers: TierTable::new(vec![
            Tier::of(0, Some(300_000), dec!(0.004), dec!(0), 150),
            Tier::of(300_000, Some(800_000), dec!(0.005), dec!(300), 100),
            Tier::of(800_000, Some(3_000_000), dec!(0.0065), dec!(1500), 75),
            Tier::of(3_000_000, Some(12_000_000), dec!(0.01), dec!(12000), 50),
            Tier::of(
                12_000_000,
                Some(1_000_000_000),
                dec!(0.02),
                dec!(132000),
                25,
            ),
        ])
        .expect("tiers"),
        generic: false,
    }
}

pub(crate) fn tape(marks: &[Decimal]) -> Tape {
    Tape {
        name: "test".to_owned(),
        symbol: Symbol::new("BTCUSDT"),
        start: START,
        step_ms: 5_000,
        marks: marks.iter().map(|m| Price::of(*m)).collect(),
        notes: Vec::new(),
    }
}

pub(crate) fn venue(marks: &[Decimal]) -> (Exchange, AccountId) {
    venue_with(marks, |_| {})
}

pub(crate) fn venue_with(
    marks: &[Decimal],
    change: impl FnOnce(&mut ExchangeSpec),
) -> (Exchange, AccountId) {
    let mut spec = ExchangeSpec::new(vec![(btc_market(), tape(marks))], START);
    change(&mut spec);
    let mut exchange = Exchange::new(spec);
    let id = exchange.add_account("key", "secret".into(), Money::of(dec!(10000)));
    (exchange, id)
}

fn btc() -> Symbol {
    Symbol::new("BTCUSDT")
}

fn money(value: Decimal) -> Money {
    Money::of(value)
}

fn q(value: Decimal) -> Quantity {
    Quantity::of(value)
}

fn both() -> crate::domain::PositionKey {
    crate::domain::PositionKey {
        symbol: btc(),
        position_side: PositionSide::Both,
    }
}

fn long(exchange: &mut Exchange, id: AccountId, mode: MarginMode) -> Order {
    exchange
        .open_position(id, &btc(), Side::Long, money(dec!(50000)), 20, mode)
        .expect("opened")
}

fn after(ms: i64) -> Timestamp {
    START.plus_ms(ms)
}

#[test]
fn the_book_is_orderly_deep_and_the_same_for_the_same_seed() {
    let (mut exchange, _) = venue(&[dec!(100000)]);
    let (book, _) = exchange.book(&btc()).expect("book");
    let book = book.clone();
    assert_eq!((book.bids.len(), book.asks.len()), (50, 50));
    assert!(book.bids.windows(2).all(|w| w[0].price > w[1].price));
    assert!(book.asks.windows(2).all(|w| w[0].price < w[1].price));
    assert!(book.bids[0].price < Price::of(dec!(100000)));
    assert!(book.asks[0].price > Price::of(dec!(100000)));
    let (mut again, _) = venue(&[dec!(100000)]);
    assert_eq!(again.book(&btc()).expect("book").0.bids, book.bids);
}

#[test]
fn the_book_thins_and_widens_when_the_mark_moves_violently() {
    let calm: Vec<Decimal> = vec![dec!(100000); 30];
    let wild: Vec<Decimal> = (0..30)
        .map(|i| {
            if i % 2 == 0 {
                dec!(100000)
            } else {
                dec!(99000)
            }
        })
        .collect();
    let shape = |marks: &[Decimal]| {
        let (mut exchange, _) = venue(marks);
        exchange.advance_to(after(28 * 5_000));
        let (book, _) = exchange.book(&btc()).expect("book");
        let depth: Quantity = book.bids.iter().map(|l| l.quantity).sum();
        (book.asks[0].price - book.bids[0].price, depth)
    };
    let (calm, wild) = (shape(&calm), shape(&wild));
    assert!(wild.0.get() > calm.0.get() * dec!(5), "{calm:?} {wild:?}");
    assert!(wild.1.get() * dec!(5) < calm.1.get(), "{calm:?} {wild:?}");
}

#[test]
fn what_an_order_takes_is_gone_until_the_next_step() {
    let (mut exchange, id) = venue(&[dec!(100000), dec!(100000)]);
    let best = exchange.book(&btc()).expect("book").0.asks[0];
    let request = OrderRequest::market(&btc(), OrderSide::Buy, best.quantity);
    exchange.accounts[0].cross_wallet = money(dec!(100000000));
    exchange.place(id, &request).expect("filled");
    assert_eq!(exchange.book(&btc()).expect("book").0.asks.len(), 49);
    exchange.advance_to(after(5_000));
    assert_eq!(exchange.book(&btc()).expect("book").0.asks.len(), 50);
}

#[test]
fn opening_isolated_moves_initial_margin_and_charges_the_fee_to_the_cross_wallet() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    let order = long(&mut exchange, id, MarginMode::Isolated);
    assert_eq!(order.executed, q(dec!(0.5)));
    let summary = exchange.account_summary(id).expect("account");
    let fee = (order.quote.get() * dec!(0.0005)).round_dp(8);
    assert!((summary.fees_paid.get() - fee).abs() <= dec!(0.00000010));
    let margin = order.quote.get() / dec!(20);
    assert!((summary.isolated_wallets.get() - margin).abs() < dec!(0.0000001));
    let whole = summary.cross_wallet + summary.isolated_wallets + summary.fees_paid;
    assert_eq!(whole, money(dec!(10000)));
}

/// The account of the worked examples: 0.5 BTC long at 100,000 with 2,500 of isolated margin.
fn example(release: ReleaseModel) -> (Exchange, AccountId) {
    let (mut exchange, id) = venue_with(&[dec!(100000), dec!(97000)], |spec| {
        spec.partial_close = release;
    });
    long(&mut exchange, id, MarginMode::Isolated);
    let slot = exchange.accounts[0].slots.get_mut(&both()).expect("slot");
    slot.entry = Price::of(dec!(100000));
    slot.isolated_wallet = money(dec!(2500));
    exchange.accounts[0].cross_wallet = money(dec!(7500));
    (exchange, id)
}

fn near(actual: Option<Price>, expected: Decimal) {
    let actual = actual.expect("a liquidation price").get();
    assert!((actual - expected).abs() < dec!(0.000001), "{actual}");
}

#[test]
fn the_worked_examples_of_isolated_margin_hold() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    let line = |exchange: &Exchange| {
        exchange
            .position(id, &both())
            .expect("view")
            .liquidation_price
    };
    near(line(&exchange), dec!(95381.526104));
    exchange.advance_to(after(5_000));
    let view = exchange.position(id, &both()).expect("view");
    assert_eq!(view.maintenance_margin, money(dec!(194)));
    assert_eq!(view.isolated_wallet + view.unrealized, money(dec!(1000)));
    exchange
        .move_margin(id, &both(), money(dec!(940)))
        .expect("added");
    near(line(&exchange), dec!(93493.975904));
    assert_eq!(exchange.margin_changes(id).len(), 1);
}

#[test]
fn a_partial_close_pro_rata_leaves_the_line_where_it_was() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    exchange.advance_to(after(5_000));
    let before = exchange.accounts[0].cross_wallet;
    let sell = OrderRequest::market(&btc(), OrderSide::Sell, q(dec!(0.2))).reducing();
    let order = exchange.place(id, &sell).expect("reduced");
    let view = exchange.position(id, &both()).expect("view");
    assert!((view.isolated_wallet.get() - dec!(1500)).abs() < dec!(0.000001));
    near(view.liquidation_price, dec!(95381.526104));
    let trades = exchange.trades(id);
    let mine: Vec<&Trade> = trades.iter().filter(|t| t.order_id == order.id).collect();
    let realized: Money = mine.iter().map(|t| t.realized).sum();
    let fees: Money = mine.iter().map(|t| t.fee).sum();
    let got = exchange.accounts[0].cross_wallet - before;
    let released = money(dec!(2500)) - view.isolated_wallet;
    assert_eq!(got, released + realized - fees);
    assert!(realized < money(dec!(-600)), "{realized}");
}

#[test]
fn a_partial_close_that_keeps_margin_lowers_the_line_of_a_long() {
    let (mut exchange, id) = example(ReleaseModel::KeepsMargin);
    exchange.advance_to(after(5_000));
    let before = exchange.accounts[0].cross_wallet;
    let sell = OrderRequest::market(&btc(), OrderSide::Sell, q(dec!(0.2))).reducing();
    exchange.place(id, &sell).expect("reduced");
    let view = exchange.position(id, &both()).expect("view");
    assert_eq!(exchange.accounts[0].cross_wallet, before);
    assert!(view.isolated_wallet < money(dec!(1900)));
    assert!(view.isolated_wallet > money(dec!(1700)));
    assert!(view.liquidation_price.expect("line") < Price::of(dec!(95000)));
}

#[test]
fn a_reduction_larger_than_the_position_or_without_one_is_refused() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    let sell = |size| OrderRequest::market(&btc(), OrderSide::Sell, q(size)).reducing();
    let refused = exchange.place(id, &sell(dec!(0.1)));
    assert_eq!(refused, Err(Refusal::ReduceOnlyRejected));
    long(&mut exchange, id, MarginMode::Cross);
    let refused = exchange.place(id, &sell(dec!(0.501)));
    assert_eq!(refused, Err(Refusal::ReduceOnlyRejected));
    let resting = OrderRequest {
        kind: OrderKind::Limit,
        price: Some(Price::of(dec!(104000))),
        ..sell(dec!(0.5))
    };
    exchange.place(id, &resting).expect("rests");
    let refused = exchange.place(id, &sell(dec!(0.1)));
    assert_eq!(refused, Err(Refusal::ReduceOnlyConflict));
}

#[test]
fn hedge_mode_keeps_both_slots_and_only_closes_what_is_there() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    exchange.set_hedge(id, true).expect("hedge");
    let order = |side, slot, size| OrderRequest::market(&btc(), side, q(size)).in_slot(slot);
    let buy = order(OrderSide::Buy, PositionSide::Long, dec!(0.3));
    exchange.place(id, &buy).expect("long");
    let sell = order(OrderSide::Sell, PositionSide::Short, dec!(0.1));
    exchange.place(id, &sell).expect("short");
    assert_eq!(exchange.positions(id).len(), 2);
    let too_much = order(OrderSide::Sell, PositionSide::Long, dec!(0.4));
    assert_eq!(
        exchange.place(id, &too_much),
        Err(Refusal::ReduceOnlyRejected)
    );
    let flagged = order(OrderSide::Sell, PositionSide::Long, dec!(0.1)).reducing();
    assert_eq!(
        exchange.place(id, &flagged),
        Err(Refusal::ReduceOnlyInHedge)
    );
    let one_way = OrderRequest::market(&btc(), OrderSide::Sell, q(dec!(0.1)));
    assert_eq!(
        exchange.place(id, &one_way),
        Err(Refusal::PositionSideMismatch)
    );
    assert_eq!(
        exchange.set_hedge(id, false),
        Err(Refusal::PositionModePosition)
    );
}

#[test]
fn funding_is_taken_from_the_isolated_wallet_and_moves_the_line() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    let due = exchange.next_funding();
    assert_eq!(due.as_millis() % (8 * 3_600_000), 0);
    let slot = exchange.accounts[0].slots.get_mut(&both()).expect("slot");
    slot.isolated_wallet = money(dec!(5000));
    exchange.advance_to(due);
    // 0.5 at 97,000 and 0.01 %.
    let view = exchange.position(id, &both()).expect("view");
    assert_eq!(view.isolated_wallet, money(dec!(4995.15)));
    let summary = exchange.account_summary(id).expect("account");
    assert_eq!(summary.funding_paid, money(dec!(4.85)));
}

#[test]
fn funding_of_a_cross_position_is_told_as_a_change_of_the_balance_only() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    long(&mut exchange, id, MarginMode::Cross);
    exchange.take_notices();
    exchange.advance_to(exchange.next_funding());
    let notices = exchange.take_notices();
    let Some(Notice::Private { notice, .. }) = notices.back() else {
        panic!("{notices:?}");
    };
    let PrivateNotice::Account {
        reason,
        positions,
        symbol,
        ..
    } = notice.as_ref()
    else {
        panic!("{notice:?}");
    };
    assert_eq!((*reason, positions.len()), (AccountReason::Funding, 0));
    assert_eq!(symbol.as_ref(), Some(&btc()));
}

#[test]
fn a_mark_at_the_line_liquidates_an_isolated_position_and_nothing_else() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    exchange.take_notices();
    exchange.force_mark(&btc(), Price::of(dec!(95381.6)));
    assert_eq!(
        exchange.account_summary(id).expect("account").liquidated_at,
        None
    );
    exchange.force_mark(&btc(), Price::of(dec!(95381.5)));
    let summary = exchange.account_summary(id).expect("account");
    assert_eq!(summary.liquidated_at, Some(exchange.now()));
    assert!(summary.positions.is_empty());
    // Margin left was 190.75; taker fee 23.85 and liquidation fee 596 take all of it.
    assert_eq!(summary.cross_wallet, money(dec!(7500)));
    assert_eq!(summary.isolated_wallets, Money::ZERO);
    let notices = exchange.take_notices();
    let kinds: Vec<&str> = notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Mark { .. } => None,
            Notice::Private { notice, .. } => Some(match notice.as_ref() {
                PrivateNotice::MarginCall { .. } => "call",
                PrivateNotice::Order { order, execution } => {
                    assert!(order.client_id.starts_with("autoclose-"));
                    assert!(matches!(execution, Execution::Calculated(_)));
                    "order"
                }
                PrivateNotice::Account { .. } => "account",
                PrivateNotice::Leverage { .. } => "leverage",
                PrivateNotice::Algo(_) => "algo",
            }),
        })
        .collect();
    assert_eq!(kinds, ["call", "order", "account", "account"]);
}

#[test]
fn a_gap_through_bankruptcy_costs_a_cross_account_its_wallet_and_no_more() {
    let (mut exchange, id) = venue(&[dec!(100000), dec!(70000)]);
    exchange
        .open_position(
            id,
            &btc(),
            Side::Long,
            money(dec!(100000)),
            20,
            MarginMode::Cross,
        )
        .expect("opened");
    exchange.advance_to(after(5_000));
    let summary = exchange.account_summary(id).expect("account");
    assert_eq!(summary.equity, Money::ZERO);
    assert_eq!(summary.liquidated_at, Some(after(5_000)));
}

#[test]
fn the_venue_tops_up_where_the_owner_asked_for_it() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    exchange.set_auto_add(id, &btc(), true);
    exchange.force_mark(&btc(), Price::of(dec!(95300)));
    let view = exchange.position(id, &both()).expect("view");
    // One initial margin at the mark: 0.5 * 95,300 / 20.
    assert_eq!(view.isolated_wallet, money(dec!(2500) + dec!(2382.5)));
    assert_eq!(
        exchange.account_summary(id).expect("account").liquidated_at,
        None
    );
}

#[test]
fn resting_orders_fill_when_the_mark_reaches_them_and_reductions_go_with_the_position() {
    let (mut exchange, id) = venue(&[dec!(100000), dec!(99000), dec!(101500)]);
    let limit = |side, price, size| OrderRequest {
        kind: OrderKind::Limit,
        price: Some(Price::of(price)),
        ..OrderRequest::market(&btc(), side, q(size))
    };
    let buy = limit(OrderSide::Buy, dec!(99500), dec!(0.1));
    let order = exchange.place(id, &buy).expect("rests");
    assert_eq!(order.status, OrderStatus::New);
    exchange.advance_to(after(5_000));
    let filled = exchange
        .find_order(id, &btc(), Some(order.id), None)
        .expect("order");
    assert_eq!(filled.status, OrderStatus::Filled);
    assert_eq!(filled.average(), Some(Price::of(dec!(99500))));
    for price in [dec!(101000), dec!(102000)] {
        let sell = limit(OrderSide::Sell, price, dec!(0.05)).reducing();
        exchange.place(id, &sell).expect("rests");
    }
    exchange.advance_to(after(10_000));
    assert_eq!(exchange.positions(id)[0].quantity, q(dec!(0.05)));
    let rest = OrderRequest::market(&btc(), OrderSide::Sell, q(dec!(0.05)));
    exchange.place(id, &rest).expect("closed");
    assert!(exchange.open_orders(id).is_empty());
}

#[test]
fn filters_refuse_with_their_own_reason() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    let market = |size| OrderRequest::market(&btc(), OrderSide::Buy, q(size));
    let limit = |price, force| OrderRequest {
        kind: OrderKind::Limit,
        price: Some(Price::of(price)),
        time_in_force: force,
        ..market(dec!(0.01))
    };
    let cases = [
        (market(dec!(0.0015)), Refusal::Precision),
        (market(dec!(0)), Refusal::QuantityNotPositive),
        (market(dec!(121)), Refusal::QuantityTooLarge),
        (market(dec!(3)), Refusal::MarginInsufficient),
        (limit(dec!(99000.05), TimeInForce::Gtc), Refusal::PriceTick),
        (
            limit(dec!(105000.1), TimeInForce::Gtc),
            Refusal::PriceTooHigh {
                limit: Price::of(dec!(105000)),
            },
        ),
        (limit(dec!(101000), TimeInForce::Gtx), Refusal::WouldTake),
        (limit(dec!(99000), TimeInForce::Fok), Refusal::NotFillable),
    ];
    for (request, refusal) in cases {
        assert_eq!(exchange.place(id, &request), Err(refusal));
    }
    exchange.force_mark(&btc(), Price::of(dec!(40000)));
    let small = exchange.place(id, &market(dec!(0.001)));
    assert_eq!(
        small,
        Err(Refusal::MinNotional {
            limit: money(dec!(50))
        })
    );
}

#[test]
fn a_market_order_is_refused_when_the_best_price_lies_beyond_the_bound() {
    let mut market = btc_market();
    market.instrument.market_take_bound = Some(Rate::of(dec!(0.00001)));
    let mut exchange = Exchange::new(ExchangeSpec::new(
        vec![(market, tape(&[dec!(100000)]))],
        START,
    ));
    let id = exchange.add_account("key", "secret".into(), money(dec!(10000)));
    let request = OrderRequest::market(&btc(), OrderSide::Buy, q(dec!(0.01)));
    assert_eq!(exchange.place(id, &request), Err(Refusal::MarketBound));
}

#[test]
fn income_rows_explain_every_change_of_the_wallets() {
    let (mut exchange, id) = venue(&[dec!(100000), dec!(97000), dec!(93000)]);
    let start = exchange.account_summary(id).expect("account").cross_wallet;
    long(&mut exchange, id, MarginMode::Isolated);
    exchange.advance_to(after(5_000));
    let sell = OrderRequest::market(&btc(), OrderSide::Sell, q(dec!(0.2))).reducing();
    exchange.place(id, &sell).expect("reduced");
    exchange.advance_to(after(10_000));
    let summary = exchange.account_summary(id).expect("account");
    assert!(summary.liquidated_at.is_some());
    let told: Money = exchange.income(id).iter().map(|row| row.amount).sum();
    assert_eq!(summary.cross_wallet - start, told);
}

#[test]
fn settings_are_refused_with_a_position_open() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    let cross = MarginMode::Cross;
    assert_eq!(
        exchange.set_margin_mode(id, &btc(), cross),
        Err(Refusal::SameMarginType)
    );
    let refused = exchange.set_leverage(id, &btc(), 151);
    assert_eq!(refused, Err(Refusal::InvalidLeverage { leverage: 151 }));
    long(&mut exchange, id, MarginMode::Isolated);
    assert_eq!(
        exchange.set_margin_mode(id, &btc(), cross),
        Err(Refusal::MarginTypePosition)
    );
    assert_eq!(
        exchange.set_leverage(id, &btc(), 10),
        Err(Refusal::LeverageReduction)
    );
    assert_eq!(
        exchange.set_leverage(id, &btc(), 50),
        Ok(money(dec!(12000000)))
    );
    let much = money(dec!(8000));
    assert_eq!(
        exchange.move_margin(id, &both(), much),
        Err(Refusal::CrossInsufficient)
    );
    let take = money(dec!(-2400));
    assert_eq!(
        exchange.move_margin(id, &both(), take),
        Err(Refusal::IsolatedInsufficient)
    );
}

#[test]
fn transfers_move_money_once_and_only_what_is_there() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    exchange.set_outside_wallets(id, money(dec!(500)), Money::ZERO);
    let kind = TransferKind::SpotToFutures;
    exchange
        .transfer(id, kind, money(dec!(400)))
        .expect("moved");
    let again = exchange.transfer(id, kind, money(dec!(400)));
    assert_eq!(again, Err(Refusal::TransferInsufficient));
    assert_eq!(exchange.outside_wallets(id).0, money(dec!(100)));
    let summary = exchange.account_summary(id).expect("account");
    assert_eq!(summary.cross_wallet, money(dec!(10400)));
}

#[test]
fn the_same_seed_and_calls_give_the_same_notices() {
    let marks: Vec<Decimal> = (0..200)
        .map(|i| dec!(100000) - Decimal::from(i * i % 977))
        .collect();
    let play = |seed| {
        let (mut exchange, id) = venue_with(&marks, |spec| spec.seed = seed);
        long(&mut exchange, id, MarginMode::Isolated);
        exchange.advance_to(after(400_000));
        let sell = OrderRequest::market(&btc(), OrderSide::Sell, q(dec!(0.25)));
        exchange.place(id, &sell).expect("reduced");
        exchange.advance_to(after(1_000_000));
        exchange.take_notices()
    };
    assert_eq!(play(7), play(7));
    assert_ne!(play(7), play(8));
}

fn stop(trigger: Decimal) -> AlgoRequest {
    AlgoRequest {
        symbol: btc(),
        side: OrderSide::Sell,
        position_side: None,
        kind: AlgoKind::StopMarket,
        trigger: Price::of(trigger),
        working: WorkingPrice::Mark,
        quantity: None,
        reduce_only: None,
        client_id: Some("net".to_owned()),
    }
}

#[test]
fn a_close_position_stop_takes_the_position_out_before_the_line() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    let order = exchange.place_algo(id, &stop(dec!(96500))).expect("rests");
    let again = exchange.place_algo(id, &stop(dec!(96000)));
    assert_eq!(again, Err(Refusal::DuplicateClientId));
    exchange.force_mark(&btc(), Price::of(dec!(96500.1)));
    assert_eq!(exchange.open_algos(id).len(), 1);
    exchange.force_mark(&btc(), Price::of(dec!(96500)));
    let done = exchange.find_algo(id, Some(order.id), None).expect("order");
    assert_eq!(
        (done.status, done.executed),
        (AlgoStatus::Finished, q(dec!(0.5)))
    );
    assert!(exchange.positions(id).is_empty());
    assert_eq!(
        exchange.account_summary(id).expect("account").liquidated_at,
        None
    );
}

#[test]
fn a_stop_that_would_trigger_at_once_or_has_nothing_to_close_does_nothing() {
    let (mut exchange, id) = venue(&[dec!(100000)]);
    let refused = exchange.place_algo(id, &stop(dec!(100000)));
    assert_eq!(refused, Err(Refusal::WouldTrigger));
    let order = exchange.place_algo(id, &stop(dec!(99000))).expect("rests");
    assert_eq!(
        exchange.set_hedge(id, true),
        Err(Refusal::PositionModeOrders)
    );
    exchange.force_mark(&btc(), Price::of(dec!(98000)));
    let done = exchange.find_algo(id, Some(order.id), None).expect("order");
    assert_eq!((done.status, done.order_id), (AlgoStatus::Expired, None));
}

#[test]
fn a_gap_past_stop_and_line_liquidates_and_cancels_the_stop() {
    let (mut exchange, id) = example(ReleaseModel::ProRata);
    let order = exchange.place_algo(id, &stop(dec!(96500))).expect("rests");
    exchange.force_mark(&btc(), Price::of(dec!(95000)));
    let done = exchange.find_algo(id, Some(order.id), None).expect("order");
    assert_eq!(done.status, AlgoStatus::Canceled);
    assert!(
        exchange
            .account_summary(id)
            .expect("account")
            .liquidated_at
            .is_some()
    );
}

//! Killed while a resting order was being cancelled or money moved in: a restart finds out what
//! became of that, repeats nothing, and goes on with the rescue.
#![allow(clippy::expect_used, reason = "a test program: it fails by panicking")]

#[path = "support/acting.rs"]
mod acting;
#[path = "support/venue.rs"]
mod venue;

use acting::{ORDER, acting, endings, sent, verified};
use plimsoll::domain::{Money, Price, Quantity, Symbol};
use plimsoll::guard::intent::Ending;
use plimsoll::sim::face::{Effect, Fault};
use plimsoll::sim::{KeyScopes, OrderKind, OrderRequest, OrderSide};
use rust_decimal::dec;
use venue::{Home, ISOLATED, Opening, SYMBOL, Venue};

const TRANSFER: &str = "/sapi/v1/asset/transfer";

/// A buy order far below the mark that locks nearly all that is free.
fn lock(venue: &Venue) {
    let symbol = Symbol::new(SYMBOL);
    let mut request = OrderRequest::market(&symbol, OrderSide::Buy, Quantity::of(dec!(2.28)));
    request.kind = OrderKind::Limit;
    request.price = Some(Price::of(dec!(38500)));
    let placed = venue
        .face()
        .with(|exchange| exchange.place(venue.account, &request));
    placed.expect("rests");
    assert_eq!(resting(venue), 1);
}

fn resting(venue: &Venue) -> usize {
    let orders = venue
        .face()
        .with(|exchange| exchange.open_orders(venue.account));
    orders.len()
}

fn moved(venue: &Venue) -> usize {
    let moved = venue
        .face()
        .with(|exchange| exchange.transfers(venue.account));
    moved.len()
}

fn requests(venue: &Venue, method: &str, path: &str) -> usize {
    let acts = venue.acts();
    let wanted = acts
        .iter()
        .filter(|act| act.method == method && act.path == path);
    wanted.count()
}

/// Runs again after the kill, `before` which so many additions were seen, until margin was added and all that was begun has ended well.
fn goes_on(venue: &Venue, home: &Home, before: usize) {
    let mut program = home.run();
    program.until("margin is added and seen", || {
        venue.added().len() == 1 + before && verified(home).len() == 2 + before
    });
    program.stop();
    let ended = endings(home);
    assert!(
        ended
            .iter()
            .all(|(_, ending)| matches!(ending, Ending::Verified { .. })),
        "{ended:?}"
    );
    assert_eq!(sent(home).len(), 2 + before);
    assert_eq!(venue.orders(), 0, "the position is whole");
}

#[test]
fn an_order_that_was_cancelled_before_the_kill_is_not_cancelled_again() {
    let venue = Venue::with(ISOLATED);
    lock(&venue);
    let home = acting(&venue);
    let fault = Fault::once("DELETE", ORDER, Effect::HoldReplyAfterApply);
    venue.face().inject(fault);
    let mut program = home.run();
    program.until("the order is gone", || resting(&venue) == 0);
    program.kill();
    // What was free was added first.
    let before = endings(&home).len();
    assert!(before <= 1 && before == venue.added().len());
    goes_on(&venue, &home, before);
    assert_eq!(requests(&venue, "DELETE", ORDER), 1);
}

#[test]
fn money_that_was_moved_before_the_kill_is_not_moved_again() {
    let venue = Venue::with(Opening {
        usdt: dec!(520),
        ..ISOLATED
    });
    venue.face().with(|exchange| {
        exchange.set_outside_wallets(venue.account, Money::of(dec!(3000)), Money::ZERO);
        let scopes = KeyScopes {
            universal_transfer: true,
            ..exchange.scopes(venue.account).expect("scopes")
        };
        exchange.set_scopes(venue.account, scopes);
    });
    let mut home = acting(&venue);
    home.set("exchange", "allow_wallet_transfer = true");
    home.set("budget", "move_in_per_day_usdt = 1000");
    let fault = Fault::once("POST", TRANSFER, Effect::HoldReplyAfterApply);
    venue.face().inject(fault);
    let mut program = home.run();
    program.until("the money has moved", || moved(&venue) == 1);
    program.kill();
    assert!(endings(&home).is_empty());
    goes_on(&venue, &home, 0);
    assert_eq!(moved(&venue), 1);
    assert_eq!(requests(&venue, "POST", TRANSFER), 1);
}

#[test]
fn a_budget_for_moving_money_in_is_refused_with_a_key_that_may_not() {
    let venue = Venue::with(ISOLATED);
    let mut home = acting(&venue);
    home.set("exchange", "allow_wallet_transfer = true");
    home.set("budget", "move_in_per_day_usdt = 1000");
    let (status, _, err) = home.run().ended();
    assert!(!status.success());
    assert!(err.contains("Permits Universal Transfer"), "{err}");
}

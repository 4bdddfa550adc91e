//! The two accounts of a play and the policy that guards one of them.

use rust_decimal::Decimal;
use secrecy::SecretString;

use super::super::exit::UsageError;
use super::Play;
use crate::domain::{Money, Rate};
use crate::guard::event::Mode;
use crate::guard::policy::Policy;
use crate::sim::{AccountId, Exchange, ExchangeSpec, market};

pub(super) const KEY: &str = "demo-key";
pub(super) const SECRET: &str = "demo-secret";
const TWIN_KEY: &str = "twin-key";
const TWIN_SECRET: &str = "twin-secret";
pub(super) const GUARDED: Who = Who::Guarded;
pub(super) const TWIN: Who = Who::Twin;
/// Initial margin of the position in USDT.
pub(super) const MARGIN: Money = Money::of(Decimal::ONE_THOUSAND);
/// Extra balance for the opening fee and slippage, as a share of the notional.
const OPENING_SHARE: Decimal = Decimal::from_parts(2, 0, 0, false, 3);

#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    Guarded,
    Twin,
}

pub(super) struct Accounts {
    guarded: AccountId,
    twin: AccountId,
}

impl Accounts {
    pub(super) fn get(&self, who: Who) -> AccountId {
        match who {
            Who::Guarded => self.guarded,
            Who::Twin => self.twin,
        }
    }
}

/// The exchange with both positions open.
pub(super) fn open(play: &Play) -> anyhow::Result<(Exchange, Accounts)> {
    let tape = play.tape.clone();
    let symbol = tape.symbol.clone();
    let Some(first) = tape.marks.first().copied() else {
        return Err(UsageError::new("the tape has no prices").into());
    };
    let market = market::for_symbol(&symbol, first);
    let most = market.max_leverage();
    if play.leverage > most {
        let text = format!(
            "--leverage {} is above the {most} that {symbol} allows",
            play.leverage
        );
        return Err(UsageError::new(text).into());
    }
    let mut spec = ExchangeSpec::new(vec![(market, tape)], play.tape.start);
    spec.seed = play.seed;
    let mut exchange = Exchange::new(spec);
    let notional = MARGIN * Rate::of(Decimal::from(play.leverage));
    let deposit = MARGIN + play.reserve + notional * Rate::of(OPENING_SHARE);
    let mut account = |key: &str, secret: &str| {
        let id = exchange.add_account(key, SecretString::from(secret.to_owned()), deposit);
        exchange
            .open_position(id, &symbol, play.side, notional, play.leverage, play.mode)
            .map_err(|refusal| {
                UsageError::new(format!("the position cannot be opened: {refusal}"))
            })?;
        Ok::<_, UsageError>(id)
    };
    let accounts = Accounts {
        guarded: account(KEY, SECRET)?,
        twin: account(TWIN_KEY, TWIN_SECRET)?,
    };
    Ok((exchange, accounts))
}

/// Default policy in `auto` mode with the reserve as budget.
pub(super) fn policy(play: &Play) -> Policy {
    let mut policy = Policy {
        mode: Mode::Auto,
        ..Policy::default()
    };
    policy.budgets.add_per_action = play.reserve;
    policy.budgets.add_per_position_day = play.reserve;
    policy
}

//! The real guard in an episode: a tiny exact account obeys the rules of the standard episode, and a
//! driver feeds the guard what a live one would see.
//!
//! The position has a notional of a million, so that lot steps and steps of money do not matter. The
//! account is read at once whenever the guard asks; the exchange's answers are always known.
//!
//! A delay below a step is taken literally, for each act. Of a delay in whole steps the grid would
//! charge more than was meant: there an act counts from the last step, and the second half of
//! trim-and-recycle, which waits for an answer and not for the market, follows the first at once.

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::episode::{Episode, Outcome, Stepping};
use super::holding::slippage;
use super::path::{MINUTE_STEPS, Path, float};
use super::{FEE, STEP_MS, Settings};
use crate::domain::{
    Account, Balance, ContractKind, Instrument, InstrumentStatus, LotLimits, MarginMode, Money,
    Position, PositionKey, PositionMode, PositionSide, Price, Quantity, Rate, Side, Tier,
    TierTable, Timestamp,
};
use crate::forecast::Gauge;
use crate::guard::Guard;
use crate::guard::action::Action;
use crate::guard::event::{Event, Mark, Mode, Refresh};
use crate::guard::intent::{FillReport, Intent, IntentKind, Outcome as Sent, Resolution};
use crate::guard::policy::{Policy, Preset};

/// Entry notional in units of the settlement asset.
const NOTIONAL: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
const ASSET: &str = "USDT";
/// Significant digits of a position's size.
const SIZE_DIGITS: i32 = 8;
/// Most decimals of a size.
const SIZE_DECIMALS_MAX: i32 = 12;
/// Highest leverage of the single tier.
const LEVERAGE_MAX: u32 = 1_000;
/// A stretch is passed over only where the distance is above the hard floor by this factor.
const CLEAR_OF_FLOOR: f64 = 1.01;
/// Most acts and answers within one step; more would be a guard that turns in circles.
const ROUNDS_MAX: usize = 1_000;

/// Plays `episode` under the guard.
pub(super) fn outcome(
    path: &Path,
    episode: &Episode,
    preset: Preset,
    settings: &Settings,
    stepping: Stepping,
) -> Outcome {
    let mut stage = Stage::open(path, episode, preset, settings);
    stage.warm_up();
    let mut step = episode.entry + 1;
    while step <= episode.end && !stage.venue.quantity.is_zero() {
        if stepping == Stepping::Sparing {
            step = stage.pass_over(step);
        }
        stage.step(step);
        step += 1;
    }
    stage.outcome()
}

/// The account's side of the world.
struct Venue {
    key: PositionKey,
    side: Side,
    leverage: u32,
    rate: Rate,
    open: bool,
    quantity: Quantity,
    entry: Price,
    /// Isolated wallet.
    wallet: Money,
    /// Free balance.
    cross: Money,
    mark: Price,
    /// New margin that did not come out of a trim.
    added: Money,
    friction: Money,
    actions: u32,
    liquidated: bool,
    lot: Decimal,
    tick: Decimal,
}

struct Stage<'a> {
    path: &'a Path,
    episode: &'a Episode,
    guard: Guard,
    venue: Venue,
    delay_ms: i64,
    step: usize,
    now: Timestamp,
    /// When it takes effect.
    pending: Option<(Timestamp, Intent)>,
    /// Size, margin and free balance at entry.
    start: (Quantity, Money, Money),
    /// Liquidation price as a float, for the look at every step.
    line: f64,
    gauge: Gauge,
    /// Share of the price above which the hard floor is surely not crossed.
    floor: f64,
    sigma: f64,
}

impl<'a> Stage<'a> {
    fn open(path: &'a Path, episode: &'a Episode, preset: Preset, settings: &Settings) -> Self {
        let venue = Venue::open(path, episode, settings);
        let start = (venue.quantity, venue.wallet, venue.cross);
        let warm_steps = usize::try_from(settings.warm_up_ms.max(0) / STEP_MS).unwrap_or(0);
        let step = episode.entry.saturating_sub(warm_steps);
        let now = path.time(step);
        let delay_ms = settings.delay_ms.max(0);
        let policy = policy(venue.cross, preset, delay_ms);
        Self {
            path,
            episode,
            floor: float(policy.triggers.floor_distance.get()) * CLEAR_OF_FLOOR,
            gauge: Gauge::new(preset.caution(), policy.triggers.time_needed_ms),
            guard: Guard::new(policy, now),
            venue,
            delay_ms,
            step,
            now,
            pending: None,
            start,
            line: 0.0,
            sigma: 0.0,
        }
    }

    /// The minutes before the position is opened, so that the guard knows the market.
    fn warm_up(&mut self) {
        self.feed(Event::Recovered(Box::default()));
        let fee = Rate::of(Decimal::from_f64(FEE).unwrap_or_default());
        self.feed(Event::TakerFee {
            symbol: None,
            rate: fee,
        });
        self.remember(self.step, self.episode.entry);
        // What the last whole minute leaves, and the last seconds.
        let rest = self.episode.entry % MINUTE_STEPS;
        for step in self.episode.entry.saturating_sub(rest + 1)..self.episode.entry {
            self.enter(step);
            self.feed(self.mark());
        }
        self.enter(self.episode.entry);
        self.venue.open = true;
        self.feed(self.mark());
        self.feed(Event::Account(self.venue.picture(self.now)));
        self.measure();
    }

    /// Tells the guard the whole minutes between two steps as an exchange tells past prices.
    fn remember(&mut self, first: usize, end: usize) {
        let minutes = self.path.minutes_between(first, end);
        let bars = minutes.iter().map(|minute| minute.bar).collect();
        let symbol = self.venue.key.symbol.clone();
        self.feed(Event::History { symbol, bars });
    }

    /// Passes over whole minutes in which no price comes as near to the line as any rescue starts, but
    /// for the last of them: with that the guard finds its way back. Returns the step to go on with.
    fn pass_over(&mut self, step: usize) -> usize {
        let mut end = step;
        while end + MINUTE_STEPS <= self.episode.end + 1 && self.is_clear(end) {
            end += MINUTE_STEPS;
        }
        let resume = end.saturating_sub(MINUTE_STEPS);
        if resume <= step {
            return step;
        }
        self.enter(resume - 1);
        self.remember(step, resume);
        resume
    }

    /// Is the minute that begins at `step` one in which nothing can be decided?
    fn is_clear(&self, step: usize) -> bool {
        let Some(minute) = self.path.minute_from(step) else {
            return false;
        };
        let falls_hurt = self.episode.side == Side::Long;
        let worst = match self.episode.side {
            Side::Long => minute.bar.low,
            Side::Short => minute.bar.high,
        };
        let worst = float(worst.get());
        let distance = self.episode.sign() * (worst - self.line) / worst;
        let needed = minute.needed_at_most(&self.gauge, falls_hurt);
        self.pending.is_none()
            && !self.guard.is_acting()
            && needed.is_some_and(|needed| distance > needed.max(self.floor))
    }

    /// Between two steps acts take effect and the guard is woken where it wants to be; then the price
    /// moves; then liquidation; then what was sent before takes effect, and the guard decides.
    fn step(&mut self, step: usize) {
        let time = self.path.time(step);
        for _ in 0..ROUNDS_MAX {
            let due = self.pending.as_ref().map(|(due, _)| *due);
            let next = due.into_iter().chain(self.guard.deadline()).min();
            let Some(next) = next.filter(|next| *next < time) else {
                break;
            };
            self.now = self.now.max(next);
            let after_ms = self.now.since(self.path.time(self.step));
            self.venue.mark = self.path.price_after(self.step, after_ms);
            if self.is_lost() {
                self.venue.liquidate();
                return;
            }
            match self.pending.take_if(|(due, _)| *due <= self.now) {
                Some((_, intent)) => self.carry_out(&intent),
                None => self.feed(Event::Tick),
            }
        }
        self.enter(step);
        if self.is_lost() {
            self.venue.liquidate();
            return;
        }
        let due = self.pending.take_if(|(due, _)| *due <= self.now);
        self.feed(self.mark());
        if let Some((_, intent)) = due {
            self.carry_out(&intent);
        }
    }

    /// Is the mark at the liquidation price or beyond it?
    fn is_lost(&self) -> bool {
        self.episode.sign() * (float(self.venue.mark.get()) - self.line) <= 0.0
    }

    fn carry_out(&mut self, intent: &Intent) {
        let done = self.execute(intent);
        self.feed(done);
    }

    fn enter(&mut self, step: usize) {
        self.step = step;
        self.now = self.path.time(step);
        self.venue.mark = self.path.price(step);
        self.sigma = self.path.block(step).sigma;
    }

    fn mark(&self) -> Event {
        Event::Mark(Mark {
            symbol: self.venue.key.symbol.clone(),
            price: self.venue.mark,
            funding_rate: None,
            next_funding_at: None,
            at: self.now,
        })
    }

    /// Hands one event to the guard and does all that follows from it within this step.
    fn feed(&mut self, event: Event) {
        self.guard.handle(event, self.now);
        for _ in 0..ROUNDS_MAX {
            let Some(action) = self.guard.next_action() else {
                return;
            };
            for event in self.answer(action) {
                self.guard.handle(event, self.now);
            }
        }
    }

    fn answer(&mut self, action: Action) -> Vec<Event> {
        match action {
            Action::Send(intent) if self.delay_ms == 0 => vec![self.execute(&intent)],
            Action::Send(intent) if self.delay_ms < STEP_MS => {
                self.pending = Some((self.now.plus_ms(self.delay_ms), intent));
                Vec::new()
            }
            Action::Send(intent) if intent.recycled => vec![self.execute(&intent)],
            Action::Send(intent) => {
                let decided = self.path.time(self.step);
                self.pending = Some((decided.plus_ms(self.delay_ms), intent));
                Vec::new()
            }
            Action::Refresh(Refresh::Account) => vec![Event::Account(self.venue.picture(self.now))],
            Action::Refresh(Refresh::Rules) => self.venue.rules(),
            // The past was told before the position was opened.
            Action::Refresh(Refresh::History) => Vec::new(),
            Action::Resolve { intent, .. } => vec![Event::Resolved {
                intent: intent.id,
                resolution: Resolution::Working,
            }],
            Action::Record(_) | Action::Ask(_) | Action::Unask { .. } | Action::Report(_) => {
                Vec::new()
            }
        }
    }

    fn execute(&mut self, intent: &Intent) -> Event {
        let fill = match &intent.kind {
            IntentKind::AddMargin { amount } => {
                self.venue.add(*amount, intent.recycled);
                None
            }
            IntentKind::Reduce { quantity, .. } => Some(self.venue.reduce(*quantity, self.sigma)),
            IntentKind::TakeBack { amount } => {
                self.venue.add(-*amount, true);
                None
            }
            // A replay has neither resting orders nor other wallets.
            IntentKind::CancelOrders { .. } | IntentKind::MoveIn { .. } => None,
        };
        self.measure();
        Event::Outcome {
            intent: intent.id.clone(),
            outcome: Sent::Done { fill },
        }
    }

    fn measure(&mut self) {
        let venue = &self.venue;
        let sign = self.episode.sign();
        let (quantity, entry) = (float(venue.quantity.get()), float(venue.entry.get()));
        let rate = float(venue.rate.get());
        self.line = (sign * entry - float(venue.wallet.get()) / quantity) / (sign - rate);
    }

    fn outcome(self) -> Outcome {
        let (quantity, margin, cross) = self.start;
        let venue = &self.venue;
        let share =
            |part: Money, whole: Money| part.ratio(whole).map_or(0.0, |rate| float(rate.get()));
        let kept = venue.quantity.ratio(quantity);
        let last = self.path.price(self.episode.end);
        let left = venue.balance(last).max(Money::ZERO) + venue.cross;
        Outcome {
            liquidated: venue.liquidated,
            kept: kept.map_or(0.0, |rate| float(rate.get())),
            friction: share(venue.friction, venue.entry * quantity),
            new_money: share(venue.added, margin),
            actions: venue.actions,
            wealth: share(left, margin + cross),
        }
    }
}

/// The default policy in `auto` mode; what may be added is the reserve.
fn policy(reserve: Money, preset: Preset, delay_ms: i64) -> Policy {
    let mut policy = Policy {
        mode: Mode::Auto,
        instance: "replay".to_owned(),
        ..Policy::default()
    };
    policy.triggers.preset = preset;
    policy.triggers.time_needed_ms = delay_ms;
    policy.budgets.add_per_action = reserve;
    policy.budgets.add_per_position_day = reserve;
    policy
}

impl Venue {
    fn open(path: &Path, episode: &Episode, settings: &Settings) -> Self {
        let entry = path.price(episode.entry);
        let whole = NOTIONAL.checked_div(entry.get()).unwrap_or(Decimal::ONE);
        let digits = whole.to_f64().map_or(0, |size| size.log10().floor() as i32);
        let decimals = (SIZE_DIGITS - digits).clamp(0, SIZE_DECIMALS_MAX);
        let lot = Decimal::new(1, decimals.unsigned_abs());
        let quantity = Quantity::of(whole).floor_to(lot).max(Quantity::of(lot));
        let cent = Decimal::new(1, 2);
        let margin = (entry * quantity).get() / Decimal::from(episode.leverage);
        let wallet = Money::of(margin).floor_to(cent);
        let reserve = Rate::of(Decimal::from_f64(settings.reserve).unwrap_or_default());
        Self {
            key: PositionKey {
                symbol: path.symbol.clone(),
                position_side: PositionSide::Both,
            },
            side: episode.side,
            leverage: episode.leverage,
            rate: path.maintenance_rate(),
            open: false,
            quantity,
            entry,
            wallet,
            cross: (wallet * reserve).floor_to(cent),
            mark: entry,
            added: Money::ZERO,
            friction: Money::ZERO,
            actions: 0,
            liquidated: false,
            lot,
            tick: Decimal::new(1, path.decimals()),
        }
    }

    fn balance(&self, mark: Price) -> Money {
        let gain = (mark - self.entry) * self.quantity;
        self.wallet
            + match self.side {
                Side::Long => gain,
                Side::Short => -gain,
            }
    }

    fn add(&mut self, amount: Money, recycled: bool) {
        let amount = amount.min(self.cross);
        self.wallet += amount;
        self.cross -= amount;
        if !recycled {
            self.added += amount;
            self.actions += 1;
        }
    }

    /// A reduce-only market order; the margin of the closed part goes to the free balance.
    fn reduce(&mut self, wanted: Quantity, sigma: f64) -> FillReport {
        let quantity = wanted.min(self.quantity);
        let slip = Rate::of(Decimal::from_f64(slippage(sigma)).unwrap_or_default());
        let price = match self.side {
            Side::Long => self.mark * (Rate::ONE - slip),
            Side::Short => self.mark * (Rate::ONE + slip),
        };
        let fee = (price * quantity) * Rate::of(Decimal::from_f64(FEE).unwrap_or_default());
        let gain = match self.side {
            Side::Long => (price - self.entry) * quantity,
            Side::Short => (self.entry - price) * quantity,
        };
        let part = quantity.ratio(self.quantity).unwrap_or(Rate::ONE);
        let freed = self.wallet * part;
        self.wallet -= freed;
        self.cross += freed + gain - fee;
        self.quantity -= quantity;
        self.friction += fee + (price - self.mark).abs() * quantity;
        self.actions += 1;
        if self.quantity.is_zero() {
            self.cross += std::mem::take(&mut self.wallet);
        }
        FillReport {
            quantity,
            average_price: Some(price),
            fee: Some(fee),
        }
    }

    fn liquidate(&mut self) {
        self.friction += self.balance(self.mark).max(Money::ZERO);
        self.quantity = Quantity::ZERO;
        self.wallet = Money::ZERO;
        self.liquidated = true;
    }

    fn picture(&self, now: Timestamp) -> Account {
        let position = Position {
            key: self.key.clone(),
            side: self.side,
            quantity: self.quantity,
            entry_price: self.entry,
            margin_mode: MarginMode::Isolated,
            margin_asset: ASSET.to_owned(),
            leverage: Some(self.leverage),
            isolated_wallet: self.wallet,
            mark_price: self.mark,
            venue_liquidation: None,
            venue_maintenance: None,
            auto_add_margin: false,
            updated_at: now,
        };
        let held = self.open && self.quantity.is_positive();
        let balance = Balance {
            cross_wallet: self.cross,
            available: self.cross,
        };
        Account {
            position_mode: PositionMode::OneWay,
            multi_assets: false,
            can_trade: true,
            balances: [(ASSET.to_owned(), balance)].into(),
            positions: held.then_some(position).into_iter().collect(),
            open_orders: None,
            taken_at: now,
        }
    }

    /// One tier, fine steps, no fee on liquidation: the standard episode takes the margin left.
    fn rules(&self) -> Vec<Event> {
        let limits = LotLimits {
            min: Quantity::of(self.lot),
            max: Quantity::of(Decimal::from(10_000_000_000_000_u64)),
            step: self.lot,
        };
        let instrument = Instrument {
            symbol: self.key.symbol.clone(),
            contract: ContractKind::Linear,
            perpetual: true,
            margin_asset: ASSET.to_owned(),
            status: InstrumentStatus::Trading,
            tick: self.tick,
            limit_lot: limits,
            market_lot: limits,
            min_notional: Money::ZERO,
            price_cap_factor: None,
            price_floor_factor: None,
            market_take_bound: None,
            liquidation_fee: Rate::ZERO,
            delivery_at: None,
        };
        let tier = Tier::of(0, None, self.rate.get(), Decimal::ZERO, LEVERAGE_MAX);
        let mut events = vec![Event::Instruments(vec![instrument])];
        events.extend(TierTable::new(vec![tier]).ok().map(|table| Event::Tiers {
            symbol: self.key.symbol.clone(),
            table,
        }));
        events
    }
}

//! An isolated linear position in units of its entry notional: the price is 1 at entry, the position
//! is the share that is still held.

use super::{FEE, SLIPPAGE, SLIPPAGE_PER_SIGMA};

/// Position, margin and reserve, and what was spent so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Holding {
    /// 1 for a long, −1 for a short.
    pub(super) sign: f64,
    /// Maintenance margin over notional.
    pub(super) rate: f64,
    /// Share still held, 0..1.
    pub(super) share: f64,
    /// Isolated wallet, without unrealised profit.
    pub(super) margin: f64,
    /// Balance beside the position.
    pub(super) reserve: f64,
    /// Initial margin.
    pub(super) initial: f64,
    /// New margin added.
    pub(super) added: f64,
    /// Fees, slippage and margin lost in liquidation.
    pub(super) friction: f64,
}

impl Holding {
    pub(super) fn open(sign: f64, rate: f64, initial: f64, reserve: f64) -> Self {
        Self {
            sign,
            rate,
            share: 1.0,
            margin: initial,
            reserve,
            initial,
            added: 0.0,
            friction: 0.0,
        }
    }

    pub(super) fn notional(&self, price: f64) -> f64 {
        self.share * price
    }

    /// Margin balance: wallet and unrealised profit.
    pub(super) fn balance(&self, price: f64) -> f64 {
        self.margin + self.share * self.sign * (price - 1.0)
    }

    /// Price at which the margin balance equals `ratio` times the maintenance margin; with 1 the
    /// liquidation price. From `margin + share·sign·(p − 1) = ratio·rate·share·p`.
    pub(super) fn price_at(&self, ratio: f64) -> f64 {
        if self.share <= 0.0 {
            return self.never();
        }
        (self.sign - self.margin / self.share) / (self.sign - ratio * self.rate)
    }

    /// Liquidation price.
    pub(super) fn line(&self) -> f64 {
        self.price_at(1.0)
    }

    /// A price that is never reached on the way to the line.
    pub(super) fn never(&self) -> f64 {
        -self.sign * f64::INFINITY
    }

    /// Price at which the line is `distance` away, as a fraction of that price.
    pub(super) fn price_at_distance(&self, distance: f64) -> f64 {
        let line = self.line();
        let left = 1.0 - self.sign * distance;
        if left <= 0.0 {
            -self.never()
        } else {
            line / left
        }
    }

    /// Is `price` at `trigger` or beyond it, seen from the safe side?
    pub(super) fn reached(&self, price: f64, trigger: f64) -> bool {
        self.sign * (price - trigger) <= 0.0
    }

    /// Moves up to `amount` from the reserve into the margin.
    pub(super) fn add(&mut self, amount: f64) {
        let amount = amount.min(self.reserve).max(0.0);
        self.margin += amount;
        self.reserve -= amount;
        self.added += amount;
    }

    /// Closes `part` (0..1) of what is held and keeps all margin but the realised loss and the cost.
    pub(super) fn recycle(&mut self, part: f64, price: f64, sigma: f64) {
        let part = part.clamp(0.0, 1.0);
        if part >= 1.0 {
            self.close(price, sigma);
            return;
        }
        let closed = self.share * part;
        let cost = closed * price * trade_cost(sigma);
        self.margin += closed * self.sign * (price - 1.0) - cost;
        self.friction += cost;
        self.share -= closed;
    }

    /// Closes `part` (0..1) of what is held; its margin and its result go to the reserve.
    pub(super) fn trim(&mut self, part: f64, price: f64, sigma: f64) {
        let part = part.clamp(0.0, 1.0);
        let closed = self.share * part;
        let cost = closed * price * trade_cost(sigma);
        let freed = self.margin * part;
        self.margin -= freed;
        self.reserve += freed + closed * self.sign * (price - 1.0) - cost;
        self.friction += cost;
        self.share -= closed;
    }

    /// Closes all.
    pub(super) fn close(&mut self, price: f64, sigma: f64) {
        self.trim(1.0, price, sigma);
        self.share = 0.0;
        self.margin = 0.0;
    }

    /// The exchange takes the position; what margin is left at `price` is lost.
    pub(super) fn liquidate(&mut self, price: f64) {
        self.friction += self.balance(price).max(0.0);
        self.share = 0.0;
        self.margin = 0.0;
    }

    /// Everything that is left, at `price`.
    pub(super) fn wealth(&self, price: f64) -> f64 {
        self.balance(price).max(0.0) + self.reserve
    }
}

/// Fee and slippage as a fraction of the traded notional.
pub(super) fn trade_cost(sigma: f64) -> f64 {
    FEE + slippage(sigma)
}

/// Slippage as a fraction of the price.
pub(super) fn slippage(sigma: f64) -> f64 {
    SLIPPAGE + SLIPPAGE_PER_SIGMA * sigma
}

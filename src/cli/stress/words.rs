//! What is said of a scenario, in one sentence or three.

use super::answer::{Guarded, Outcome, Scenario, Taken, money};
use super::span;
use crate::domain::Money;
use crate::guard::explain;

/// Liquidated positions that are named; the rest is counted.
const NAMES_MAX: usize = 3;

/// What happens; `more` is what the guard loses beyond the unprotected account.
pub(super) fn sentence(scenario: &Scenario, more: Money) -> String {
    let (alone, guarded) = (&scenario.unprotected, &scenario.guarded);
    let first = match (alone.liquidated.is_empty(), guarded.liquidated.is_empty()) {
        (true, true) if guarded.actions == 0 => return at_rest(scenario),
        (true, true) => format!(
            "It survives without help and {} is lost; the guard {}, and {} is lost with it.",
            alone.lost,
            deeds(guarded),
            guarded.lost
        ),
        (false, true) => format!(
            "Unprotected, {} and {} is lost; the guard {}, and {} is lost in all.",
            told(&alone.liquidated),
            alone.lost,
            deeds(guarded),
            guarded.lost
        ),
        (false, false) => format!(
            "THE GUARD DOES NOT SAVE IT ALL: unprotected, {} and {} is lost; guarded, {} and {} is lost. The guard {}.",
            told(&alone.liquidated),
            alone.lost,
            told(&guarded.liquidated),
            guarded.lost,
            deeds(guarded)
        ),
        (true, false) => format!(
            "THE GUARD MAKES IT WORSE: unprotected it survives and {} is lost; guarded, {} and {} is lost. The guard {}.",
            alone.lost,
            told(&guarded.liquidated),
            guarded.lost,
            deeds(guarded)
        ),
    };
    let closed = match guarded.outcome {
        Outcome::Closed => " Nothing is left of the positions.",
        Outcome::Survives | Outcome::Liquidated => "",
    };
    let honest = if more.is_positive() && guarded.actions > 0 {
        let kept = match guarded.outcome {
            Outcome::Survives => "; what is kept for that may rise or fall further",
            Outcome::Closed | Outcome::Liquidated => "",
        };
        format!(
            " HERE THE GUARD LOSES {} MORE THAN DOING NOTHING{kept}.",
            money(more)
        )
    } else {
        String::new()
    };
    format!("{first}{closed}{honest}")
}

fn at_rest(scenario: &Scenario) -> String {
    match &scenario.unprotected.nearest {
        Some(nearest) => format!(
            "The guard does nothing; {} {} comes nearest to its line, {} % away.",
            nearest.symbol, nearest.side, nearest.distance_pct
        ),
        None => "The guard does nothing; no price liquidates any position.".to_owned(),
    }
}

fn deeds(guarded: &Guarded) -> String {
    let Some(first) = &guarded.first_act else {
        return "comes too late to act".to_owned();
    };
    let many = match guarded.actions {
        1 => "once".to_owned(),
        times => format!("{times} times, first"),
    };
    format!(
        "acts {many} on {} {} at a mark of {}, keeps {} % of the positions, spends {} on fees and slippage and puts in {} as new margin",
        first.symbol,
        first.side,
        explain::price(first.price),
        guarded.kept_pct,
        guarded.cost,
        guarded.new_money
    )
}

/// `ETHUSDT long is liquidated at 3,100 after 12 min, BTCUSDT long at 90,000`.
fn told(all: &[Taken]) -> String {
    let name = |taken: &Taken| format!("{} {}", taken.symbol, taken.side);
    let mut words = Vec::new();
    for (index, taken) in all.iter().take(NAMES_MAX).enumerate() {
        let price = explain::price(taken.price);
        words.push(if index == 0 {
            let after = span(taken.after_ms);
            format!("{} is liquidated at {price} after {after}", name(taken))
        } else {
            format!("{} at {price}", name(taken))
        });
    }
    if all.len() > NAMES_MAX {
        words.push(format!("{} more", all.len() - NAMES_MAX));
    }
    words.join(", ")
}

/// What is left, in a cell of the table.
pub(super) fn fate(outcome: Outcome, liquidated: &[Taken]) -> String {
    match (outcome, liquidated) {
        (Outcome::Survives, _) => "survives".to_owned(),
        (Outcome::Closed, _) => "closed".to_owned(),
        (Outcome::Liquidated, []) => "liquidated".to_owned(),
        (Outcome::Liquidated, [first]) => {
            format!(
                "{} liquidated at {}",
                first.symbol,
                explain::price(first.price)
            )
        }
        (Outcome::Liquidated, [first, rest @ ..]) => format!(
            "{} liquidated at {} and {} more",
            first.symbol,
            explain::price(first.price),
            rest.len()
        ),
    }
}

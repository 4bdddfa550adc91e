//! Numbers of a venue beside ours, and the table they make.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll::domain::{ContractKind, MarginMode};
use plimsoll::margin::Venue;
use rust_decimal::{Decimal, dec};

/// The largest relative error that still counts as agreement.
const CLOSE: Decimal = dec!(0.000001);
/// Errors below this are printed as such: the venues' own digits end about there.
const TINY: Decimal = dec!(0.000000001);

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Captured from the venue: a file among the recorded responses.
    Recording,
    /// Captured from the venue: figures in a public thread or fixture.
    Capture,
    /// An example of the venue's own pages.
    Page,
    /// Test data of a client library; often a documentation sample with edited values.
    Library,
}

/// Which of the venue's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Line,
    Bankruptcy,
    Maintenance,
    Initial,
    Ratio,
    Equity,
    Profit,
    Value,
    Free,
}

/// What the numbers of one position have in common.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) venue: Venue,
    pub(crate) mode: MarginMode,
    pub(crate) contract: ContractKind,
    pub(crate) origin: Origin,
    /// File, or date and kind of the capture.
    pub(crate) source: String,
    pub(crate) symbol: String,
}

/// One number of the venue and ours. `None`: no such price.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) place: Place,
    pub(crate) field: Field,
    pub(crate) ours: Option<Decimal>,
    pub(crate) theirs: Option<Decimal>,
    /// What the rounding of the venue's printed inputs and outputs may do.
    pub(crate) slack: Decimal,
}

/// A number that is known not to agree, and why.
pub(crate) struct Unfit {
    pub(crate) source: &'static str,
    pub(crate) symbol: &'static str,
    pub(crate) field: Field,
    pub(crate) theirs: Decimal,
    /// To the digits written here.
    pub(crate) ours: Decimal,
    pub(crate) reason: &'static str,
}

impl Place {
    pub(crate) fn check(&self, field: Field, ours: Option<Decimal>, theirs: Decimal) -> Check {
        self.within(field, ours, theirs, Decimal::ZERO)
    }

    /// With a `slack` for rounded inputs.
    pub(crate) fn within(
        &self,
        field: Field,
        ours: Option<Decimal>,
        theirs: Decimal,
        slack: Decimal,
    ) -> Check {
        Check {
            place: self.clone(),
            field,
            ours,
            theirs: Some(theirs),
            slack,
        }
    }

    /// The venue says that there is no such price.
    pub(crate) fn none(&self, field: Field, ours: Option<Decimal>) -> Check {
        Check {
            place: self.clone(),
            field,
            ours,
            theirs: None,
            slack: Decimal::ZERO,
        }
    }
}

impl Check {
    pub(crate) fn fits(&self) -> bool {
        match (self.ours, self.theirs) {
            (Some(ours), Some(theirs)) => {
                (ours - theirs).abs() <= (CLOSE * theirs.abs()).max(self.slack)
            }
            (ours, theirs) => ours == theirs,
        }
    }

    fn error(&self) -> Decimal {
        let (Some(ours), Some(theirs)) = (self.ours, self.theirs) else {
            return Decimal::ZERO;
        };
        let gap = (ours - theirs).abs();
        gap.checked_div(theirs.abs()).unwrap_or(gap)
    }

    fn says(&self, unfit: &Unfit) -> bool {
        self.place.source == unfit.source
            && self.place.symbol == unfit.symbol
            && self.field == unfit.field
    }
}

impl Unfit {
    /// The same two numbers as when the row was written?
    fn still(&self, check: &Check) -> bool {
        check.theirs == Some(self.theirs)
            && check
                .ours
                .is_some_and(|ours| ours.round_dp(self.ours.scale()) == self.ours)
    }
}

/// Panics unless every check agrees or is listed, and every listed one is there and does not agree.
/// Returns a sentence on each that does not.
pub(crate) fn judge(checks: &[Check], unfit: &[Unfit]) -> Vec<String> {
    let (mut wrong, mut known) = (Vec::new(), Vec::new());
    for check in checks {
        let listed = unfit.iter().find(|unfit| check.says(unfit));
        match (check.fits(), listed) {
            (true, None) => {}
            (false, Some(row)) if row.still(check) => known.push(format!(
                "does not fit: {} {} {:?}: venue {}, here {}: {}",
                row.source, row.symbol, row.field, row.theirs, row.ours, row.reason
            )),
            (false, _) => wrong.push(format!("does not fit: {check:?}")),
            (true, Some(_)) => wrong.push(format!("fits all of a sudden: {check:?}")),
        }
    }
    for row in unfit {
        if !checks.iter().any(|check| check.says(row)) {
            let (source, symbol) = (row.source, row.symbol);
            wrong.push(format!("is not there: {source} {symbol} {:?}", row.field));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    known
}

/// The rows of the evidence table; what does not fit is counted and not measured.
pub(crate) fn table(checks: &[Check]) -> Vec<String> {
    let mut groups: BTreeMap<_, Vec<&Check>> = BTreeMap::new();
    for check in checks {
        let place = &check.place;
        let mode = if place.mode == MarginMode::Isolated {
            "isolated"
        } else {
            "cross"
        };
        let contract = match place.contract {
            ContractKind::Linear => "linear",
            ContractKind::Inverse => "inverse",
        };
        let group = (place.venue.name(), mode, contract, place.origin);
        groups.entry(group).or_default().push(check);
    }
    groups
        .into_iter()
        .map(|((venue, mode, contract, origin), checks)| {
            let places: BTreeSet<_> = checks
                .iter()
                .map(|check| (&check.place.source, &check.place.symbol))
                .collect();
            let cell = |fields: &[Field]| cell(&checks, fields);
            format!(
                "| {venue} | {mode} | {contract} | {} | {} | {} | {} | {} | {} | {} |",
                origin.name(),
                places.len(),
                cell(&[Field::Line]),
                cell(&[Field::Maintenance]),
                cell(&[Field::Initial]),
                cell(&[
                    Field::Bankruptcy,
                    Field::Ratio,
                    Field::Equity,
                    Field::Profit,
                    Field::Value,
                    Field::Free,
                ]),
                checks.iter().filter(|check| !check.fits()).count(),
            )
        })
        .collect()
}

/// Count and largest relative error of those that fit; apart from them how often both say that there
/// is no such price.
fn cell(checks: &[&Check], fields: &[Field]) -> String {
    let (printed, none): (Vec<&Check>, Vec<&Check>) = checks
        .iter()
        .filter(|check| fields.contains(&check.field) && check.fits())
        .partition(|check| check.theirs.is_some());
    let none = match none.len() {
        0 => String::new(),
        count => format!(" and {count} without"),
    };
    let Some(most) = printed.iter().map(|check| check.error()).max() else {
        return format!("unproven{none}");
    };
    let count = printed.len();
    if most < TINY {
        format!("{count}: < 1e-9{none}")
    } else if most <= CLOSE {
        format!("{count}: {}{none}", scientific(most))
    } else {
        format!("{count}: {} (rounding){none}", scientific(most))
    }
}

/// One digit and a power of ten, rounded up.
fn scientific(number: Decimal) -> String {
    let (mut digits, mut power) = (number, 0);
    while digits < Decimal::ONE {
        digits *= Decimal::TEN;
        power -= 1;
    }
    format!("{}e{power}", digits.ceil())
}

impl Origin {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recording => "live recording",
            Self::Capture => "live, public figures",
            Self::Page => "venue's page",
            Self::Library => "library test data",
        }
    }
}

/// Panics unless `docs/math.md` shows these rows.
pub(crate) fn is_documented(rows: &[String]) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/math.md");
    let page = std::fs::read_to_string(page).expect("docs/math.md");
    let missing: Vec<_> = rows.iter().filter(|row| !page.contains(*row)).collect();
    assert!(
        missing.is_empty(),
        "docs/math.md does not show {missing:#?}"
    );
}

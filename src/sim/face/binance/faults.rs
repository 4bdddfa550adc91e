//! What tests may break: answers that are held, lost, wrong or empty.

/// What happens to a matching request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Applied at once; the answer waits for [`Face::release`](super::Face::release).
    HoldReplyAfterApply,
    /// Applied only when released, even if the client has given up by then; the time window is
    /// checked at that moment.
    HoldBeforeApply,
    /// Applied, then the connection breaks without an answer.
    DropConnectionAfterApply,
    /// Not applied; the connection breaks.
    DropConnectionBeforeApply,
    /// Not applied; this answer is given.
    Status { code: u16, body: String },
    /// Applied, but this answer is given.
    ApplyThenStatus { code: u16, body: String },
    /// Not applied; an HTML page with status 502 is given.
    Html,
    /// Not applied; status 200 without a body.
    Empty,
}

/// A fault for the next `times` requests that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Upper case; empty matches every method.
    pub method: String,
    /// Path without query; empty matches every path.
    pub path: String,
    pub effect: Effect,
    pub times: u32,
}

impl Fault {
    /// A fault for the next request that matches.
    #[must_use]
    pub fn once(method: &str, path: &str, effect: Effect) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            effect,
            times: 1,
        }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.times > 0
            && (self.method.is_empty() || self.method == method)
            && (self.path.is_empty() || self.path == path)
    }
}

/// Faults not used up yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// Faults waiting at once; later ones are refused.
const FAULTS_MAX: usize = 1_000;

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(fault);
        }
    }

    /// Takes the effect for this request, if any.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<Effect> {
        let fault = self
            .0
            .iter_mut()
            .find(|fault| fault.matches(method, path))?;
        fault.times -= 1;
        let effect = fault.effect.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(effect)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

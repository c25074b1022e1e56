//! Faults of stored data. Each owner finds and repairs its own; the check of a store asks all owners.

/// A fault, with what its owner needs to repair it.
#[derive(Debug, Clone)]
pub struct Flaw<Cure> {
    /// `container 0123456789ab`.
    pub subject: String,
    /// What is wrong with it.
    pub fault: String,
    /// The fault keeps somebody from something; otherwise it only takes space.
    pub is_damage: bool,
    /// What repairs it.
    pub cure: Cure,
}

impl<Cure> Flaw<Cure> {
    /// Something is lost.
    pub fn damage(subject: impl Into<String>, fault: impl Into<String>, cure: Cure) -> Self {
        Self { subject: subject.into(), fault: fault.into(), is_damage: true, cure }
    }

    /// Something is there that nobody needs.
    pub fn leftover(subject: impl Into<String>, fault: impl Into<String>, cure: Cure) -> Self {
        Self { is_damage: false, ..Self::damage(subject, fault, cure) }
    }
}

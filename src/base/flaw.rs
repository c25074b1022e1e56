//! What may be wrong with what people keep. Each owner finds and mends its own; whoever verifies a store asks them all.

/// Something that is not as it should be, with what its owner knows of how it is put right.
#[derive(Debug, Clone)]
pub struct Flaw<Cure> {
    /// `container 0123456789ab`.
    pub subject: String,
    pub fault: String,
    /// It keeps somebody from something; else it only takes room.
    pub is_damage: bool,
    pub cure: Cure,
}

impl<Cure> Flaw<Cure> {
    pub fn damage(subject: impl Into<String>, fault: impl Into<String>, cure: Cure) -> Self {
        Self { subject: subject.into(), fault: fault.into(), is_damage: true, cure }
    }

    pub fn leftover(subject: impl Into<String>, fault: impl Into<String>, cure: Cure) -> Self {
        Self { is_damage: false, ..Self::damage(subject, fault, cure) }
    }
}

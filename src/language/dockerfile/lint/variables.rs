//! The variables that are set at one point of a stage, in the order they were set.

use std::borrow::Cow;

use crate::language::dockerfile::words::Variables;

#[derive(Debug, Clone, Default)]
pub(in crate::language::dockerfile) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(in crate::language::dockerfile) fn new(pairs: &[(String, String)]) -> Self {
        let mut environment = Self::default();
        for (name, value) in pairs {
            environment.set(name, value.clone());
        }
        environment
    }

    pub(in crate::language::dockerfile) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(set, _)| set != name);
        self.0.push((name.to_owned(), value));
    }

    pub(in crate::language::dockerfile) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(in crate::language::dockerfile) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(set, _)| set == name).map(|(_, value)| value.as_str())
    }
}

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(Cow::Borrowed)
    }
}

//! Lists networks.

use std::path::Path;

use crate::base::{Filters, natural_order};
use crate::container::network::NetworkRecord;
use crate::container::networks_of;
use crate::engine::ResourceError;

/// The known filters.
pub const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/// The matching networks, by name.
pub fn list(store_root: &Path, filters: &Filters) -> Result<Vec<NetworkRecord>, ResourceError> {
    let dangling = filters.boolean("dangling")?;
    filters.only("type", "type", &["builtin", "custom"])?;
    let networks = networks_of(store_root);
    let mut records = networks.list()?;
    records.sort_by(|left, right| natural_order(&left.name, &right.name));
    records.retain(|record| {
        let kind = if record.is_predefined() { "builtin" } else { "custom" };
        filters.exactly("driver", &record.driver)
            && filters.matches("id", &record.id)
            && filters.matches("name", &record.name)
            && filters.exactly("scope", &record.scope)
            && filters.exactly("type", kind)
            && filters.labels(&record.labels)
            && dangling
                .is_none_or(|wanted| wanted == (!record.is_predefined() && networks.endpoints(record).is_empty()))
    });
    Ok(records)
}

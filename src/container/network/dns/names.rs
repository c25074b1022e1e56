//! The names by which a container knows others.

use std::net::IpAddr;

use super::message::{A, AAAA, Data, PTR, Question};
use crate::container::network::endpoint::Endpoint;
use crate::container::network::networks::Networks;
use crate::container::network::record::BRIDGE;

/// Resolves names for one container.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) networks: Networks,
    pub(crate) container: String,
}

/// A network of the container, with the other endpoints in it.
struct Neighbours {
    network: String,
    own: Endpoint,
    all: Vec<Endpoint>,
}

pub(super) enum Found {
    /// The answer, which is empty if the name exists but has no record of that type.
    Known(Vec<Data>),
    /// Another server may know it.
    Unknown,
    /// No other server may be asked: none of the container's networks has an uplink.
    Forbidden,
}

impl Names {
    /// Reads the current state of the networks: containers come, go and join networks all the time.
    pub(super) fn find(&self, question: &Question) -> Found {
        let Ok(networks) = self.networks.of_container(&self.container) else { return Found::Unknown };
        let has_way_out = networks.iter().any(|(record, _)| !record.internal);
        let neighbours = networks.into_iter().filter(|(record, _)| record.name != BRIDGE).map(|(record, own)| {
            let all = self.networks.endpoints(&record);
            Neighbours { network: record.name.to_ascii_lowercase(), own, all }
        });
        for neighbours in neighbours {
            if let Some(data) = neighbours.answer(question) {
                return Found::Known(data);
            }
        }
        if has_way_out { Found::Unknown } else { Found::Forbidden }
    }
}

impl Neighbours {
    fn answer(&self, question: &Question) -> Option<Vec<Data>> {
        if question.kind == PTR {
            let address = question.reversed_address()?;
            let found = self.all.iter().find(|endpoint| endpoint.addresses().any(|own| own == address))?;
            return Some(vec![Data::Name(format!("{}.{}", found.name, self.network))]);
        }
        let found = self.named(&question.name);
        if found.is_empty() {
            return None;
        }
        let fits = |address: &IpAddr| match question.kind {
            A => address.is_ipv4(),
            AAAA => address.is_ipv6(),
            _ => false,
        };
        Some(found.iter().flat_map(|endpoint| endpoint.addresses()).filter(fits).map(Data::Address).collect())
    }

    /// The endpoints with that name, with or without the network's as a suffix; links are for this container only.
    fn named(&self, name: &str) -> Vec<&Endpoint> {
        let plain = name.strip_suffix(&format!(".{}", self.network)).unwrap_or(name);
        let links = self.own.links.iter().filter_map(|link| link.split_once(':'));
        let linked: Vec<&str> =
            links.filter(|(_, alias)| alias.eq_ignore_ascii_case(plain)).map(|(target, _)| target).collect();
        let is_linked = |endpoint: &Endpoint| {
            linked.iter().any(|target| *target == endpoint.name || endpoint.container.starts_with(target))
        };
        let is_named = |endpoint: &Endpoint| endpoint.names.iter().any(|own| own == plain);
        let is_id = |endpoint: &Endpoint| plain.len() >= 12 && endpoint.container.starts_with(plain);
        self.all.iter().filter(|one| is_named(one) || is_linked(one) || is_id(one)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::message::tests::query;
    use super::*;
    use crate::container::network::endpoint::tests::endpoint;

    fn neighbours() -> Neighbours {
        let web = |id: &str, last| Endpoint {
            names: vec!["web".into(), "www".into(), id[..12].into()],
            ipv4: Some([10, 9, 8, last].into()),
            ..endpoint(id, "web", Path::new("/"))
        };
        let own = Endpoint { links: vec!["web:site".into()], ..endpoint(&"c".repeat(64), "own", Path::new("/")) };
        let six = Endpoint { ipv6: Some("fd00::9".parse().unwrap()), ..web(&"a".repeat(64), 2) };
        Neighbours { network: "net".into(), all: vec![own.clone(), six, web(&"b".repeat(64), 3)], own }
    }

    #[test]
    fn by_name_alias_id_and_link() {
        let neighbours = neighbours();
        let ask = |name: &str, kind| {
            let data = neighbours.answer(&Question::parse(&query(name, kind)).unwrap())?;
            let texts = data.iter().map(|one| match one {
                Data::Address(address) => address.to_string(),
                Data::Name(name) => name.clone(),
            });
            Some(texts.collect::<Vec<_>>().join(" "))
        };
        let both = Some("10.9.8.2 10.9.8.3".to_owned());
        for name in ["web", "WWW", "web.net", "site"] {
            assert_eq!(ask(name, A), both, "{name}");
        }
        assert_eq!(ask(&"b".repeat(12), A).as_deref(), Some("10.9.8.3"));
        assert_eq!(ask("web", AAAA).as_deref(), Some("fd00::9"));
        assert_eq!(ask("own", AAAA).as_deref(), Some(""));
        assert_eq!(ask("web", 15).as_deref(), Some(""));
        assert_eq!(ask("3.8.9.10.in-addr.arpa", PTR).as_deref(), Some("web.net"));
        assert_eq!(ask("9.8.9.10.in-addr.arpa", PTR), None);
        assert_eq!(ask("example.org", A), None);
    }
}

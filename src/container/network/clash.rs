//! Subnets that are chosen here: apart from the routes of this machine and from what other stores have chosen. Between the
//! choice and the bridge somebody else may take one; then the network gets another, as nobody has asked for that one.

use super::addresses;
use super::bridge;
use super::endpoint::{self, Endpoints};
use super::error::NetworkError;
use super::networks::{Networks, with_gateway};
use super::record::NetworkRecord;
use super::subnet::Subnet;

/// How often a network gets another subnet before the clash is an error.
pub(super) const ATTEMPTS: usize = 8;

impl Networks {
    /// What a subnet that is chosen must not be. To be called with the lock of all networks.
    pub(super) fn taken_subnets(&self) -> Result<Vec<Subnet>, NetworkError> {
        let mut taken = bridge::host_routes()?;
        for other in self.of_all_stores() {
            taken.extend(other.pools()?.iter().map(|pool| pool.subnet));
        }
        Ok(taken)
    }

    /// Two stores choose one after the other.
    pub(super) fn lock_choice(&self) -> Result<std::fs::File, NetworkError> {
        endpoint::lock(&self.state().join("networks/lock"))
    }

    /// Gives a network whose subnet was chosen here, and that has no bridge yet, another one; or the one that somebody else
    /// has given it since. False where the subnet was asked for. To be called without the network's lock.
    pub(super) fn choose_anew(&self, record: &mut NetworkRecord) -> Result<bool, NetworkError> {
        if !record.has_chosen_subnet {
            return Ok(false);
        }
        let _machine = self.lock_choice()?;
        match self.reread(record)? {
            Some(now) if now.ipam != record.ipam => {
                *record = now;
                return Ok(true);
            }
            Some(_) => {}
            None => return Ok(false),
        }
        let Some(pool) = record.ipam.config.iter_mut().find(|pool| !pool.subnet.contains(':')) else {
            return Ok(false);
        };
        *pool = with_gateway(addresses::free_subnet(&self.taken_subnets()?)?)?;
        self.rewrite(record)?;
        if !record.is_predefined() {
            let _lock = Endpoints::of(self.state(), &record.id).lock()?;
            self.forget_origin(record);
            self.note_origin(record)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::networks::NewNetwork;
    use super::super::record::IpamPool;
    use super::*;

    #[test]
    fn only_a_chosen_subnet_gives_way() {
        let store = tempfile::tempdir().unwrap();
        let networks = Networks::of(store.path(), true);
        let make = |name: &str, pools| NewNetwork { name: name.to_owned(), pools, ..NewNetwork::default() };
        let asked = IpamPool { subnet: "10.77.0.0/24".to_owned(), ..IpamPool::default() };
        let mut fixed = networks.create(make("fixed", vec![asked])).unwrap();
        assert!(!networks.choose_anew(&mut fixed).unwrap());
        let before = networks.create(make("moves", Vec::new())).unwrap();
        // Two who meet the clash together get the same one.
        let (mut first, mut second) = (before.clone(), before.clone());
        assert!(networks.choose_anew(&mut first).unwrap() && networks.choose_anew(&mut second).unwrap());
        assert_eq!((&first, first.has_chosen_subnet), (&second, true));
        assert_eq!(networks.find("moves").unwrap(), first);
    }
}

//! How many connections each address has. A network of IPv6 counts as one address: whoever has one of it has all. It
//! must not know what connections are for.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

/// The connections of each address. Cloning is cheap; every clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    most: usize,
    exempt: Arc<[IpNet]>,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection that counts while this lives.
#[derive(Debug)]
pub(super) struct Place {
    addresses: Addresses,
    /// None where nothing is counted.
    of: Option<IpAddr>,
}

impl Addresses {
    /// Each address may have this many; those of some networks, proxies for many, any number.
    pub(super) fn new(most: usize, exempt: impl Into<Arc<[IpNet]>>) -> Self {
        Self {
            most,
            exempt: exempt.into(),
            held: Arc::default(),
        }
    }

    /// A place for a connection from there; none when there are too many.
    pub(super) fn enter(&self, client: IpAddr) -> Option<Place> {
        let client = client.to_canonical();
        let place = |of| Place {
            addresses: self.clone(),
            of,
        };
        if self.exempt.iter().any(|network| network.contains(&client)) {
            return Some(place(None));
        }
        let of = troika_limits::counted(client);
        let mut all = self.lock();
        let held = all.entry(of).or_default();
        if *held >= self.most {
            return None;
        }
        *held += 1;
        drop(all);
        Some(place(Some(of)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        if let Entry::Occupied(mut held) = self.addresses.lock().entry(of) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(addresses: &Addresses, client: &str) -> Option<Place> {
        addresses.enter(client.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_places_and_has_them_again() {
        let addresses = Addresses::new(2, []);
        let held = (
            entered(&addresses, "192.0.2.1").unwrap(),
            entered(&addresses, "::ffff:192.0.2.1").unwrap(),
        );
        assert!(entered(&addresses, "192.0.2.1").is_none());
        assert!(entered(&addresses, "192.0.2.2").is_some());
        drop(held.0);
        assert!(entered(&addresses, "192.0.2.1").is_some());
        drop(held.1);
        assert!(addresses.lock().is_empty(), "who left is forgotten");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let addresses = Addresses::new(1, []);
        let _held = entered(&addresses, "2001:db8::1").unwrap();
        assert!(entered(&addresses, "2001:db8::ffff:ffff:ffff:ffff").is_none());
        assert!(entered(&addresses, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn who_speaks_for_many_is_not_counted() {
        let addresses = Addresses::new(1, ["10.0.0.0/8".parse().unwrap()]);
        let held: Vec<_> = (0..10)
            .map(|_| entered(&addresses, "10.1.2.3").unwrap())
            .collect();
        assert!(addresses.lock().is_empty());
        drop(held);
    }
}

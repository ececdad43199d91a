//! The devices that the cameras hang off: each an address of its own, with room for so many sessions.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::super::SimulateError;

/// What a device answers to a session that it has no room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoRoom {
    /// 453, as RFC 2326 has it.
    #[default]
    NotEnoughBandwidth,
    /// 503, as many recorders do.
    ServiceUnavailable,
}

/// One device: a camera with a server of its own, a recorder, or a gateway.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) number: usize,
    limit: Option<usize>,
    pub(super) no_room: NoRoom,
    sessions: AtomicUsize,
    most: AtomicUsize,
    refused: AtomicUsize,
}

/// One session's room on its host, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Host>);

impl Host {
    pub(super) fn new(number: usize, limit: Option<usize>, no_room: NoRoom) -> Self {
        let count = || AtomicUsize::new(0);
        Self { number, limit, no_room, sessions: count(), most: count(), refused: count() }
    }

    /// Room for one more session, if there is any.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let sessions = self.sessions.fetch_add(1, Ordering::AcqRel) + 1;
        // Counts itself out again when it is dropped.
        let slot = Slot(Arc::clone(self));
        if self.limit.is_some_and(|limit| sessions > limit) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.most.fetch_max(sessions, Ordering::Relaxed);
        Some(slot)
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// The most sessions that it ever had at once, and how many it had no room for.
    pub(super) fn record(&self) -> (usize, usize) {
        (self.most.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The addresses of `count` hosts: `listen` itself for one; 127.0.1.1, 127.0.1.2, ... for several.
pub(super) fn addresses(listen: SocketAddr, count: usize) -> Result<Vec<IpAddr>, SimulateError> {
    if count <= 1 {
        return Ok(vec![listen.ip()]);
    }
    let most = 250 * 250;
    if !listen.ip().is_loopback() || count > most {
        let reason = format!("several hosts (2 to {most}) are simulated on loopback addresses only");
        return Err(SimulateError::Listen { address: listen, reason });
    }
    Ok((0..count).map(|n| Ipv4Addr::new(127, 0, (n / 250 + 1) as u8, (n % 250 + 1) as u8).into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_room_for_so_many_and_gets_it_back() {
        let host = Arc::new(Host::new(0, Some(2), NoRoom::default()));
        let slots: Vec<_> = (0..3).map(|_| host.slot()).collect();
        assert_eq!(slots.iter().flatten().count(), 2);
        assert_eq!((host.sessions(), host.record()), (2, (2, 1)));
        drop(slots);
        assert_eq!(host.sessions(), 0);
        assert!(host.slot().is_some());
    }

    #[test]
    fn hosts_have_addresses_of_their_own() {
        let listen: SocketAddr = "127.0.0.1:8554".parse().unwrap();
        assert_eq!(addresses(listen, 1).unwrap(), [listen.ip()]);
        let many = addresses(listen, 300).unwrap();
        assert_eq!(many[299].to_string(), "127.0.2.50");
        assert!(addresses("0.0.0.0:0".parse().unwrap(), 2).is_err());
    }
}

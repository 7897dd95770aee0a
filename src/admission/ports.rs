//! The ports that this server listens on.

use std::sync::atomic::{AtomicU64, Ordering};

const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = (u16::MAX as usize + 1) / WORD_BITS;

/// A set of ports, 8 KiB whatever is in it: read for each request, by all
/// threads, while listeners come and go.
pub struct PortSet([AtomicU64; WORDS]);

impl Default for PortSet {
    /// No port.
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }
}

impl PortSet {
    /// Whether `port` is one of them.
    #[must_use]
    pub fn holds(&self, port: u16) -> bool {
        let (word, bit) = place(port);
        self.0[word].load(Ordering::Relaxed) & bit != 0
    }

    /// Makes these the ports; none that stays is away in between.
    pub fn set(&self, ports: impl IntoIterator<Item = u16>) {
        let mut next = vec![0; WORDS];
        for port in ports {
            let (word, bit) = place(port);
            next[word] |= bit;
        }
        for (word, next) in self.0.iter().zip(next) {
            word.store(next, Ordering::Relaxed);
        }
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let all = Self::default();
        all.set(ports);
        all
    }
}

/// The word that has a port, and its bit in there.
const fn place(port: u16) -> (usize, u64) {
    let port = port as usize;
    (port / WORD_BITS, 1 << (port % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_told_last_and_nothing_else() {
        let ports = PortSet::from_iter([0, 63, 64, 8123, u16::MAX]);
        let held = |ports: &PortSet| -> Vec<u16> {
            let all = 0..=u16::MAX;
            all.filter(|&port| ports.holds(port)).collect()
        };
        assert_eq!(held(&ports), [0, 63, 64, 8123, u16::MAX]);
        ports.set([64, 65]);
        assert_eq!(held(&ports), [64, 65]);
    }
}

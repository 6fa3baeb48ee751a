//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The IP address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(IpAddr);

impl Address {
    /// An IPv4 address that is written as an IPv6 one is the same.
    pub fn parse(text: &str) -> Option<Self> {
        text.trim().parse::<IpAddr>().ok().map(|address| Self(address.to_canonical()))
    }

    /// What is counted as one: an IPv4 address, or an IPv6 network of 64 bits, in which one host has addresses at will.
    pub fn network(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_host_can_have_at_will_is_counted_as_one() {
        let network = |text: &str| Address::parse(text).unwrap().network();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:c000:207"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:0DB8:1:2::1"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in ["", "unknown", "192.0.2.7, 192.0.2.8", "192.0.2.7:80", "192.0.2.07", "[::1]"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}

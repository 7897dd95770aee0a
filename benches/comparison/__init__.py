"""The parts of `benches/peers`, which compares timeball with other NTP servers."""

"""The parts of `benches/xdp/run`, which measures answers from the network driver."""

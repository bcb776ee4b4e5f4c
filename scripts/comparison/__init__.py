"""The parts of scripts/compare: inputs, peers, measurements and checks."""

"""Simulation: the simulator runner, benches of units, and the whole accelerator on real images."""

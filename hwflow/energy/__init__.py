"""Energy of the hardware, from cell libraries, counters and measurements: what docs/energy.md defines."""

"""Energy on hardware: power logs, markers, what a run takes and how sure that is (docs/measuring.md)."""

"""Search over designs."""

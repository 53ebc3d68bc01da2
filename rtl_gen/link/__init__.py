"""The host's link in hardware: UART, frames, and the engine that carries requests out (docs/host-link.md)."""

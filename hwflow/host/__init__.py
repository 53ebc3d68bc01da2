"""The host of a board: link protocol, programs that use it, and what the accelerator sends."""

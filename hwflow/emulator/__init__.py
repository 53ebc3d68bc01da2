"""Emulator: executes an encoded schedule on its memory image in numpy (entry: `run.emulate`)."""

"""Compiler: integer network to schedule, memory image and manifest (entry: `lower.lower`)."""

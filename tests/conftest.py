"""Settings of the whole test suite."""

from __future__ import annotations

from hypothesis import settings

# Cores are shared with simulations: a slow example says nothing about the code.
settings.register_profile("shared-cores", deadline=None)
settings.load_profile("shared-cores")

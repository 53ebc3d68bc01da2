"""Checks of the environment: what is there, and what to do about what is not."""

from hwflow.doctor.check import Check, healthy
from hwflow.doctor.needed import needed_checks
from hwflow.doctor.optional import optional_checks


def check_all() -> list[Check]:
    """Every check, in the order in which to mend things; those that the main job needs come first."""
    return [*needed_checks(), *optional_checks()]


__all__ = ["Check", "check_all", "healthy"]

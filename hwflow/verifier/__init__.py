"""Verifier: proves from the encoded program alone that a schedule is well formed and ends."""

"""The documentation: its pages, and `docs.generate`, which makes some of them from the code."""

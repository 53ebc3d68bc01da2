"""Command line `hwflow`; one file a command."""

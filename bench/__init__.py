"""Speed of every stage, measured in one run: `python -m bench`."""

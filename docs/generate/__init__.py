"""Pages and drawings of the documentation that are made from the code: `python -m docs.generate` writes them."""

"""Pages and drawings of the documentation that are made from the code: `python -m docs_tools` writes them."""

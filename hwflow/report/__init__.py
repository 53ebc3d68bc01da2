"""One page that shows a build: gathered as one JSON document with evidence, drawn as one HTML file (docs/report.md)."""

"""Pages for people: templates, plots as SVG, Markdown."""

"""English text by rule: words, inflections, story features."""

"""Text by rule: words in any script, languages, English inflections, story features."""

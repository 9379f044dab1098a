"""Whether models differ: paired tests, ranks, and what is said of them."""

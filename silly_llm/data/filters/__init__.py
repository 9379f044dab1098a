"""Story filters, and the cleaning before them."""

"""From documents to tokens to packed rows."""

"""What the providers behind HTTP share."""

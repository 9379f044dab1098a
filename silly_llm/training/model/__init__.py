"""Models: made anew, or from the weights of another."""

"""How much of a text is new: beside the training set, and beside a model's other stories."""

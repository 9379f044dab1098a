"""What is done beside the steps of a training."""

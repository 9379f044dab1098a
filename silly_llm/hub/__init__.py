"""Publishing on the Hugging Face Hub, and the cards of what is published."""

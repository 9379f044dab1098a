"""Stories judged by an LLM, as in TinyStories (arXiv 2305.07759, section 4), and how far that judge can be believed."""

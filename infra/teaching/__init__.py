"""Heads that people teach: from what they say of pictures, by way of stored embeddings, to a model at hand."""

"""Notes on disk: import and render them once, read them in batches."""

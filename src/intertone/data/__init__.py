"""Note sets on disk: written once by import or rendering, and read in batches for training and evaluation."""

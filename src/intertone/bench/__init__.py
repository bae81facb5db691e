"""The morph bench: material, methods, score."""

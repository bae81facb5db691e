"""The morph bench: test signals, morph methods, and the score of their morphs."""

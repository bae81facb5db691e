"""The hard part of the morph bench: pairs of sounds that people have, and measures of the faults heard on them."""

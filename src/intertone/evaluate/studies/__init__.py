"""Studies of a codec, one module for each."""

"""What is done between harmonic sounds: align, match partials, transpose, interpolate."""

"""Operations between harmonic sounds: align, match partials, transpose, interpolate."""

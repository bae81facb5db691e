"""The harmonic sound model: partials and noise along the pitch, analysed and synthesised without a network."""

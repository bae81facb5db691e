"""Measurements of a codec, one file for each."""

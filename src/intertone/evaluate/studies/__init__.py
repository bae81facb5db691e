"""What is measured of a codec, one file for each measurement."""

"""The hard part of the morph bench: bells, drums, chords and other difficult sounds, and measures of audible faults."""

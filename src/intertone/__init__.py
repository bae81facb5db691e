"""New, playable sounds between sounds: audio to spectrogram to latent code and back."""

__version__ = "0.1.0"

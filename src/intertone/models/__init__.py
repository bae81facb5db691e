"""Autoencoders over features: one file per family, all speaking ``(batch, latent_dim, n_latents)``."""

from intertone.models.conv import (
    ConvAutoencoder,
    ConvBottleneckConfig,
    ConvConfig,
    DenseBottleneckConfig,
    build_model,
)

__all__ = ["ConvAutoencoder", "ConvBottleneckConfig", "ConvConfig", "DenseBottleneckConfig", "build_model"]

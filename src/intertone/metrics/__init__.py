"""Numbers from ``(estimate, reference)``: pure functions, each with its unit and source."""

from intertone.metrics.spectral import log_mel, log_mel_error, loud_cell_error, spectral_convergence

__all__ = ["log_mel", "log_mel_error", "loud_cell_error", "spectral_convergence"]

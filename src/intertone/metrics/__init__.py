"""Metrics: pure functions of ``(estimate, reference)``, each with its unit and source."""

from intertone.metrics.bandwidth import spectral_roll_off, spectral_spread
from intertone.metrics.crop import crop_distance, largest_crop_correlation
from intertone.metrics.decibel import db_rmse, decibel_images, log_spectral_distance
from intertone.metrics.envelope import attack_time, attack_time_error, rms_envelope
from intertone.metrics.gram import gram_distance
from intertone.metrics.image import image_similarity, structural_similarity
from intertone.metrics.noise_level import flatness_ratio, mean_flatness, noise_floor_lift
from intertone.metrics.note import in_tune, loudness_error, pitch_accuracy, pitch_error_cents
from intertone.metrics.peaks import PeakAgreement, mel_mask_agreement, mel_peak_agreement, peak_agreement
from intertone.metrics.pitch_class import chroma_similarity
from intertone.metrics.rhythm import envelope_correlation, onset_f1, onset_times
from intertone.metrics.spectral import (
    LOG_MEL_16K,
    LOG_MEL_44K,
    LogMelConfig,
    log_mel,
    log_mel_error,
    loud_cell_error,
    multi_resolution_stft_distance,
    spectral_convergence,
)
from intertone.metrics.texture import texture_snr, texture_statistics
from intertone.metrics.timbre import mfcc_distance, mfcc_statistics
from intertone.metrics.trajectory import (
    PathProjection,
    StepVariation,
    bunched_counterfeit,
    detour_counterfeit,
    equidistant_counterfeit,
    path_efficiency,
    path_projection,
    sobolev_distance,
    step_variation,
)
from intertone.metrics.visqol import visqol_mos
from intertone.metrics.waveform import scale_invariant_sdr

__all__ = [
    "LOG_MEL_16K",
    "LOG_MEL_44K",
    "LogMelConfig",
    "PathProjection",
    "PeakAgreement",
    "StepVariation",
    "attack_time",
    "attack_time_error",
    "bunched_counterfeit",
    "chroma_similarity",
    "crop_distance",
    "db_rmse",
    "decibel_images",
    "detour_counterfeit",
    "envelope_correlation",
    "equidistant_counterfeit",
    "flatness_ratio",
    "gram_distance",
    "image_similarity",
    "in_tune",
    "largest_crop_correlation",
    "log_mel",
    "log_mel_error",
    "log_spectral_distance",
    "loud_cell_error",
    "loudness_error",
    "mean_flatness",
    "mel_mask_agreement",
    "mel_peak_agreement",
    "mfcc_distance",
    "mfcc_statistics",
    "multi_resolution_stft_distance",
    "noise_floor_lift",
    "onset_f1",
    "onset_times",
    "path_efficiency",
    "path_projection",
    "peak_agreement",
    "pitch_accuracy",
    "pitch_error_cents",
    "rms_envelope",
    "scale_invariant_sdr",
    "sobolev_distance",
    "spectral_convergence",
    "spectral_roll_off",
    "spectral_spread",
    "step_variation",
    "structural_similarity",
    "texture_snr",
    "texture_statistics",
    "visqol_mos",
]

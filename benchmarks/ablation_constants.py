"""Constants of the package whose use is measured: the figures that each may change, and its neutral value."""

INF = "float('inf')"
OFF = "float('-inf')"

CONSTANTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "pitch.candidates": (
        ("tracker", "recognition"),
        {
            "PERIODS": "2.0",
            "COMB_PERIODS": "3.5",
            "SHORTEST_WINDOW": "0.0",
            "N_CANDIDATES": "1",
            "OCTAVE_BIAS": "0.0",
            "COMB_RANGE_DB": "200.0",
            "N_PARTIALS": "32",
            "LOW_PARTIALS": "1e9",
            "STEEPNESS": "2",
            "REFINEMENTS": "0",
            "REFINEMENT_CENTS": "0.0",
        },
    ),
    "pitch.path": (
        ("tracker",),
        {
            "COMB_COST": "0.0",
            "JUMP_COST": "0.0",
            "FREE_STEP": "0.0",
            "SWITCH_COST": "0.0",
            "CHANGE_SECONDS": "0.0",
            "CHANGE_WEIGHT": "0.0",
            "LEAST_PERIODICITY": "0.0",
            "RANGE_DB": INF,
            "LEVEL_WINDOW": "0.0",
        },
    ),
    "pitch.yin": (
        ("yin",),
        {
            "SAMPLES_PER_PERIOD": "1",
            "SHORTEST_WINDOW": "0.0",
            "SILENCE_DB": OFF,
            "VOICED": "0.0",
            "THRESHOLD": "0.0",
            "BLOCK_CELLS": "2**40",
        },
    ),
    "pitch.comb": (
        ("comb",),
        {
            "PEAK_SECONDS": "(0.0, 1.1)",
            "PEAK_FFT": "2**15",
            "PEAK_RANGE_DB": "180.0",
            "PEAK_PROMINENCE_DB": "0.0",
            "SEARCH": "(1.0, 1.0)",
            "GRID_CENTS": "1.0",
            "INHARMONICITIES": "(0.0,)",
            "TOLERANCE_CENTS": "1200.0",
            "TOLERANCE_SHARE": "1e9",
            "EQUAL": "0.0",
            "OCCUPIED": "64",
        },
    ),
    "pitch.heterodyne": (
        ("heterodyne",),
        {"HIGHEST": "0.5", "WINDOW_SECONDS": "0.0", "TRACK_FRAMES": "1", "TRACK_STAGES": "(64,)"},
    ),
    "pitch.stiffness": (("heterodyne", "analysis"), {"STIFFEST": "1e9"}),
    "instrument.looping": (
        ("loops",),
        {
            "FIRST": "0.02",
            "LAST": "1.0",
            "SHORTEST_SECONDS": "0.0",
            "WINDOW_SECONDS": "0.001",
            "FADE_SECONDS": "0.001",
            "FADES_DB": INF,
            "FALLS_DB": INF,
            "LEVEL_SECONDS": "0.001",
            "TIMBRE_DB": INF,
            "TIMBRE_SECONDS": "0.02",
            "LOWEST_OCTAVE": "30.0",
            "FLOOR_DB": "-200.0",
            "N_ENDS": "1",
            "NEARLY": "1e-9",
        },
    ),
    "instrument.check": (
        ("check",),
        {
            "SILENT": "0.0",
            "FLAT_SAMPLES": "2",
            "FLAT_STEP": "0.0",
            "CELL_SECONDS": "1e-9",
            "DROPOUT_DB": OFF,
            "ORDER": "1",
            "BLOCK_SECONDS": "0.01",
            "NEAR_SECONDS": "0.0",
            "FAR_SECONDS": "0.01",
            "CLICK_RATIO": "1.0",
            "ONSET_RATIO": INF,
        },
    ),
    "harmonic.analysis": (
        ("analysis", "recognition"),
        {"NOISY": INF, "LESS_NOISE": INF},
    ),
    "harmonic.inharmonic": (
        ("analysis", "recognition"),
        {
            "PEAK_DB": "200.0",
            "CLEAR_DB": "0.0",
            "APART_HZ": "0.0",
            "LOWEST_HZ": "0.0",
            "EXPLAINED": "0.0",
            "NEAR_HARMONIC": "0.0",
            "MISTUNED": "0.0",
            "INHARMONIC": "0.0",
            "FEW": "10**6",
            "ROOT_DB": "0.0",
            "IN_TUNE": "0.0",
            "WINDOW_SECONDS": "0.0",
        },
    ),
    "harmonic.onset": (
        ("analysis", "morph"),
        {
            "RAMP_SECONDS": "1e-9",
            "SMOOTHED_SECONDS": "1e-9",
            "FLOOR": "0.0",
            "NEARLY": "1.0",
            "ATTACK_SECONDS": "0.0",
            "FADE_SECONDS": "1e-9",
        },
    ),
    "harmonic.pitched": (
        ("recognition",),
        {
            "LEAST_MEASURE": "0.0",
            "PERIODIC": "0.0",
            "ROOT_DB": "0.0",
            "KNOCK_SECONDS": "0.0",
            "HOLE_DB": INF,
            "N_HOLES": "1",
            "HEARD_DB": "-200.0",
            "STROKE_SECONDS": "0.0",
            "STROKE_SEMITONES": "0.0",
        },
    ),
    "harmonic.synthesis": (
        ("analysis", "transposition"),
        {"MOST_GAIN_DB": INF, "STILL": "0.0", "LOUDER": INF, "FADE_PERIODS": "1e-9"},
    ),
    "harmonic.tuning": (
        ("analysis", "recognition"),
        {"STAGES": "(64,)", "SMOOTH_SECONDS": "0.0", "LARGEST_CORRECTION": "1e9"},
    ),
    "harmonic.warp": (("analysis",), {"SHORTEST_SECONDS": "0.0", "OVERSAMPLING": "1"}),
    "harmonic.noise": (("analysis",), {"POWER_FLOOR": "0.0"}),
    "harmonic.morph.landmark": (
        ("morph",),
        {"ATTACK_DB": "0.0", "AUDIBLE_DB": "-200.0", "KNEE_DB": "0.0", "SHORTEST_ATTACK": "1e-9"},
    ),
    "harmonic.morph.match": (("morph",), {"ALONE": "1e9", "SCALES": "(1.0,)"}),
    "harmonic.morph.mix": (
        ("morph",),
        {
            "KEPT_REACH": "1e-9",
            "FARTHEST_SEMITONES": "1e9",
            "NOISE_DB": "-200.0",
            "BEYOND": INF,
            "LEAST_WEIGHT": "0.0",
            "GIVES_WAY": "0.0",
        },
    ),
    "harmonic.morph.modulation": (
        ("morph",),
        {
            "LONGER": "1",
            "MODULATION_SECONDS": "0.0",
            "STEADY_SECONDS": "0.0",
            "CLEAR_DB": "1e-9",
            "WINDOW_BINS": "1.0",
        },
    ),
    "harmonic.morph.transient": (("morph",), {"WEAKEST_DB": "-200.0", "BANDS": "1", "LOWEST_HZ": "0.0"}),
    "harmonic.morph.transpose": (
        ("transposition",),
        {"TOP_ROWS": "1", "LEAST_OCTAVES": "0.0", "CALM_SECONDS": "0.0", "AUDIBLE": "0.0"},
    ),
    "harmonic.morph.sustain": (
        ("sustain",),
        {
            "FADES_DB": INF,
            "LEVEL_DB": INF,
            "SHARES": "(0.25,)",
            "MARGIN": "0.0",
            "TURN_SECONDS": "1e-9",
            "SHORTEST_SECONDS": "0.0",
            "CENTS_PER_DB": "1e9",
        },
    ),
}
"""Module → groups of figures that its constants may change, and the value at which each constant does nothing.

A window, a range or a count has no such value; it is replaced by one that is clearly smaller or larger.
"""

"""The evaluation of a codec of harmonic images as tables and sentences."""

from collections.abc import Mapping
from typing import Any

from intertone.evaluate.register import DISTANCES, MOVED
from intertone.evaluate.tracking import EXCLUDED_PROGRAMS, PITCHES
from intertone.page import Table

WORDS = {
    ("original", "own"): "the notes themselves",
    ("image", "kept"): "image, own noise",
    ("image", "estimated"): "image",
    ("network", "kept"): "network, own noise",
    ("network", "estimated"): "network alone",
    ("rank one", "estimated"): "rank one",
}
GOAL = 0.75
"""Of notes moved to another key: share that is to be nearer to the real one than the resampled note."""

WORST = 5
"""Instruments that are shown of the tracker's worst."""


def copies_table(result: Mapping[str, Any]) -> Table:
    """Return what is left of notes in the image and in the code."""
    originals = _accuracy(result, "original", "own")
    rows = []
    for line in result["copies"]:
        tune = line.get("in_tune")
        share = None if tune is None or not originals else tune["mean"] / originals
        rows.append(
            (
                WORDS[line["method"], line["phase"]],
                *_spread(line.get("log_mel_16k")),
                *_spread(line.get("log_mel_44k")),
                "–" if "difference" not in line else f"{line['difference']['median']:.0f}",
                "–" if tune is None else _percent(tune["mean"]),
                "–" if share is None else f"{share:.3f}",
            )
        )
    heads = ("median", "mean", "90 %")
    return Table(
        "What is left of a note",
        "Log-mel error, dB, at 16 kHz and (full) at 44.1 kHz up to 20 kHz: two scales, not to be compared. Image: "
        "played from the harmonic image without the network; own noise: with the sound's own noise where it fits. "
        "Network: the image decoded from the code. Alone, everything is the network's but f0, phases and level. What "
        "is shipped carries what it loses: the ends of a morph are the first image. Rank one: mean row × envelope. "
        "The pitch told is the one found, the velocity is not told. Diff.: energy of the difference, dB, median. In "
        "tune: f0 within 50 cents of the key; rel.: over that of the notes themselves.",
        ("what", *heads, *(f"full {head}" for head in heads), "diff.", "in tune", "rel."),
        rows,
    )


def register_tables(register: Mapping[str, Any] | None) -> list[Table]:
    """Return the tables of notes moved to another key; none where there were none."""
    if not register or not register["methods"]:
        return []
    rows, shares = [], []
    for method, line in register["methods"].items():
        full = line.get("log_mel_44k")
        wins = line["wins"]
        cells = [f"{line['log_mel_16k'][name]:.2f}" for name in ("median", "mean")]
        cells += ["–" if full is None else f"{full['median']:.2f}", f"{line['whole']['median']:.2f}"]
        cells += [_percent(wins.get(kind)) for kind in ("log_mel_16k", "log_mel_44k", "whole")]
        rows.append((method, *cells))
        if wins:
            shares.append((method, *(_percent(wins[name]) for name in ("up", "down", *DISTANCES))))
    same, pairs = register["n_same"], register["n_pairs"]
    octaves = register["n_same_octaves"], register["n_octaves"]
    note = (
        f"{register['n']} notes, each moved to the key of another note of its instrument and velocity, up to 12 "
        "semitones away, that the bank plays from another recording; log-mel error against that note, dB, while both "
        f"hold. Of {pairs:,} such pairs of keys {same:,} ({_share(same, pairs)}) are played from one recording and "
        f"left out; of {octaves[1]:,} octaves {octaves[0]:,} ({_share(*octaves)}). Resampled: played faster or slower. "
        "Nearer: share of notes nearer to the real one than the resampled note. Whole: over the whole note, where the "
        "resampled one may end too soon; full: at 44.1 kHz."
    )
    heads = ("median", "mean", "full median", "whole median", "nearer", "full nearer", "whole nearer")
    wins = register["methods"][MOVED[0]]["wins"]
    held, whole = wins["log_mel_16k"], wins["whole"]
    verdict = f"Goal: the moved note is nearer for at least {_percent(GOAL)}. While both hold {_percent(held)}, "
    verdict += f"{'' if held >= GOAL else 'not '}reached; over the whole note {_percent(whole)}, "
    verdict += f"{'' if whole >= GOAL else 'not '}reached."
    return [
        Table("A note moved to another key", note, ("how", *heads), rows, verdict),
        Table(
            "Nearer than the resampled note, by the way moved",
            "Share of notes, log-mel at 16 kHz; up and down, and by semitones.",
            ("how", "up", "down", *DISTANCES),
            shares,
        ),
    ]


def tracking_table(tracking: Mapping[str, Any] | None) -> list[Table]:
    """Return the table of the tracker of f0; none where it was not judged."""
    if not tracking:
        return []
    lines = [("all notes", tracking["notes"])]
    if tracking["synthetic"]:
        lines.append(("synthetic notes", tracking["synthetic"]))
    lines += [(score["name"], score) for score in tracking["instruments"][:WORST]]
    rows = [
        (
            name,
            str(score["n_notes"]),
            f"{score['n_frames']:,}",
            f"{100 * score['gross']:.2f} %",
            f"{100 * score['gross_label']:.2f} %",
            f"{100 * score['voiced']:.1f} %",
            str(score["n_flips"]),
            f"{score['jitter']:.1f}",
        )
        for name, score in lines
    ]
    programs = f"{min(EXCLUDED_PROGRAMS)}–{max(EXCLUDED_PROGRAMS)}"
    return [
        Table(
            "The tracker of f0",
            f"Notes of keys {PITCHES[0]} to {PITCHES[-1]}, frames of 10 ms, within 40 dB of the note's loudest and "
            "voiced. Gross: share more than 50 cents from the key and from the lowest sounding partial; key: from the "
            f"key alone. Programs {programs} (percussion and effects) and drum kits are left out. Flips: jumps of more "
            "than 100 cents; jitter: mean other step, cents. Below all: the worst instruments.",
            ("notes", "notes judged", "frames", "gross", "key", "voiced", "flips", "jitter"),
            rows,
        )
    ]


def stereo_speed_table(speed: Mapping[str, Any]) -> Table:
    """Return the speed of morphs in stereo."""
    device = f"{speed['device']}, {speed['threads']} threads, {speed['cpus']} CPUs"
    rows = [
        ("one pair, analysis included", f"{speed['one_pair']:g}"),
        (f"{speed['n_steps']} steps, one analysis", f"{speed['sweep']:g}"),
    ]
    return Table("Speed", f"Seconds of stereo per second of work, warm; {device}.", ("morph", "s/s"), rows)


def left_out(result: Mapping[str, Any]) -> Table:
    """Return what was not judged, and why."""
    return Table("Left out", "Not judged here.", ("what, and why",), [(line,) for line in result["left_out"]])


def harmonic_findings(result: Mapping[str, Any]) -> list[str]:
    """Return in sentences what a reader should know first."""
    lines = {(line["method"], line["phase"]): line for line in result["copies"]}
    image, alone, kept = (
        lines[key]["log_mel_16k"] for key in (("image", "estimated"), ("network", "estimated"), ("network", "kept"))
    )
    exact = lines["image", "kept"]["difference"]["median"]
    found = [
        f"Played from its image, without the network, a note is {image['median']:.2f} dB of log-mel error off in the "
        f"median ({image['mean']:.2f} in the mean); with its own noise the difference is {exact:.0f} dB.",
        f"The network alone, from {result['codec']['code_size']:,} numbers, is {alone['median']:.2f} dB off "
        f"({alone['mean']:.2f} in the mean, {alone['p90']:.2f} at the 90th percentile), with the note's own noise "
        f"{kept['median']:.2f} dB; an image of rank one {lines['rank one', 'estimated']['log_mel_16k']['median']:.2f}.",
    ]
    original, copy = _accuracy(result, "original", "own"), _accuracy(result, "network", "estimated")
    if original and copy is not None:
        found.append(
            f"{_percent(original)} of the notes are in tune with their key, and {_percent(copy)} of what the network "
            f"makes of them: {copy / original:.3f} of it."
        )
    if (register := result["register"]) and register["methods"]:
        methods = register["methods"]
        shares = [_percent(methods[name]["wins"]["log_mel_16k"]) for name in MOVED]
        found.append(
            f"A note moved to another key is nearer to the instrument's real note there than the resampled one is for "
            f"{shares[0]} of {register['n']} notes while both hold (without the network {shares[1]}, the network alone "
            f"{shares[2]}), over the whole note for {_percent(methods[MOVED[0]]['wins']['whole'])}."
        )
    if tracking := result["tracking"]:
        text = f"The tracker of f0 is wrong in {100 * tracking['notes']['gross']:.2f} % of the voiced frames, against "
        text += f"the key alone in {100 * tracking['notes']['gross_label']:.2f} %"
        if tracking["synthetic"]:
            text += f", on synthetic notes in {100 * tracking['synthetic']['gross']:.2f} %"
        found.append(text + ".")
    speed = result["speed"]
    found.append(
        f"One second of work makes {speed['one_pair']:g} s of a stereo morph, analysis included, on {speed['device']} "
        f"with {speed['threads']} thread{'s' * (speed['threads'] != 1)}."
    )
    return found


def _accuracy(result: Mapping[str, Any], method: str, phase: str) -> float | None:
    for line in result["copies"]:
        if (line["method"], line["phase"]) == (method, phase) and line.get("in_tune"):
            return float(line["in_tune"]["mean"])
    return None


def _spread(figures: Mapping[str, Any] | None) -> tuple[str, ...]:
    names = ("median", "mean", "p90")
    return ("–",) * len(names) if figures is None else tuple(f"{figures[name]:z.2f}" for name in names)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _share(part: int, whole: int) -> str:
    return _percent(part / whole if whole else None)

"""Whether systems of style transfer give what they must where the answer is known, as a Markdown table.

    python benchmarks/transfer_acceptance.py [SYSTEMS…] [--checks equal content style] [--seconds 300]
        [--strength 1e-4] [--length 1]

Sounds of 1 s, or ``--length``, at the system's rate: a melody of four notes, and noise with drops as the texture. They
last 2 s where a kernel is wider than 0.5 s, since it would have only one place in 1 s. Three checks:

- equal: the style is the content. A system that starts from noise and has a content term must find the content again
  (error at most 0.05), one that starts at the content must leave it as it is (0.5 dB in the mean over bands and frames,
  style terms at most 1e-3). A system without a content term that starts from noise must reach the texture (each style
  term at most 2e-3) without copying it (largest normalised cross-correlation of a crop at most 0.5).
- content: style terms count a ten-thousandth, or ``--strength``; the content is found (error at most 0.02).
- style: without content terms the style is reached (each Gram matrix at most 2e-3 off).

Errors are squared differences over the power of the reference, of what is optimised; behind them, those of the sound
that is heard, which has a phase that had to be found where the variable is a spectrogram.
"""

import argparse
import sys
from collections.abc import Collection

import torch
from torch import Tensor

from intertone.metrics import largest_crop_correlation
from intertone.stft import SpectrogramConfig, magnitude_to_db, magnitude_to_mel, mel_filterbank, stft
from intertone.transfer import TransferConfig, TransferResult, load_preset, preset_names, transfer
from intertone.transfer.extractor import RandomConv1dConfig
from intertone.transfer.objective import TermConfig

CHECKS = ("equal", "content", "style")
MEASURED = 1e-12
"""Weight of the terms that measure what the others minimise, too small to have an effect."""

SMALL = 1e-4
"""Strength at which the content counts ten thousand times as much as it does in the published balance."""

TOP_DB = 60.0
"""Range of the levels that are compared, below the loudest band of the content."""

GRAM = {"gram", "filter-kernel", "correlation-maps"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", help="none: all")
    parser.add_argument("--checks", nargs="+", choices=CHECKS, default=CHECKS)
    parser.add_argument("--seconds", type=float, default=300.0, help="of a transfer, at most")
    parser.add_argument("--length", type=int, help="of the sounds, s; none: 1, or 2 where a kernel needs it")
    parser.add_argument("--strength", type=float, default=SMALL, help="factor of the style terms in the check content")
    options = parser.parse_args()
    sys.stdout.write("| system | check | evaluations | s | figure | limit | optimised | heard | met |\n")
    sys.stdout.write(f"|{' --- |' * 9}\n")
    for system in options.systems or preset_names():
        config = load_preset(system)
        for check in options.checks:
            for row in checked(config, check, options.seconds, options.strength, options.length):
                sys.stdout.write(f"| {' | '.join((system, check, *row))} |\n")
                sys.stdout.flush()


def checked(
    config: TransferConfig, check: str, seconds: float, small: float, length: int | None = None
) -> list[tuple[str, ...]]:
    """Return the rows of a check, none where it says nothing of the system; the strength of ``content`` is small."""
    length = length or (2 if _widest(config) > 0.5 else 1)
    content, texture = melody(config.sample_rate).repeat(1, length), drops(config.sample_rate, seconds=length)
    bare = not config.has_content_term
    texture_alone = bare and config.init.start == "noise"
    if check == "content" and bare:
        return []
    if check == "equal":
        content = texture = texture if texture_alone else content
    if check == "style":
        config = config.model_copy(update={"terms": tuple(term for term in config.terms if term.reference == "style")})
    strength = small if check == "content" else 1.0
    terms = (*config.terms, *(_relative(term) for term in config.terms))
    limits = config.limits.model_copy(update={"seconds": seconds})
    result = transfer(content, texture, config.model_copy(update={"terms": terms}), strength=strength, limits=limits)
    found: list[tuple[str, float, float, float]] = []
    if check == "content" or (check == "equal" and not bare and config.init.start == "noise"):
        limit = 0.02 if check == "content" else 0.05
        found.append(("content error", limit, *_errors(result, config, "content", {"raw"}, strength)))
    elif check == "equal" and not texture_alone:
        apart = level_difference(result.audio, content, config.sample_rate)
        found.append(("log-mel, dB", 0.5, apart, apart))
        found.append(("largest style term", 1e-3, *_errors(result, config, "style", (), strength)))
    elif check == "equal":
        found.append(("largest style term", 2e-3, *_errors(result, config, "style", (), strength)))
        copied = largest_crop_correlation(result.audio[0], texture[0], sample_rate=config.sample_rate)
        found.append(("copy", 0.5, copied, copied))
    else:
        grams = GRAM if any(term.statistic.kind in GRAM for term in config.terms) else {"raw"}
        found.append(("largest Gram error", 2e-3, *_errors(result, config, "style", grams, strength)))
    facts = (str(len(result.descent.steps)), f"{result.seconds:.0f}")
    return [
        (*facts, name, f"{limit:g}", f"{best:.2g}", f"{heard:.2g}", "yes" if best <= limit else "no")
        for name, limit, best, heard in found
    ]


def _widest(config: TransferConfig) -> float:
    """Return the seconds of the widest random kernel over time, 0 without one."""
    widths = [
        max(term.extractor.widths) * term.front_end.frame_seconds(config.sample_rate)
        for term in config.terms
        if isinstance(term.extractor, RandomConv1dConfig)
    ]
    return max(widths, default=0.0)


def _relative(term: TermConfig) -> TermConfig:
    """Return a term that measures the squared difference over the power of the reference, in the mean over layers."""
    name = _measured(term)
    return term.model_copy(update={"name": name, "divergence": "relative", "over_layers": "mean", "weight": MEASURED})


def _measured(term: TermConfig) -> str:
    return f"{term.name}, relative"


def _errors(
    result: TransferResult, config: TransferConfig, reference: str, kinds: Collection[str], strength: float
) -> tuple[float, float]:
    """Return the largest error of the terms of a reference and of some statistics, none: all; optimised and heard."""
    weight = MEASURED * (strength if reference == "style" else 1.0)
    chosen = [
        _measured(term)
        for term in config.terms
        if term.reference == reference
        and term.statistic.kind != "diversity"
        and (not kinds or term.statistic.kind in kinds)
    ]
    every = {term.name for term in config.terms}
    whole = [step for step in result.descent.steps if step.terms.keys() >= every]  # a draft shows a part
    best = min(whole, key=lambda step: step.loss).terms
    return max(best[name] for name in chosen) / weight, max(result.realised[name] for name in chosen) / weight


def level_difference(estimate: Tensor, reference: Tensor, sample_rate: int) -> float:
    """Return the mean difference of the levels of 40 mel bands, dB."""
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=1024, hop_length=256)
    bank = mel_filterbank(config, n_mels=40, f_min=40.0, f_max=sample_rate / 2)
    bands = [magnitude_to_mel(stft(sound, config).abs(), bank) for sound in (estimate, reference)]
    first, second = (magnitude_to_db(each, bands[1].max(), top_db=TOP_DB) for each in bands)
    return float((first - second).abs().mean())


def melody(sample_rate: int) -> Tensor:
    """Return four notes of eight partials, ``(1, samples)``, 1 s."""
    time = torch.arange(sample_rate // 4) / sample_rate
    orders = torch.arange(1, 9)[:, None]
    notes = [
        (torch.sin(2 * torch.pi * hz * orders * time) / orders).sum(0)
        * torch.exp(-6 * time)
        * (time / 0.005).clamp(0, 1)
        for hz in (220.0, 330.0, 262.0, 440.0)
    ]
    return 0.2 * torch.cat(notes)[None]


def drops(sample_rate: int, *, seconds: int = 1) -> Tensor:
    """Return noise whose level falls with frequency, and sixty decaying drops a second, ``(1, samples)``."""
    generator = torch.Generator().manual_seed(0)
    samples = seconds * sample_rate
    spectrum = torch.fft.rfft(torch.randn(samples, generator=generator))
    noise = torch.fft.irfft(spectrum / (1 + torch.arange(len(spectrum)) / (500 * seconds)), samples)
    time = torch.arange(samples) / sample_rate
    for start, level, hz in torch.rand(60 * seconds, 3, generator=generator).tolist():
        since = (time - seconds * start).clamp_min(0)
        drop = torch.sin(2 * torch.pi * (800 + 4000 * hz) * since) * torch.exp(-150 * since)
        noise += level * drop * (time > seconds * start)
    return 0.1 * (noise / noise.square().mean().sqrt())[None]


if __name__ == "__main__":
    main()

"""Train a few configurations briefly, on the same notes and steps, and print how each gives held-out notes back.

``python benchmarks/configurations.py --notes notes/fluidr3mono --out runs/configurations`` (`make configurations`); an
interrupted run goes on.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.metrics import log_mel_error, loud_cell_error
from intertone.representation import PhaseConfig
from intertone.train import TrainConfig, train_codec

BRIEF = [
    "epochs=2",
    "notes_per_epoch=3008",
    "choice.valid_notes=128",
    "plateau_threshold=1e-4",
    "sample_every=9",
]
"""6,016 notes, 376 steps."""

CONFIGURATIONS = {
    "default": [],
    "3 layers": ["model.channels=[48,128,256]", "model.strides=[[2,4],[2,4],[2,4]]"],
    "hop 512": [
        "representation.spectrogram.hop_length=512",
        "model.strides=[[2,2],[2,4],[2,2],[1,2]]",
    ],
    "code of 1,024": ["model.bottleneck.channels=4"],
    "square strides": [
        "model.channels=[32,64,128,256,256]",
        "model.strides=[[2,2],[2,2],[2,2],[2,2],[2,2]]",
        "model.kernel_size=[3,3]",
        "model.bottleneck.channels=16",
    ],
}

TITLES = (
    "configuration",
    "`--set`",
    "weights",
    "code",
    "validation, dB RMSE",
    "log-mel error, kept / estimated phase, dB",
    "loud cells, dB",
)


def judge(codec: Codec, notes: Notes, rows: np.ndarray) -> dict[str, float]:
    """Return the mean figures of reconstructing ``rows``."""
    figures = []
    for part in np.array_split(rows, -(-len(rows) // 16)):
        audio = notes.audio(part)
        latents, context = codec.encode(audio.unsqueeze(1))
        kept = codec.decode(latents, context).squeeze(1)
        seeded = torch.Generator().manual_seed(0)
        estimated = codec.decode(latents, context, phase=PhaseConfig(), generator=seeded).squeeze(1)
        errors = [log_mel_error(kept, audio), log_mel_error(estimated, audio), loud_cell_error(kept, audio)]
        figures.append(torch.stack(errors, dim=1))
    names = ("log_mel_kept", "log_mel_estimated", "loud_cells")
    return dict(zip(names, torch.cat(figures).mean(0).tolist(), strict=True))


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path("configs/thesis.toml"))
    parser.add_argument("--judged", type=int, default=128)
    options = parser.parse_args()
    notes = Notes.open(options.notes)
    rows = notes.select(split="test")
    rows = rows[np.random.default_rng(0).permutation(len(rows))[: options.judged]]
    print(f"| {' | '.join(TITLES)} |\n|{'---|' * len(TITLES)}", flush=True)
    for name, overrides in CONFIGURATIONS.items():
        config = TrainConfig.read(options.config, overrides=[*BRIEF, *overrides])
        out = options.out / name.replace(" ", "-").replace(",", "")
        train_codec(config, notes, out)
        codec = Codec.load(out / "last")
        size = codec.model.latent_dim * codec.model.n_latents(codec.representation.n_frames(notes.samples))
        weights = sum(value.numel() for value in codec.model.parameters())
        valid = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()][-1]["rmse_db"]
        found = judge(codec, notes, rows)
        row = (
            name,
            " ".join(f"`{override}`" for override in overrides),
            f"{weights / 1e6:.1f} M",
            f"{size:,}",
            f"{valid:.2f}",
            f"{found['log_mel_kept']:.2f} / {found['log_mel_estimated']:.2f}",
            f"{found['loud_cells']:.1f}",
        )
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()

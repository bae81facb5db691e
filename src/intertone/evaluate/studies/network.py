"""Check that a morph depends on the network: its change with random weights, and with another note's code."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows, draw_others
from intertone.evaluate.figure import Step, Summary, at_16_khz, seeded, summary
from intertone.evaluate.resynthesis import ESTIMATED
from intertone.evaluate.study import Draw, Shown, Study
from intertone.latent import lerp
from intertone.metrics import log_mel_error
from intertone.models import Conditions, Model, build_model
from intertone.models.contract import NO_CONDITIONS
from intertone.morphing import choose_method, morph
from intertone.page import Table, percent

AUDIBLE = 6.0
"""Log-mel error in dB above which a morph counts as clearly changed."""


@dataclass(frozen=True)
class Change:
    """Effect of a change on morphs: log-mel error against the unchanged morphs, dB, and the share above 6 dB."""

    error: Summary
    above_6_db: float


@dataclass(frozen=True)
class Network:
    """Effect of the weights and of the latent codes on half-way morphs.

    Attributes:
        mean_code_difference: Largest absolute sample difference between ``morph`` at mix 0.5 and the decoded mean of
            the two latent codes; it should be 0.
        random_weights: Effect of random weights.
        exchanged_code: Effect of replacing B's code by that of another note, with the unchanged context of A and B.
    """

    mean_code_difference: float
    random_weights: Change
    exchanged_code: Change


class NetworkStudy(Study[Network]):
    """Study of morphs with random weights, and with another note's code."""

    name = "network"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if all of a morph is decoded from the interpolated code; otherwise the reason."""
        if not choose_method(codec).takes.phase:
            return "Other weights and another code: a morph of partials is not the decoded mean of two codes."
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Network:
        """Return the changes of the first pairs' morphs; the other note is drawn at random from the split."""
        config = draw.config
        pairs = draw.any_pairs[: config.n_network_pairs]
        others = draw_others(notes, pairs, split=config.split, seed=config.seed)
        step = draw.steps.begin("network", len(pairs))
        return exchange_codes(codec, notes, pairs, others, seed=config.seed, step=step)

    def show(self, result: Network) -> Shown:
        """Return the changes as a table and a sentence."""
        changes = {"random weights": result.random_weights, "another note's code for B's": result.exchanged_code}
        table = Table(
            "Morphs depend on the network",
            "Log-mel error of the changed half-way morph against the unchanged one; the other note is drawn at random "
            "from the split. Largest sample difference between the morph at mix 0.5 and the decoded mean code: "
            f"{result.mean_code_difference:g}.",
            ("change", "pairs", "mean dB", "median dB", "above 6 dB"),
            [
                (
                    words,
                    str(found.error.n),
                    f"{found.error.mean:.2f}",
                    f"{found.error.median:.2f}",
                    percent(found.above_6_db),
                )
                for words, found in changes.items()
            ],
        )
        sentence = (
            f"Random weights change a half-way morph by {result.random_weights.error.mean:.1f} dB, another note's code "
            f"in B's place by {result.exchanged_code.error.mean:.1f} dB."
        )
        return Shown("Network", (table,), (sentence,))


class RescaledCodec(Codec):
    """Codec that applies a gain and an offset to the decoded features.

    Args:
        config: Settings of the codec.
        model: The network.
        gain: Factor on the decoded features.
        offset: Value that is added to the decoded features after the gain.
    """

    def __init__(self, config: CodecConfig, model: Model, gain: float, offset: float) -> None:
        super().__init__(config, model)
        self.gain, self.offset = gain, offset

    def decode_features(
        self,
        latents: Tensor,
        conditions: Conditions = NO_CONDITIONS,
        *,
        n_frames: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the decoded features after gain and offset."""
        decoded = super().decode_features(latents, conditions, n_frames=n_frames, generator=generator)
        return self.gain * decoded + self.offset


@torch.no_grad()
def random_codec(codec: Codec, sounds: Tensor, *, seed: int) -> RescaledCodec:
    """Return a codec of the same settings with random weights whose output is not silent.

    The output of untrained layers is near 0, which the scale of the features maps to silence. The statistics of the
    normalisation layers are therefore fitted to ``sounds``, and the output is rescaled to a mean of 0.5 and a
    standard deviation of 0.2 of the largest feature.

    Args:
        codec: The codec whose settings and device are used; it is not changed.
        sounds: Sounds for the statistics, ``(batch, channels, samples)``.
        seed: Seed of the weights, and of random numbers in the layers.
    """
    features, context = codec.analyse(sounds)
    representation = codec.representation
    model = build_model(
        codec.config.model,
        n_features=representation.n_features,
        rows=representation.rows,
        frequencies=representation.frequencies,
        seed=seed,
    )
    model = model.to(codec.device)
    conditions = {name: value.to(codec.device) for name, value in context.conditions.items()}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for _ in range(10):
            model(features, conditions)
    found = model.eval()(features, conditions)
    gain = float(0.2 * features.max() / found.std().clamp_min(1e-12))
    return RescaledCodec(codec.config, model, gain, float(0.5 * features.max() - gain * found.mean()))


@torch.inference_mode()
def exchange_codes(codec: Codec, notes: Notes, pairs: Rows, others: Rows, *, seed: int, step: Step) -> Network:
    """Return how much half-way morphs change with random weights, and with another note's code in place of B's.

    Args:
        codec: The codec.
        notes: The note set, at the codec's sample rate.
        pairs: Rows of A and B, ``(n, 2)``.
        others: Rows of the notes whose latent code replaces that of B, ``(n,)``; the context stays that of A and B.
        seed: Seed of random phase; the random weights have ``seed + 1``.
        step: Called with 1 after every pair.
    """
    untrained = random_codec(codec, notes.audio(pairs[:2].reshape(-1)).unsqueeze(1), seed=seed + 1)
    differences, random_weights, exchanged = [], [], []
    for (row_a, row_b), row_c in zip(pairs, others, strict=True):
        sounds = notes.audio([row_a, row_b, row_c])
        whole = morph(codec, sounds[0], sounds[1], phase=ESTIMATED, generator=seeded(seed))
        # a codec that accepts only one length has padded the notes with silence
        a, b, c = torch.nn.functional.pad(sounds, (0, whole.shape[-1] - notes.samples))
        (code_a, context_a), (code_b, context_b) = codec.encode(a), codec.encode(b)
        context = codec.representation.mix([context_a, context_b], torch.tensor([0.5, 0.5]))
        code_of_c = codec.encode(c)[0]
        half_way = [
            (codec, (code_a + code_b) / 2),
            (untrained, lerp(untrained.encode(a)[0], untrained.encode(b)[0], 0.5)),
            (codec, lerp(code_a, code_of_c, 0.5)),
        ]
        same, random, other = (
            by.decode(code, context, phase=ESTIMATED, generator=seeded(seed)) for by, code in half_way
        )
        differences.append(float((whole - same).abs().max()))
        reference = at_16_khz(whole, codec.sample_rate)
        random_weights.append(float(log_mel_error(at_16_khz(random, codec.sample_rate), reference)))
        exchanged.append(float(log_mel_error(at_16_khz(other, codec.sample_rate), reference)))
        step(1)
    return Network(max(differences), _change(random_weights), _change(exchanged))


def _change(errors: list[float]) -> Change:
    return Change(summary(errors), float(np.mean(np.array(errors) > AUDIBLE)))

"""What wavers quickly, moved from the image to the track, so that the image can be mixed."""

from dataclasses import replace

import torch
from torch import Tensor

from intertone.representation.noise import NoiseBands
from intertone.representation.phases import steady_phase
from intertone.representation.playing import Player
from intertone.representation.timeline import held
from intertone.representation.tracks import KeptNoise, PartialTrack

LONGER = 4
"""Times that the windows are longer in which noise is told from partials that waver."""

CLEAR = 0.5
"""How clear of noise a partial is, on average, whose phase is its own."""

INAUDIBLE = 0.4
"""Feature that a partial counts at least as in a mixture: six tenths of ``top_db`` below the loudest."""


def settle_track(image: Tensor, track: PartialTrack, player: Player) -> tuple[Tensor, PartialTrack]:
    """Settle one sound.

    Args:
        image: Its features, ``(channels, n_features, n_frames)``.
        track: Its track, from an analysis.
        player: Of the representation.

    Returns:
        Image and track that sound the same.
    """
    rows, top_db = player.rows, player.config.top_db
    steady, clear = rows.steady(image, float(track.f0.median()), player.bands)
    row_of = rows.row_of[: track.phase.shape[1]]
    # a partial that is heard turns as it turns; what noise turns is not the partial's
    heard = clear.mean(-1, keepdim=True)[:, row_of] > CLEAR
    steadied = steady_phase(rows.to_amplitudes(image, track.reference)[:, row_of], track.phase)
    phase = torch.where(heard, track.phase, steadied)
    # what is inaudible must not pull half of a mixture below hearing: it is added as what it is
    faint = image[:, row_of] < INAUDIBLE
    steady[:, : rows.n_partial_rows].clamp_(min=INAUDIBLE)
    flicker = 10 ** ((image - steady)[:, row_of] * top_db / 20) * (image[:, row_of] > 0)
    bands, noise = _settle_noise(image, track, player)
    settled = replace(
        track,
        phase=phase,
        flicker=flicker,
        wander=track.phase - phase,
        steadiness=torch.where(faint, 1.0, clear[:, row_of]),
        noise=noise,
    )
    return torch.cat([steady[:, : rows.n_partial_rows], bands], 1), settled


def _settle_noise(image: Tensor, track: PartialTrack, player: Player) -> tuple[Tensor, tuple[KeptNoise, ...]]:
    """Return the rows of noise without what leaks into them from partials that waver."""
    rows, config = player.rows, player.config
    bands = image[:, rows.n_partial_rows :]
    if not track.noise:
        return bands, ()
    (kept,) = track.noise
    shown = player.n_frames(kept.sound.shape[-1])
    fine = NoiseBands(config.sample_rate, config.hop_length, config.n_noise, config.f_max, longer=LONGER)
    multiples = track.multiples(len(rows.row_of) + 1).sort().values
    powers = held(fine.floor(kept.sound, track.f0[:shown], multiples), bands.shape[-1])
    found = torch.minimum(rows.to_features((2 * powers).sqrt(), track.reference), bands)
    return found, (replace(kept, powers=rows.to_amplitudes(found, track.reference).square() / 2),)

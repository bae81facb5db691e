"""Findings of Boemer, Gong and Homma (2018), with verdicts and figures of the replay."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from intertone.bench.transfer.pairs import SAMPLE_RATE
from intertone.experiments.finding import Finding, Verdict, overall
from intertone.experiments.transfer_study import TransferFigures, Transferred, limit_verdict
from intertone.metrics import chroma_similarity
from intertone.papers.boemer2018.study import DIRECTIONS, TOLERANCE, Budget, Direction
from intertone.pitch.note import hz_to_cents
from intertone.pitch.yin import note_pitch

Done = Mapping[str, Transferred]
Figures = Mapping[str, Mapping[str, TransferFigures]]

WHITE = 0.28
"""Least flatness of a sound that counts as white noise: half the flatness of white noise, 0.56."""

LEAST_SHARE = 0.99
"""Least share of the total decrease of the loss at iteration 50. Published is 99.7 %; the limit allows three times the
remaining 0.3 %."""

CENTS = 50.0
"""Largest deviation of an f0 that counts as the style's pitch, in cents."""


def findings(done: Done, figures: Figures, budget: Budget) -> tuple[Finding, ...]:
    """Return the findings of the paper, each with a verdict and the figures of the replay.

    Args:
        done: All transfers of the budget by name.
        figures: Figures of their sounds.
        budget: The budget.
    """
    low_high, high_low, to_chord, to_pitch = DIRECTIONS
    pitches = [*_names(low_high, budget), *_names(high_low, budget)]
    chords = _names(to_chord, budget)
    return (
        *(_ratio(direction, done, budget) for direction in DIRECTIONS),
        _monotonic(done, budget),
        _early(done, budget),
        _overlay(done, figures, pitches),
        _pitch(done, pitches),
        _noise(
            "the pitch that is reached is noisier than either sound: its noise floor lies 3 dB higher", figures, pitches
        ),
        _learnt(figures, chords),
        _degenerates(figures, chords),
        _white("a pitch learnt from a chord ends as white noise", figures, _names(to_pitch, budget)),
        *_voice(figures, budget),
    )


def _names(direction: Direction, budget: Budget) -> list[str]:
    return [f"{direction.name}-{pair}" for pair in range(1, budget.pairs + 1)]


def _ratio(direction: Direction, done: Done, budget: Budget) -> Finding:
    """Return whether the ratio of the last to the first loss is the published one, within ``TOLERANCE``."""
    published = direction.published(2)
    ours = [done[name].record.ratio(budget.after(99)) for name in _names(direction, budget)]
    near = [abs(value - published) <= TOLERANCE for value in ours]
    verdict: Verdict = "holds" if all(near) else "undecided" if any(near) else "fails"
    sentence = f"{direction.title}: the loss falls to {published:.3f} of the first by iteration 99"
    return Finding(sentence, verdict, _list(ours))


def _monotonic(done: Done, budget: Budget) -> Finding:
    """Return whether the loss decreases in every step."""
    rows = {direction.title: _names(direction, budget) for direction in DIRECTIONS}
    risen = {
        title: sum(b > a for name in names for a, b in pairwise(done[name].record.losses))
        for title, names in rows.items()
    }
    steps = sum(len(done[name].record.losses) - 1 for names in rows.values() for name in names)
    verdict: Verdict = "fails" if sum(risen.values()) else "holds"
    figures = ", ".join(f"{title}: {count}" for title, count in risen.items())
    return Finding("every loss falls in every step of 0.05", verdict, f"steps that rise, of {steps}: {figures}")


def _early(done: Done, budget: Budget) -> Finding:
    """Return whether, for single pitches, nearly the whole decrease of the loss is reached at iteration 50."""
    names = [name for direction in DIRECTIONS[:2] for name in _names(direction, budget)]
    records = [done[name].record for name in names]
    shares = [(1 - one.ratio(budget.after(50))) / (1 - one.ratio(budget.after(99))) for one in records]
    verdict = overall([limit_verdict(share, holds=LEAST_SHARE, fails=0.9) for share in shares])
    return Finding("of pitches, 99.7 % of the fall of the loss is done by iteration 50", verdict, _list(shares))


def _overlay(done: Done, figures: Figures, names: Sequence[str]) -> Finding:
    """Return whether both pitches are present at iteration 50.

    They are if the chroma is more similar to both sounds than the two sounds are to each other.
    """
    verdicts, texts = [], []
    for name in names:
        apart = chroma_similarity(done[name].content, done[name].style)
        one = figures[name]["50"]
        nearer = [one.content_chroma > apart, one.style_chroma > apart]
        verdicts.append(_verdict(all(nearer), fails=not any(nearer)))
        texts.append(f"{one.content_chroma:.2f} and {one.style_chroma:.2f} against {apart:.2f}")
    return Finding("at iteration 50 both pitches sound", overall(verdicts), "; ".join(texts))


def _pitch(done: Done, names: Sequence[str]) -> Finding:
    """Return whether the last sound has the f0 of the style."""
    cents = []
    for name in names:
        found, wanted = (note_pitch(sound, SAMPLE_RATE) for sound in (done[name].sounds["99"], done[name].style))
        cents.append(abs(float(hz_to_cents(found, wanted))))
    reached = [value <= CENTS for value in cents]  # False also for NaN, if no f0 is found
    verdict = _verdict(all(reached), fails=not any(reached))
    return Finding("at iteration 99 the pitch is the style's", verdict, f"cents off: {_list(cents, 0)}")


def _noise(sentence: str, figures: Figures, names: Sequence[str]) -> Finding:
    lifts = [figures[name]["99"].floor_db for name in names]
    return Finding(
        sentence, overall([limit_verdict(lift, holds=3, fails=0.5) for lift in lifts]), f"dB: {_list(lifts, 1)}"
    )


def _learnt(figures: Figures, names: Sequence[str]) -> Finding:
    likeness = [figures[name]["30"].style_chroma for name in names]
    verdict = overall([limit_verdict(value, holds=0.9, fails=0.7) for value in likeness])
    sentence = "the chord is learnt by iteration 30: the cosine of the chroma with the chord's is 0.9"
    return Finding(sentence, verdict, _list(likeness, 2))


def _degenerates(figures: Figures, names: Sequence[str]) -> Finding:
    rises = [figures[name]["99"].flatness / figures[name]["30"].flatness for name in names]
    verdict = overall([limit_verdict(value, holds=2, fails=1) for value in rises])
    last = _list([figures[name]["99"].flatness for name in names])
    sentence = "from then on the chord turns to noise: its flatness doubles by iteration 99"
    return Finding(sentence, verdict, f"factors {_list(rises, 2)}, to {last}")


def _white(sentence: str, figures: Figures, names: Sequence[str]) -> Finding:
    last = [figures[name]["99"].flatness for name in names]
    verdict = overall([limit_verdict(value, holds=WHITE, fails=WHITE / 2) for value in last])
    return Finding(f"{sentence}: a flatness of {WHITE} and more", verdict, _list(last))


def _voice(figures: Figures, budget: Budget) -> tuple[Finding, ...]:
    """Return the findings on the voice, at the alpha in the middle of the budget's alphas."""
    one, first = (figures[f"voice-{budget.main_alpha:g}"][iteration] for iteration in ("75", "0"))
    kept = overall(
        [limit_verdict(one.onsets, holds=0.8, fails=0.5), limit_verdict(one.content_energy, holds=0.9, fails=0.7)]
    )
    blurred = first.content_chroma - one.content_chroma
    found = [
        Finding(
            "voice to flute keeps the voice's time: at iteration 75 an onset F1 of 0.8 and a correlation of the "
            "energies of 0.9",
            kept,
            f"{one.onsets:.2f} and {one.content_energy:.2f}",
        ),
        Finding(
            "voice to flute blurs the frequencies: the cosine of the chroma falls by 0.05 by iteration 75",
            limit_verdict(blurred, holds=0.05, fails=0.01),
            f"{first.content_chroma:.3f} to {one.content_chroma:.3f}",
        ),
    ]
    if budget.variants:
        code, relu = (figures[name]["100"] for name in ("voice-code", f"voice-{budget.main_alpha:g}"))
        found.append(
            Finding(
                "the last ReLU as the content's layer leaves less white noise than the code",
                limit_verdict(code.floor_db - relu.floor_db, holds=1, fails=-1),
                f"floor {relu.floor_db:.1f} dB against {code.floor_db:.1f} dB",
            )
        )
        chord = figures["pitch-to-chord-1-gram"]
        found.append(
            Finding(
                "a chord by Gram matrices keeps the content's time, by squared differences the style's",
                overall(
                    [
                        limit_verdict(chord["99"].content_energy, holds=0.7, fails=0.3),
                        limit_verdict(figures["pitch-to-chord-1"]["99"].style_energy, holds=0.7, fails=0.3),
                    ]
                ),
                f"correlation of the energies {chord['99'].content_energy:.2f} and "
                f"{figures['pitch-to-chord-1']['99'].style_energy:.2f}",
            )
        )
    return tuple(found)


def _verdict(holds: bool, *, fails: bool) -> Verdict:
    return "holds" if holds else "fails" if fails else "undecided"


def _list(values: Sequence[float], decimals: int = 3) -> str:
    return ", ".join(f"{value:.{decimals}f}" for value in values)

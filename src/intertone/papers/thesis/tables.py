"""The tables of the thesis's page as Markdown."""

from collections.abc import Mapping, Sequence

from intertone.experiments.experiment import Point, Results, RunResult
from intertone.experiments.figures import NoteFigures, mean
from intertone.experiments.write_up import number
from intertone.models.contract import root_mean_square_reading
from intertone.page import markdown_rows, percent
from intertone.papers.thesis.anchors import Anchor
from intertone.papers.thesis.codes import CodeMap, Codes, Probing, Shares
from intertone.papers.thesis.moves import Move
from intertone.representation import build_representation

NONE = "none"
"""Entry for a difference that is not larger than the spread of the default's seeds."""

STILL_FALLING = 0.01
"""Relative decrease of the training loss from the third to the last quarter of a run, above which it is unfinished."""


def make_tables(
    results: Results, anchors: Mapping[str, Anchor], representations: Mapping[str, Anchor], codes: Codes
) -> dict[str, str]:
    """Return all tables by name.

    Args:
        results: Output of ``run_thesis``.
        anchors: Output of ``evaluate_anchors``.
        representations: Output of ``evaluate_representations``.
        codes: Output of ``study_codes``.

    Returns:
        Name → Markdown, without a title.
    """
    return {
        "settings": _settings(results),
        "reconstruction": _reconstruction(results, anchors),
        "morphs": _morphs(results, anchors),
        "learning": _learning(results),
        "one-instrument": _one_instrument(results),
        "representations": _representations(representations),
        "probes": _probes(codes.probes),
        "map": _map(codes.map),
        "moves": _moves(codes.moves),
    }


def against_default(values: Mapping[str, float], name: str) -> str:
    """Return the difference of a value from the mean over the default's seeds, as text.

    Args:
        values: Name of the experiment → value; ``default`` and ``seed-…`` are the default with different seeds.
        name: Name of the experiment.

    Returns:
        The signed difference; ``none`` if it is not larger than the spread of the seeds; empty for the default itself,
        and if there are fewer than two seeds.

    Example:
        >>> found = {"default": 5.0, "seed-1": 6.0, "relu": 6.4, "depth-3": 4.0}
        >>> [against_default(found, name) for name in ("relu", "depth-3", "seed-1")]
        ['none', '−1.50', '']
    """
    seeds = [value for key, value in values.items() if is_default(key)]
    if is_default(name) or len(seeds) < 2:
        return ""
    difference = values[name] - sum(seeds) / len(seeds)
    return NONE if abs(difference) <= max(seeds) - min(seeds) else _signed(difference)


def is_default(name: str) -> bool:
    """Return whether an experiment is the default with some seed."""
    return name == "default" or name.startswith("seed-")


def is_unfinished(training: Sequence[Point]) -> bool:
    """Return whether the mean training loss decreased by more than 1 % from the third to the last quarter of the run.

    Example:
        >>> [is_unfinished([Point(1, loss) for loss in losses]) for losses in ([9, 5, 4, 4], [9, 5, 4, 3])]
        [False, True]
    """
    losses = [point.loss for point in training]
    quarter = max(1, len(losses) // 4)
    last, before = losses[-quarter:], losses[-2 * quarter : -quarter]
    return bool(before) and sum(last) / len(last) < (1 - STILL_FALLING) * sum(before) / len(before)


def _settings(results: Results) -> str:
    rows = []
    for result in results.values():
        changes = " ".join(f"`{line}`" for line in result.changes) or "–"
        weights = "–" if result.weights is None else f"{result.weights / 1e6:.2f} M"
        code = "–" if result.code is None else f"{result.code:,}"
        steps = str(result.curve[-1].step) if result.curve else "–"
        rows.append((result.title, result.factor, changes, weights, code, steps, number(result.seconds, 0)))
    return markdown_rows(("experiment", "factor", "`--set`", "weights", "code", "steps", "seconds"), rows)


def _reconstruction(results: Results, anchors: Mapping[str, Anchor]) -> str:
    known = {name: result.figures for name, result in results.items() if result.figures}
    estimated_errors = {name: mean(figures.log_mel_estimated) for name, figures in known.items()}
    errors_above = {name: mean(figures.above_floor) for name, figures in known.items()}
    rows = []
    for name, figures in known.items():
        cells = _figures(figures)
        for place, found in ((2, estimated_errors), (4, errors_above)):
            cells.insert(place, against_default({k: v for k, v in found.items() if v is not None}, name))
        rows.append((results[name].title, *cells, number(results[name].seconds, 0)))
    for anchor in anchors.values():
        kept, estimated, above, loud, tuned = _figures(anchor.figures)
        rows.append((f"*{anchor.title}*", kept, estimated, "", above, "", loud, tuned, "–"))
    columns = ("experiment", "log-mel, kept phase", "estimated phase", "against the default", "dB RMSE")
    return markdown_rows((*columns, "against the default", "loud cells", "in tune", "seconds"), rows)


def _morphs(results: Results, anchors: Mapping[str, Anchor]) -> str:
    rows = []
    known = [(each.title, each.morphs) for each in results.values()]
    for title, morphs in (*known, *((each.title, each.morphs) for each in anchors.values())):
        if not morphs:
            continue
        ours, others = (
            (percent(share.in_tune), number(share.median_cents, 1)) for share in (morphs.codec, morphs.interpolated)
        )
        rows.append((title, str(morphs.n), str(morphs.n_measured), *ours, *others))
    columns = ("experiment", "pairs", "measured", "in tune", "median cents")
    return markdown_rows((*columns, "no network: in tune", "no network: median cents"), rows)


def errors(result: RunResult, points: Sequence[Point]) -> list[float]:
    """Return losses as root mean squared errors in the unit of the features, which is dB in all experiments."""
    scales = build_representation(result.settings.representation).scales
    return [root_mean_square_reading(point.loss, scales).value for point in points]


def _learning(results: Results) -> str:
    rows = []
    for result in results.values():
        if result.stopped or not result.curve:
            rows.append((result.title, *["–"] * 5, f"stopped: {result.stopped}"))
            continue
        training, valid = errors(result, result.training), errors(result, result.curve)
        best = result.curve[valid.index(min(valid))].step
        cells = (f"{training[0]:.2f}", f"{training[-1]:.2f}", f"{valid[-1]:.2f}", f"{min(valid):.2f}", str(best))
        state = "unfinished" if is_unfinished(result.training) else "no longer falling"
        rows.append((result.title, *cells, state))
    columns = ("experiment", "training, first epoch", "last epoch", "validation, last", "best", "at step", "at its end")
    return markdown_rows(columns, rows)


def _one_instrument(results: Results) -> str:
    known = [result for result in results.values() if result.own]
    if not known:
        return "Not in this budget."
    result, default = known[0], results["default"]
    rows = [
        (title, where, *_figures(figures))
        for title, where, figures in (
            ("trained on it alone", "its held-out pitches", result.own),
            ("default", "its held-out pitches", result.own_default),
            ("trained on it alone", "other instruments", result.figures),
            ("default", "other instruments", default.figures),
        )
        if figures is not None
    ]
    columns = ("network", "judged on", "log-mel, kept phase", "estimated phase", "dB RMSE", "loud cells", "in tune")
    return markdown_rows(columns, rows)


def _representations(representations: Mapping[str, Anchor]) -> str:
    rows = [(result.title, *_figures(result.figures)) for result in representations.values()]
    columns = ("representation of", "log-mel, kept phase", "estimated phase", "dB RMSE", "loud cells", "in tune")
    return markdown_rows(columns, rows)


def _probes(probes: Sequence[Probing]) -> str:
    if not probes:
        return "No property has two values in these notes."
    found = [(line, words, shares) for line in probes for words, shares in _places(line) if shares is not None]
    views = list(dict.fromkeys(view for _, _, shares in found for view in shares.shares))
    rows = []
    for line, words, shares in found:
        head = (f"{line.task}, {words}", str(line.classes), str(line.fitted), str(shares.n))
        rows.append((*head, percent(shares.constant), *(percent(shares.shares.get(view)) for view in views)))
    return markdown_rows(("what is read", "classes", "fitted to", "judged on", "constant guess", *views), rows)


def _places(line: Probing) -> tuple[tuple[str, Shares | None], ...]:
    return ("known instruments", line.known), ("other instruments", line.foreign)


def _map(maps: Mapping[str, CodeMap]) -> str:
    rows = [
        (
            name,
            word,
            percent(found.share[axis]),
            *(number(found_r[axis], 2) for found_r in (found.pitch, found.velocity)),
        )
        for name, found in maps.items()
        for axis, word in enumerate(("first", "second"))
    ]
    return markdown_rows(("codes of", "axis", "share of the variance", "r with pitch", "r with velocity"), rows)


def _moves(moves: Mapping[str, Sequence[Move]]) -> str:
    rows = []
    for name, found in moves.items():
        for move in found:
            band = f"{move.hz[0]:.0f}–{move.hz[1]:.0f}"
            largest = [max(change, key=abs) for change in (move.up, move.down)]
            shares = (percent(move.inside), f"{move.width:.0f}")
            rows.append((name, str(move.number), str(move.channel), band, *map(_signed, largest), *shares))
    columns = ("code of", "number", "channel", "its band, Hz", "largest change at +2 σ, dB", "at −2 σ, dB")
    return markdown_rows((*columns, "squared change in its band", "band with 90 % of it, Hz"), rows)


def _figures(figures: NoteFigures) -> list[str]:
    """Return table cells: log-mel error (kept, estimated phase), dB RMSE, loud cells, share in tune."""
    columns = (figures.log_mel_kept, figures.log_mel_estimated, figures.above_floor, figures.loud_cells)
    return [*(number(mean(column), 2) for column in columns), percent(mean(figures.in_tune))]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")

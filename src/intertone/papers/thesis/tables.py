"""The tables of the thesis's page, as Markdown, from results."""

import math
from collections.abc import Iterable, Mapping, Sequence

from intertone.experiments.figures import mean
from intertone.experiments.store import Result

NONE = "none"
"""What a difference is called that is no larger than the spread of the default's seeds."""

STILL_FALLING = 0.01
"""A run is unfinished whose training loss fell by more than this share from the last but one to the last quarter."""


def make_tables(
    results: Mapping[str, Result], anchors: Mapping[str, Result], representations: Mapping[str, Result], codes: Result
) -> dict[str, str]:
    """Return every table by name.

    Args:
        results: From ``run_all``.
        anchors: From ``judge_anchors``.
        representations: From ``judge_representations``.
        codes: From ``study_codes``.

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
        "probes": _probes(codes["probes"]),
        "map": _map(codes["map"]),
        "moves": _moves(codes["moves"]),
    }


def against_default(values: Mapping[str, float], name: str) -> str:
    """Return how far a value is from the mean of the default's seeds, or that this is no difference.

    Args:
        values: Name of the experiment → value; ``default`` and ``seed-…`` are the default's.
        name: Of the experiment.

    Returns:
        The signed difference; ``none`` where it is no larger than the spread of the seeds; empty for the seeds, and
        where there are not two.

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


def is_unfinished(training: Sequence[Result]) -> bool:
    """Return whether the training loss still fell by more than 1 % from the last but one quarter to the last.

    Example:
        >>> [is_unfinished([{"loss": loss} for loss in losses]) for losses in ([9, 5, 4, 4], [9, 5, 4, 3])]
        [False, True]
    """
    losses = [float(point["loss"]) for point in training]
    quarter = max(1, len(losses) // 4)
    last, before = losses[-quarter:], losses[-2 * quarter : -quarter]
    return bool(before) and sum(last) / len(last) < (1 - STILL_FALLING) * sum(before) / len(before)


def _settings(results: Mapping[str, Result]) -> str:
    rows = []
    for result in results.values():
        changes = " ".join(f"`{line}`" for line in result["changes"]) or "–"
        counts = ("–", "–") if result["stopped"] else (f"{result['weights'] / 1e6:.2f} M", f"{result['code']:,}")
        steps = str(result["curve"][-1]["step"]) if result["curve"] else "–"
        rows.append((result["title"], result["factor"], changes, *counts, steps, number(result["seconds"], 0)))
    return markdown(("experiment", "factor", "`--set`", "weights", "code", "steps", "seconds"), rows)


def _reconstruction(results: Mapping[str, Result], anchors: Mapping[str, Result]) -> str:
    judged = {name: result for name, result in results.items() if result.get("figures")}
    found = {
        key: {name: mean(result["figures"][key]) for name, result in judged.items()}
        for key in ("log_mel_estimated", "above_floor")
    }
    rows = []
    for name, result in judged.items():
        cells = _figures(result["figures"])
        for place, key in ((2, "log_mel_estimated"), (4, "above_floor")):
            cells.insert(place, against_default({k: v for k, v in found[key].items() if v is not None}, name))
        rows.append((result["title"], *cells, number(result["seconds"], 0)))
    for anchor in anchors.values():
        kept, estimated, above, loud, tuned = _figures(anchor["figures"])
        rows.append((f"*{anchor['title']}*", kept, estimated, "", above, "", loud, tuned, "–"))
    columns = ("experiment", "log-mel, kept phase", "estimated phase", "against the default", "dB RMSE")
    return markdown((*columns, "against the default", "loud cells", "in tune", "seconds"), rows)


def _morphs(results: Mapping[str, Result], anchors: Mapping[str, Result]) -> str:
    rows = []
    for result in (*results.values(), *anchors.values()):
        morphs = result.get("morphs")
        if not morphs:
            continue
        shares = [(percent(morphs[by]["in_tune"]), number(morphs[by]["median_cents"], 1)) for by in _METHODS]
        rows.append((result["title"], str(morphs["n"]), str(morphs["n_measured"]), *shares[0], *shares[1]))
    columns = ("experiment", "pairs", "measured", "in tune", "median cents")
    return markdown((*columns, "no network: in tune", "no network: median cents"), rows)


_METHODS = ("codec", "log magnitude")


def _learning(results: Mapping[str, Result]) -> str:
    rows = []
    for result in results.values():
        if result["stopped"] or not result["curve"]:
            rows.append((result["title"], *["–"] * 5, f"stopped: {result['stopped']}"))
            continue
        top_db = result["settings"]["representation"]["top_db"]
        training, valid = (
            [top_db * math.sqrt(point["loss"]) for point in result[key]] for key in ("training", "curve")
        )
        best = result["curve"][valid.index(min(valid))]["step"]
        cells = (f"{training[0]:.2f}", f"{training[-1]:.2f}", f"{valid[-1]:.2f}", f"{min(valid):.2f}", str(best))
        state = "unfinished" if is_unfinished(result["training"]) else "no longer falling"
        rows.append((result["title"], *cells, state))
    columns = ("experiment", "training, first epoch", "last epoch", "validation, last", "best", "at step", "at its end")
    return markdown(columns, rows)


def _one_instrument(results: Mapping[str, Result]) -> str:
    known = [result for result in results.values() if result.get("own")]
    if not known:
        return "Not in this budget."
    result, default = known[0], results["default"]
    rows = [
        (title, where, *_figures(figures))
        for title, where, figures in (
            ("trained on it alone", "its held-out pitches", result["own"]),
            ("default", "its held-out pitches", result["own_default"]),
            ("trained on it alone", "other instruments", result["figures"]),
            ("default", "other instruments", default["figures"]),
        )
    ]
    columns = ("network", "judged on", "log-mel, kept phase", "estimated phase", "dB RMSE", "loud cells", "in tune")
    return markdown(columns, rows)


def _representations(representations: Mapping[str, Result]) -> str:
    rows = [(result["title"], *_figures(result["figures"])) for result in representations.values()]
    columns = ("representation of", "log-mel, kept phase", "estimated phase", "dB RMSE", "loud cells", "in tune")
    return markdown(columns, rows)


def _probes(probes: Sequence[Result]) -> str:
    if not probes:
        return "No property has two values in these notes."
    views = list(dict.fromkeys(view for line in probes for place in _PLACES for view in _shares(line, place)))
    rows = []
    for line in probes:
        for place, words in _PLACES.items():
            if line[place] is None:
                continue
            head = (f"{line['task']}, {words}", str(line["classes"]), str(line["fitted"]), str(line[place]["n"]))
            shares = [percent(_shares(line, place).get(view)) for view in views]
            rows.append((*head, percent(line[place]["constant"]), *shares))
    return markdown(("what is read", "classes", "fitted to", "judged on", "constant guess", *views), rows)


_PLACES = {"known": "known instruments", "foreign": "other instruments"}


def _shares(line: Result, place: str) -> Mapping[str, float]:
    return line[place]["shares"] if line[place] else {}


def _map(maps: Mapping[str, Result]) -> str:
    rows = [
        (name, word, percent(found["share"][axis]), *(number(found[key][axis], 2) for key in ("pitch", "velocity")))
        for name, found in maps.items()
        for axis, word in enumerate(("first", "second"))
    ]
    return markdown(("codes of", "axis", "share of the variance", "r with pitch", "r with velocity"), rows)


def _moves(moves: Mapping[str, Sequence[Result]]) -> str:
    rows = []
    for name, found in moves.items():
        for move in found:
            band = f"{move['hz'][0]:.0f}–{move['hz'][1]:.0f}"
            largest = [max(move[word], key=abs) for word in ("up", "down")]
            shares = (percent(move["inside"]), f"{move['width']:.0f}")
            rows.append((name, str(move["number"]), str(move["channel"]), band, *map(_signed, largest), *shares))
    columns = ("code of", "number", "channel", "its band, Hz", "largest change at +2 σ, dB", "at −2 σ, dB")
    return markdown((*columns, "squared change in its band", "band with 90 % of it, Hz"), rows)


def _figures(figures: Mapping[str, list[float | None]]) -> list[str]:
    """Return log-mel (kept, estimated), dB RMSE, loud cells, share in tune."""
    keys = ("log_mel_kept", "log_mel_estimated", "above_floor", "loud_cells")
    return [*(number(mean(figures[key]), 2) for key in keys), percent(mean(figures["in_tune"]))]


def markdown(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of cells as Markdown."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, decimals: int) -> str:
    """Return a number with so many decimals, with a minus sign; a dash for none."""
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def percent(share: float | None) -> str:
    """Return a share in whole percent; a dash for none."""
    return "–" if share is None else f"{100 * share:.0f} %"

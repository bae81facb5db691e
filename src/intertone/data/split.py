"""Division of notes into the splits train, valid and test, by hashes of names and without random numbers."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from intertone.data.row import ReportLine, StoredNote
from intertone.errors import InputError
from intertone.remark import RemarkLogger

SPLITS = ("train", "valid", "test")
FRACTIONS = (0.8, 0.1, 0.1)
SPLIT_BY = ("group", "note")
_logger = RemarkLogger(__name__)


def split_of(group: str, fractions: Sequence[float] = FRACTIONS) -> str:
    """Return the split of all notes of ``group``.

    The hash of the name, as a number in 0…1, is compared with the cumulative sum of ``fractions``. Thus the split
    depends only on the name, and not on other groups, on their order, or on a seed.

    Args:
        group: Name of notes that must be in one split: an instrument, or programs of a SoundFont that share a
            recording.
        fractions: Shares of train, valid and test; not negative, with the sum 1.

    Returns:
        ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        InputError: If ``fractions`` are not three numbers >= 0 with the sum 1.

    Example:
        >>> [split_of(name) for name in ("guitar", "flute", "marimba")]
        ['valid', 'train', 'train']
        >>> split_of("guitar", (0.0, 0.0, 1.0))
        'test'
    """
    check_fractions(fractions)
    place = _hash_fraction(group)
    if place < fractions[0]:
        return "train"
    return "valid" if place < fractions[0] + fractions[1] else "test"


def split_groups(sizes: Mapping[str, int], fractions: Sequence[float] = FRACTIONS) -> dict[str, str]:
    """Return the split of each group such that no split with a share above 0 is empty.

    The result is that of ``split_of`` if it leaves no split empty. Otherwise the two limits between the splits, in the
    order of the hashes, are moved as little as necessary for each split to have a group. Two groups become train and
    valid. If train then has less than half of its share of the notes, the largest group is moved to train.

    Args:
        sizes: Number of notes in each group.
        fractions: The same as for ``split_of``.

    Returns:
        The split of each group.

    Raises:
        InputError: If ``fractions`` are not three numbers >= 0 with the sum 1.

    Example:
        >>> [split_of(name) for name in ("flute", "marimba", "piano")]
        ['train', 'train', 'train']
        >>> split_groups({"flute": 9, "marimba": 9, "piano": 9})
        {'piano': 'train', 'marimba': 'valid', 'flute': 'test'}
        >>> split_groups({"flute": 99, "piano": 9})
        {'flute': 'train', 'piano': 'valid'}
    """
    check_fractions(fractions)
    order = sorted(sizes, key=lambda group: (_hash_fraction(group), group))
    splits = [split_of(group, fractions) for group in order]
    wanted = [split for split, share in zip(SPLITS, fractions, strict=True) if share > 0][: len(order)]
    need_train, need_valid, need_test = (int(split in wanted) for split in SPLITS)
    cut, end, _ = accumulate(splits.count(split) for split in SPLITS)
    if not set(wanted) <= set(splits):
        end = min(end, len(order) - need_test)
        cut = max(min(cut, end - need_valid), need_train)
        end = max(end, cut + need_valid)
    if 2 * sum(sizes[group] for group in order[:cut]) < fractions[0] * sum(sizes.values()):
        order.insert(0, order.pop(order.index(max(order, key=sizes.__getitem__))))
    splits = ["train"] * cut + ["valid"] * (end - cut) + ["test"] * (len(order) - end)
    return dict(zip(order, splits, strict=True))


def split_notes(names: Sequence[str], fractions: Sequence[float] = FRACTIONS) -> dict[str, str]:
    """Return the split of each note, for notes that are divided one by one in the order of their hashes.

    Args:
        names: Names of the notes.
        fractions: The same as for ``split_of``; a split with a share above 0 has at least one note, if there are
            enough.

    Returns:
        The split of each note.

    Raises:
        InputError: If ``fractions`` are not three numbers >= 0 with the sum 1.

    Example:
        >>> list(split_notes([f"take {number}" for number in range(10)], (0.8, 0.2, 0.0)).values()).count("valid")
        2
    """
    check_fractions(fractions)
    order = sorted(names, key=lambda name: (_hash_fraction(name), name))
    wanted = [split for split, share in zip(SPLITS, fractions, strict=True) if share > 0][: len(order)]
    n_valid, n_test = (
        max(round(share * len(order)), int(split in wanted))
        for split, share in zip(SPLITS[1:], fractions[1:], strict=True)
    )
    n_test = min(n_test, len(order) - n_valid)
    splits = ["train"] * (len(order) - n_valid - n_test) + ["valid"] * n_valid + ["test"] * n_test
    return dict(zip(order, splits, strict=True))


def divide_notes(
    rows: Sequence[StoredNote], report: Sequence[ReportLine], *, fractions: Sequence[float], split_by: str
) -> tuple[list[StoredNote], list[str]]:
    """Return the notes of an imported folder with their splits, such that train and valid both have notes.

    It is called after all sounds have been read, since only then it is known which of them can be used. Groups are
    divided by ``split_groups``. With ``split_by="note"``, or if there is only one group, each note becomes a separate
    group, and ``split_notes`` divides them.

    Args:
        rows: Index rows.
        report: Report entries; ``split`` is set in place for entries whose ``file`` is the name of a row.
        fractions: Shares of train, valid and test.
        split_by: ``"group"`` or ``"note"``.

    Returns:
        Index rows with ``group`` and ``split``, and remarks on divisions that differ from ``split_of``.
    """
    remarks = []
    groups = sorted({row.group for row in rows})
    if len(groups) == 1 < min(len(rows), sum(share > 0 for share in fractions)):
        remarks.append(
            f"there is only one group ({groups[0]}): its notes are divided one by one, so the validation split holds "
            "notes of a training instrument"
        )
        split_by = "note"
    elif split_by == "note" and rows:
        remarks.append("the notes are divided one by one, so the validation split holds notes of training instruments")
    if split_by == "note":
        rows = [replace(row, group=row.name) for row in rows]
        splits = split_notes([row.name for row in rows], fractions)
    else:
        splits = split_groups(Counter(row.group for row in rows), fractions)
    if split_by == "group" and any(split != split_of(group, fractions) for group, split in splits.items()):
        remarks.append(f"the division of {len(splits)} groups was changed so that training and validation have notes")
    lines = {line["file"]: line for line in report}
    rows = [replace(row, split=splits[row.group]) for row in rows]
    for row in rows:
        lines[row.name]["split"] = row.split
    for remark in remarks:
        _logger.info("%s", remark)
    return rows, remarks


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse shares of the splits that are not three numbers >= 0 with the sum 1.

    Raises:
        InputError: If ``fractions`` are other numbers.
    """
    if len(fractions) != len(SPLITS) or not min(fractions) >= 0 or not abs(sum(fractions) - 1) <= 1e-9:
        raise InputError(f"fractions must be three shares >= 0 with the sum 1, got {tuple(fractions)}")


def _hash_fraction(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64

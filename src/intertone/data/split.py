"""Which notes train, which validate and which test: fixed by a hash, never by chance."""

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
    """Say to which split everything of ``group`` belongs.

    The hash of the name is read as a number in 0…1 and compared with the running sum of ``fractions``, so the answer
    depends on nothing but the name: not on what else is in the set, not on the order, not on a seed.

    Args:
        group: Name of what may not be split: an instrument, or the programs of a bank that share a recording.
        fractions: Shares of train, valid and test; not negative, with the sum 1.

    Returns:
        ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        InputError: If ``fractions`` are not three shares of one whole.

    Example:
        >>> [split_of(name) for name in ("guitar", "flute", "marimba")]
        ['valid', 'train', 'train']
        >>> split_of("guitar", (0.0, 0.0, 1.0))
        'test'
    """
    check_fractions(fractions)
    place = _place(group)
    if place < fractions[0]:
        return "train"
    return "valid" if place < fractions[0] + fractions[1] else "test"


def split_groups(sizes: Mapping[str, int], fractions: Sequence[float] = FRACTIONS) -> dict[str, str]:
    """Split few groups so that no split which has a share stays empty.

    ``split_of`` decides where it leaves no split empty. Else its two cuts through the groups, in the order of their
    hashes, are moved by as little as gives each split a group: the highest hash goes to test, the next to valid. Two
    groups are train and valid. Where train then has less than half of its share of the notes, the largest group trains.

    Args:
        sizes: Notes in each group.
        fractions: As for ``split_of``.

    Returns:
        The split of each group.

    Raises:
        InputError: If ``fractions`` are not three shares of one whole.

    Example:
        >>> [split_of(name) for name in ("flute", "marimba", "piano")]
        ['train', 'train', 'train']
        >>> split_groups({"flute": 9, "marimba": 9, "piano": 9})
        {'piano': 'train', 'marimba': 'valid', 'flute': 'test'}
        >>> split_groups({"flute": 99, "piano": 9})
        {'flute': 'train', 'piano': 'valid'}
    """
    check_fractions(fractions)
    order = sorted(sizes, key=lambda group: (_place(group), group))
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
    """Split notes one by one in shares that are as exact as whole notes allow, in the order of their hashes.

    Args:
        names: Of the notes.
        fractions: As for ``split_of``; a split with a share has at least one note, if there are enough.

    Returns:
        The split of each note.

    Raises:
        InputError: If ``fractions`` are not three shares of one whole.

    Example:
        >>> list(split_notes([f"take {number}" for number in range(10)], (0.8, 0.2, 0.0)).values()).count("valid")
        2
    """
    check_fractions(fractions)
    order = sorted(names, key=lambda name: (_place(name), name))
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
    """Give the notes of a folder their splits, so that training and validation both have some.

    Made when all sounds were read, since only then is known which of them can be used. Groups go as ``split_groups``
    says; the notes of a single group, or of all with ``split_by="note"``, become groups of their own and go as
    ``split_notes`` says.

    Args:
        rows: The index.
        report: Lines of the report; ``split`` is set in place, where ``file`` is the name of a row.
        fractions: Shares of train, valid and test.
        split_by: ``"group"`` or ``"note"``.

    Returns:
        The index with ``group`` and ``split``, and sentences that say where the split is not the plain one.
    """
    remarks = []
    groups = sorted({row.group for row in rows})
    if len(groups) == 1 < min(len(rows), sum(share > 0 for share in fractions)):
        remarks.append(
            f"one group only ({groups[0]}): its notes are split one by one, so the validation split holds notes of an "
            "instrument that was trained on"
        )
        split_by = "note"
    elif split_by == "note":
        remarks.append(
            "the notes are split one by one, so the validation split holds notes of instruments that were trained on"
        )
    if split_by == "note":
        rows = [replace(row, group=row.name) for row in rows]
        splits = split_notes([row.name for row in rows], fractions)
    else:
        splits = split_groups(Counter(row.group for row in rows), fractions)
    if split_by == "group" and any(split != split_of(group, fractions) for group, split in splits.items()):
        remarks.append(f"the shares of {len(splits)} groups were moved so that training and validation have notes")
    lines = {line["file"]: line for line in report}
    rows = [replace(row, split=splits[row.group]) for row in rows]
    for row in rows:
        lines[row.name]["split"] = row.split
    for remark in remarks:
        _logger.info("%s", remark)
    return rows, remarks


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse what are not three shares of one whole.

    Raises:
        InputError: If so.
    """
    if len(fractions) != len(SPLITS) or not min(fractions) >= 0 or not abs(sum(fractions) - 1) <= 1e-9:
        raise InputError(f"fractions must be three shares >= 0 with the sum 1, got {tuple(fractions)}")


def _place(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64

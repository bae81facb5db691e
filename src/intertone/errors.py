"""The one error that a user can cause, the name that was meant, and the sentence about an interruption."""

import difflib
from collections.abc import Iterable

GOES_ON = ("train", "data", "paper")
"""Verbs that keep what they have done; the others write at their end."""

LONGEST_SHOWN = 80
"""Characters of a name or value that a sentence shows."""


class InputError(ValueError):
    """Refusal of something that cannot be used; the message is one sentence that says what must hold and what came.

    The command line prints it without a traceback and exits with 2. Errors of the program itself are never of this
    class.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that refuses a name: the nearest known one, or nothing where none is near.

    Example:
        >>> did_you_mean("hous", ["house", "mital"]), did_you_mean("monet", ["house", "mital"])
        ('; did you mean house?', '')
    """
    near = difflib.get_close_matches(name, sorted(set(known) - {name}), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def shortened(text: str) -> str:
    """Return text as a sentence shows it: of a long one, the first ``LONGEST_SHOWN`` characters.

    Example:
        >>> shortened("x" * 1000).count("x")
        80
    """
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} …"


def stopped_text(verb: str | None) -> str:
    """Return the line that tells what an interrupted verb leaves of its work.

    Example:
        >>> stopped_text("morph")
        'intertone: stopped; no result was written'
    """
    if verb == "play":  # it makes nothing
        return "intertone: stopped"
    left = "run the same command to go on" if verb in GOES_ON else "no result was written"
    return f"intertone: stopped; {left}"

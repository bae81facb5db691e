"""``InputError`` for wrong input, and helpers for the sentences of errors and interruptions."""

import difflib
from collections.abc import Iterable

RESUMABLE = ("train", "data", "paper")
"""Subcommands that keep intermediate results and can be resumed; the others write only at their end."""

LONGEST_SHOWN = 80
"""Largest number of characters of a name or value in an error sentence."""


class InputError(ValueError):
    """Error that the user's input causes; the message is one sentence that says what must hold and what came.

    The command line prints the message without a traceback and exits with code 2. Programming errors are never of
    this class.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that refuses a name: ``; did you mean …?``, or nothing if no known name is similar.

    Example:
        >>> did_you_mean("hous", ["house", "mital"]), did_you_mean("monet", ["house", "mital"])
        ('; did you mean house?', '')
    """
    near = difflib.get_close_matches(name, sorted(set(known) - {name}), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def shortened(text: str) -> str:
    """Return text for an error sentence; a long text is cut after ``LONGEST_SHOWN`` characters.

    Example:
        >>> shortened("x" * 1000).count("x")
        80
    """
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} …"


def stopped_text(verb: str | None, arguments: Iterable[str] = ()) -> str:
    """Return the line that an interrupted subcommand prints: whether it can be resumed or has written nothing.

    Args:
        verb: The subcommand.
        arguments: Its arguments: ``morph --pairs`` keeps the morphs that are finished.

    Example:
        >>> stopped_text("morph")
        'intertone: stopped; no result was written'
    """
    if verb == "play":  # it writes no result
        return "intertone: stopped"
    of_pairs = verb == "morph" and any(word.partition("=")[0] == "--pairs" for word in arguments)
    left = "run the same command to resume" if verb in RESUMABLE or of_pairs else "no result was written"
    return f"intertone: stopped; {left}"

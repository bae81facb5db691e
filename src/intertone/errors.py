"""The one error that a user can cause."""


class InputError(ValueError):
    """What was given cannot be used; the message is one sentence that says what must hold and what came.

    The command line prints it without a traceback and exits with 2. Errors of the program itself are never of this
    class.
    """

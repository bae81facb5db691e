"""``python -m intertone``: the command line, also for ``torchrun -m intertone``."""

from intertone.cli import main

main()

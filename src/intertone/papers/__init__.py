"""Replays of papers with the code of this project; each gives tables, pictures and pages.

A paper has a folder with its settings, experiments and published figures. The ``PAPER`` in the folder's ``__init__``
imports nothing heavy and is listed in ``PAPERS``.
"""

from intertone.papers import boemer2018, colonel2017, colonel2018, colonel2020, thesis, verma2018
from intertone.papers.contract import Paper

PAPERS: tuple[Paper, ...] = (
    thesis.PAPER,
    colonel2017.PAPER,
    colonel2018.PAPER,
    colonel2020.PAPER,
    verma2018.PAPER,
    boemer2018.PAPER,
)

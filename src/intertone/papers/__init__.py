"""Papers, each replayed with this project's own code: settings in, tables and pictures out.

A paper is a folder with its settings and study, its published table and its page, and a ``PAPER`` in its
``__init__`` that imports nothing heavy; here it has one line.
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

"""A page on which an instrument is played, the server behind it, and the same page as one file."""

from intertone.web.bundle import modules_as_script, one_file

__all__ = ["modules_as_script", "one_file"]

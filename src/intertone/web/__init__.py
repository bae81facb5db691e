"""A page on which an instrument is played, the server behind it, and the same page as one file."""

from intertone.web.one_file import modules_as_script, one_file

__all__ = ["modules_as_script", "one_file"]

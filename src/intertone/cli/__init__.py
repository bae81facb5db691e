"""Command line ``intertone`` and its subcommands. torch, numpy and scipy are imported only when a subcommand runs."""

import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer
from typer.core import TyperGroup

from intertone import __version__
from intertone.cli.bench import app as bench_app
from intertone.cli.data import app as data_app
from intertone.cli.evaluation import evaluate
from intertone.cli.export import export_instrument
from intertone.cli.information import doctor, info
from intertone.cli.instrument import keys
from intertone.cli.map import map_codes
from intertone.cli.morphing import morph
from intertone.cli.paper import app as paper_app
from intertone.cli.play import play_sounds
from intertone.cli.preparation import prepare
from intertone.cli.progress import begin
from intertone.cli.reconstruction import gains, reconstruct
from intertone.cli.style import transfer_style
from intertone.cli.synthesis import synth
from intertone.cli.training import pack, train
from intertone.errors import InputError, stopped_text

STOPPED = tuple(128 + getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Exit codes of an interrupted command: 128 plus the number of the signal SIGINT, SIGTERM or SIGHUP."""


class Verbs(TyperGroup):
    """Group of the subcommands; an interrupted one prints one line that says which of its results remain on disk."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run the subcommand; where it was interrupted, print one line and exit with a code of ``STOPPED``."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, SystemExit) as leave:
            code = 128 + signal.SIGINT if isinstance(leave, KeyboardInterrupt) else leave.code
            if code in STOPPED:
                with suppress(OSError):  # the terminal may be gone
                    typer.echo(stopped_text(ctx.invoked_subcommand, sys.argv), err=True)
            sys.exit(code)


app = typer.Typer(
    cls=Verbs,
    help="New, playable sounds between two sounds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(morph)
app.command()(keys)
app.command("play")(play_sounds)
app.command("export")(export_instrument)
app.command()(reconstruct)
app.command()(gains)
app.command()(synth)
app.command("map")(map_codes)
app.command("transfer")(transfer_style)
app.command()(info)
app.command()(doctor)
app.command()(train)
app.command()(pack)
app.command()(evaluate)
app.add_typer(bench_app, name="bench", help="Evaluate methods of morphing side by side.")
app.add_typer(paper_app, name="paper", help="Run the experiments of a paper.")
data_app.command()(prepare)
app.add_typer(data_app, name="data", help="Make and describe note sets for training.")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"intertone {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _usage_sentence(error: typer.TyperException) -> str:
    """Return one line that says what is wrong with the arguments, and which ``--help`` lists the right ones."""
    text = _refused_value(error) or " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "intertone"
    return f"{text[:1].lower()}{text[1:]}; {where} --help lists the options"


def _refused_value(error: typer.TyperException) -> str | None:
    """Return "OPTION must …, got VALUE" for a value that pydantic refused, or None for an error of another kind."""
    from pydantic import ValidationError

    from intertone.config import requirement

    cause, option = error.__cause__, getattr(error, "param", None)
    if option is None or not isinstance(cause, ValidationError):
        return None
    problem = cause.errors()[0]
    if problem["type"] == "value_error":
        return None
    name = max(option.opts, key=len) if option.param_type_name == "option" else option.human_readable_name
    return f"{name} {requirement(problem)}, got {problem['input']}"


def main(arguments: list[str] | None = None, *, began: float | None = None) -> None:
    """Run the command line and leave the process.

    Exit codes: 0 done, 1 incomplete (a check failed, pairs were skipped, training stopped early), 2 bad input, 3 the
    trained codec is faulty, 129, 130 or 143 interrupted.

    Args:
        arguments: Command-line arguments without the program's name; None: those of this process.
        began: Value of ``time.monotonic`` when the process began, s; the printed run time counts from it. None: now.
    """
    begin(began)
    try:
        code = app(arguments, prog_name="intertone", standalone_mode=False)
    except InputError as error:
        typer.echo(f"intertone: {error}", err=True)
        sys.exit(2)
    except typer.TyperException as error:
        if error.format_message():  # it is empty where no argument was given: then typer has printed the help
            typer.echo(f"intertone: {_usage_sentence(error)}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)

"""The command line: `dispatch …`. Rooms that are slow to import are imported inside the commands that need them."""

import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from dispatch import __version__
from dispatch.cli import (
    calibrate,
    db,
    demo,
    doctor,
    doctrine,
    evaluate,
    explain,
    export,
    generate,
    models,
    pairs,
    review,
    serve,
    synthesize,
    token,
    train,
    translate,
)
from dispatch.cli.output import CommandGroup, print_result

app = typer.Typer(
    name="dispatch",
    cls=CommandGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_result(f"dispatch {__version__}")
        raise typer.Exit()


@app.callback()
def dispatch(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Distress reports in, draft rescue instructions out.

    Exit status: 0 fine, 1 failed, 2 wrong usage. Results go to standard output, everything else to standard error.
    """


app.command()(demo.demo)
app.command()(serve.serve)
app.command()(generate.generate)
app.command()(translate.translate)
app.command()(synthesize.synthesize)
app.add_typer(pairs.app, name="pairs")
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(calibrate.calibrate)
app.command()(export.export)
app.command()(explain.explain)
app.add_typer(models.app, name="models")
app.add_typer(doctrine.app, name="doctrine")
app.command()(doctor.doctor)
app.add_typer(review.app, name="review")
app.add_typer(db.app, name="db")
app.add_typer(token.app, name="token")


def _open_missing_streams() -> None:
    """Opens what the caller closed (`>&-`) on nothing, before a file of ours can take its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            assert descriptor == number
            setattr(sys, name, os.fdopen(descriptor, mode))


def main() -> None:
    """Runs the command line and exits."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Before torch is loaded: threads that spin while they wait keep the processor from those they wait for, which
    # makes decoding some twenty times slower wherever others use the machine as well.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # we say ourselves what went wrong
    app()

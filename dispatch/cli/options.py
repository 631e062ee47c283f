"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

BundleOption = Annotated[
    Path | None, typer.Option("--bundle", metavar="PATH", help="Model bundle; the setting `bundle` by default.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="Store: sqlite:///FILE or postgresql://…"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

"""`dispatch models compare|promote|rollback`: whether a new bundle is better, and which one is served."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import JsonOption
from dispatch.cli.output import FAILED, note, print_json, print_result, print_table
from dispatch.cli.progress import progress_of
from dispatch.settings import SHIPPED_BUNDLE, load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from dispatch.engine import Generation
    from dispatch.model import Calibration
    from training.comparison import Contender, Difference
    from training.judging import Answer, Example

FilesOption = Annotated[
    list[Path],
    typer.Option("--on", metavar="FILE", help="Pairs or labelled reports that neither has learnt; repeatable."),
]
PathOption = Annotated[
    Path | None, typer.Option("--to", metavar="PATH", help="What is served; the setting `bundle` by default.")
]


def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="The bundle that is served.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The bundle that may take its place.")],
    on: FilesOption,
    as_json: JsonOption = False,
) -> None:
    """Compare what two bundles' services answer, slice by slice (files, hazards, kinds), with 95% intervals.

    A guarded slice, of 200 rows or more, falls where B loses more than 0.5 points of right instructions, right readings
    or requests that are read as such. Exit status 1 where one falls.

    Example: `dispatch models compare dispatch/bundles/default run/bundle --on pairs/seen.jsonl --on pairs/noisy.jsonl`
    """
    differences = _compared(before, after, on)
    if as_json:
        print_json([difference.to_dict() for difference in differences])
    else:
        print_table(_table(differences))
    if any(difference.falls for difference in differences):
        _tell_falls(differences)
        raise typer.Exit(FAILED)


def promote(
    candidate: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle that is to be served.")],
    on: FilesOption,
    to: PathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a bundle in the place of the one that is served, which is kept, unless a guarded slice falls.

    They are compared as by `dispatch models compare`. A running server takes it up by LoadModel, or when it starts.

    Example: `dispatch models promote run/bundle --on pairs/seen.jsonl --to models/current`
    """
    from dispatch.model import previous_of, verify_bundle
    from dispatch.model import promote as put_in_place

    path = _served(to)
    compared = verify_bundle(path), verify_bundle(candidate)
    differences = _compared(path, candidate, on)
    if not any(difference.is_guarded for difference in differences):
        raise ValueError("no slice has 200 rows, so nothing would guard the promotion: name larger files by --on")
    if any(difference.falls for difference in differences):
        _tell_falls(differences)
        raise ValueError(f"{candidate} is not promoted: guarded slices fall (above)")
    if (verify_bundle(path), verify_bundle(candidate)) != compared:
        raise ValueError("one of the bundles has changed while they were compared: compare them again")
    digest = put_in_place(candidate, path)
    if as_json:
        print_json({"path": str(path), "digest": digest, "previous": str(previous_of(path))})
    else:
        print_result(f"{path}: digest {digest}; the one before is {previous_of(path)}")


def rollback(to: PathOption = None, as_json: JsonOption = False) -> None:
    """Put back the bundle that was served before, byte for byte; a second rollback undoes the first.

    Example: `dispatch models rollback --to models/current`
    """
    from dispatch.model import previous_of
    from dispatch.model import rollback as put_back

    path = _served(to)
    digest = put_back(path)
    if as_json:
        print_json({"path": str(path), "digest": digest, "previous": str(previous_of(path))})
    else:
        print_result(f"{path}: digest {digest}; what it replaces is {previous_of(path)}")


def _served(given: Path | None) -> Path:
    path = given or load_settings().bundle
    if path.resolve() == SHIPPED_BUNDLE.resolve():
        raise ValueError("the shipped bundle is a part of the program: copy it, and name the copy by --to or `bundle`")
    return path


def _compared(before: Path, after: Path, files: Sequence[Path]) -> "list[Difference]":
    from training.comparison import compare as compare_on
    from training.evaluate import read_files

    read = read_files(files)
    for file in read:
        for line in file.bad_lines:
            note(line)
    old, new = contender(before), contender(after)
    with progress_of("compare", 2 * sum(len(file.examples) for file in read)) as show:
        return compare_on(old, new, read, show)


def contender(path: Path) -> "Contender":
    """A bundle as the service answers with it."""
    from dispatch.cli.answering import open_engine
    from dispatch.engine import generate_all
    from dispatch.model import read_config
    from dispatch.workflow import require_known
    from training.comparison import Contender
    from training.evaluate import request_of

    engine = open_engine(path)
    require_known(engine.calibration)
    return Contender(
        lambda examples: generate_all(engine, [request_of(example) for example in examples]),
        partial(_sent, engine.calibration),
        read_config(path).conventions,
    )


def _sent(calibration: "Calibration | None", example: "Example", generation: "Generation") -> "Answer":
    from dispatch.domain import default_doctrine
    from dispatch.workflow import rank
    from training.evaluate import request_of
    from training.judging import Answer

    best = rank(request_of(example), generation, default_doctrine(), calibration)[0]
    return Answer(best.candidate, best.worst)


def _tell_falls(differences: "Sequence[Difference]") -> None:
    from training.tables import percent

    for each in differences:
        if each.falls:
            before, after = percent(each.before.value), percent(each.after.value)
            note(f"falls: {each.slice}, {each.measure}: {before} to {after} of {each.rows:,} rows")


def _table(differences: "Sequence[Difference]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from training.tables import label, percent

    table = Table("slice", title="in percent; gain is B less A, of ↓ A less B")
    table.add_column("measure")
    for head in ("rows", "A", "B", "gain", "95%"):
        table.add_column(head, justify="right")
    table.add_column("")
    for each in differences:
        gain, low, high = map(_points, (each.gain.value, each.gain.low, each.gain.high))
        shares = percent(each.before.value), percent(each.after.value)
        numbers = (f"{each.rows:,}", *shares, gain, f"{low} to {high}")
        table.add_row(Text(each.slice), label(each.measure), *numbers, "falls" if each.falls else "")
    return table


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share + 0.0:+.2f}"

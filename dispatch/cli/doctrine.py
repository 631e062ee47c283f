"""`dispatch doctrine …`: the rules that say which resources a situation calls for."""

import os
import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatch.cli.options import DatabaseOption, JsonOption
from dispatch.cli.output import note, print_json, print_result, print_table, to_json, values_as_usage
from dispatch.cli.whole_files import write_whole
from dispatch.offline.special_files import is_pipe_or_device
from dispatch.settings import load_settings

if TYPE_CHECKING:
    from dispatch.domain import Doctrine

app = typer.Typer(help="The rules that say which resources a situation calls for.", no_args_is_help=True)

ProposalArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What `dispatch doctrine propose` has written.")]

_COLUMNS = ("order", "count", "when", "any", "unless", "agency")


@app.command()
def show(
    hazard: Annotated[
        str | None, typer.Argument(metavar="[HAZARD]", help="One hazard, such as flood; by default everything.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rules of one hazard, or all rules with their thresholds and resources.

    A rule applies where all of `when`, one of `any` and none of `unless` hold.

    Example: `dispatch doctrine show flood`
    """
    from dispatch.domain import default_doctrine

    doctrine = default_doctrine()
    rules = _rules_by_title(doctrine)
    if hazard is not None:
        with values_as_usage():
            rules = {hazard: _rules_of(hazard, doctrine, rules)}
    if as_json:
        everything = {} if hazard else _beside_rules(doctrine)
        print_json({"digest": doctrine.digest, **everything, "rules": rules})
        return
    if hazard is None:
        _print_thresholds_and_resources(doctrine)
    for title, rows in rules.items():
        _print_rows(title, _COLUMNS, ([_cell(row[column]) for column in _COLUMNS] for row in rows))
    if hazard is None:
        _print_rows("priority", ("level", "any"), ([name, _cell(any_)] for name, any_ in doctrine.priorities.items()))


@app.command()
def propose(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The proposal, as JSON; replaced where it is there.")],
    database_url: DatabaseOption = None,
) -> None:
    """Write down what reviewers keep doing otherwise than the rules say, as a change of doctrine's YAML.

    The rule or its absence must stand against 20 releases and half of those that it applied to. Prints the diff. The
    file changes nothing before a supervisor has signed it.

    Example: `dispatch doctrine propose proposal.json`
    """
    from dispatch.domain import default_doctrine
    from dispatch.domain.doctrine import doctrine_file
    from dispatch.store import Store
    from dispatch.workflow.doctrine_changes import propose_changes

    current = doctrine_file().read_text(encoding="utf-8")
    with closing(Store.open(database_url or load_settings().database_url)) as store:
        proposal = propose_changes(store, default_doctrine(), current)
    for change in proposal.changes:
        problem = f" (not changed: {change.problem})" if change.problem else ""
        note(f"{change.kind} {change.where}: {change.order}: {change.against} of {change.reviews} reviews{problem}")
    if not proposal.changes:
        note("reviews contradict no rule often enough")
    write_whole(out, to_json(proposal.to_dict(current), indent=2) + "\n")
    print_result(proposal.diff(current).rstrip("\n"))


@app.command()
def sign(
    proposal: ProposalArgument,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The supervisor's own token; the setting by default.")
    ] = None,
    database_url: DatabaseOption = None,
) -> None:
    """Sign a proposal as a supervisor: an event of the audit chain says who signed which text.

    Read the diff in the file first: it is what is signed, and is printed again. What was signed before holds no more.

    Example: `dispatch doctrine sign proposal.json --token-file supervisor.token`
    """
    from dispatch.domain.doctrine import doctrine_file
    from dispatch.store import Store
    from dispatch.workflow.doctrine_changes import Proposal
    from dispatch.workflow.doctrine_changes import sign as sign_proposal

    settings = load_settings()
    file = token_file or settings.token_file
    if file is None:
        raise typer.BadParameter("name the file of your token by --token-file or the setting token_file")
    current = doctrine_file().read_text(encoding="utf-8")
    read = Proposal.read(proposal, current)
    with closing(Store.open(database_url or settings.database_url)) as store:
        supervisor = sign_proposal(store, read, file.read_text(encoding="utf-8").strip())
    print_result(read.diff(current).rstrip("\n"))
    note(f"signed by {supervisor}: doctrine {read.digest}")


@app.command()
def apply(
    proposal: ProposalArgument,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the doctrine; in place of the one in use.")
    ] = None,
    actor: Annotated[str, typer.Option("--by", metavar="WHO", help="Who does it, for the audit trail.")] = "",
    database_url: DatabaseOption = None,
) -> None:
    """Put a signed proposal in the place of the doctrine in use; servers take it up when they start.

    Make pairs anew afterwards (`dispatch synthesize`), and train on them: what a model has learnt is the old doctrine.

    Example: `dispatch doctrine apply proposal.json`
    """
    from dispatch.domain.doctrine import doctrine_file
    from dispatch.store import Audit, Store
    from dispatch.workflow.doctrine_changes import APPLIED, Proposal, signature

    in_use = doctrine_file()
    target = (to or in_use).resolve()
    if is_pipe_or_device(target):
        raise typer.BadParameter(f"{target} is a pipe or a device: name a file by --to")
    read = Proposal.read(proposal, in_use.read_text(encoding="utf-8"))
    with closing(Store.open(database_url or load_settings().database_url)) as store:
        event = signature(store, read)
        temporary = target.with_name(f".{target.name}.partial")
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(read.text)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(target if target.exists() else in_use, temporary)
        Audit(store.database).record(APPLIED, actor, f"doctrine/{read.digest}", {"signature": event.seq})
        temporary.replace(target)
    print_result(f"{target}: doctrine {read.digest}, signed by {event.actor} in event {event.seq}")


def _rules_by_title(doctrine: "Doctrine") -> dict[str, list[dict[str, Any]]]:
    """The rules under their hazard, `need: NEED`, `all` or `fallback`."""
    rules: dict[str, list[dict[str, Any]]] = {}
    for section, label, rule in doctrine.rules():
        title = f"need: {label}" if section == "needs" else label or section
        row = {**asdict(rule), "order": f"{rule.action} {rule.item}"}
        rules.setdefault(title, []).append({column: row[column] for column in _COLUMNS})
    return rules


def _rules_of(hazard: str, doctrine: "Doctrine", rules: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    if hazard not in doctrine.hazards:
        raise ValueError(f"{hazard!r} is no hazard; known are {', '.join(doctrine.hazards)}")
    return rules[hazard]


def _beside_rules(doctrine: "Doctrine") -> dict[str, Any]:
    return {
        "thresholds": doctrine.thresholds,
        "resources": {name: asdict(resource) for name, resource in doctrine.resources.items()},
        "priority": doctrine.priorities,
        "rank": doctrine.rank,
    }


def _print_thresholds_and_resources(doctrine: "Doctrine") -> None:
    _print_rows("thresholds", ("name", "value"), ([name, str(value)] for name, value in doctrine.thresholds.items()))
    columns = ("unit", "agency", "need", "aliases", "verb", "unless")
    rows = ([name, *(_cell(getattr(it, column)) for column in columns)] for name, it in doctrine.resources.items())
    _print_rows("resources", ("name", *columns), rows)


def _print_rows(title: str, columns: Iterable[str], rows: Iterable[list[str]]) -> None:
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    print_table(table)


def _cell(value: Any) -> str:
    """Names in a row, and nothing for None."""
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)

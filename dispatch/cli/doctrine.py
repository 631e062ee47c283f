"""`dispatch doctrine …`: the rules that say which resources a situation calls for."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatch.cli.options import JsonOption
from dispatch.cli.output import print_json, print_table, values_as_usage

if TYPE_CHECKING:
    from dispatch.domain import Doctrine

app = typer.Typer(help="The rules that say which resources a situation calls for.", no_args_is_help=True)

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

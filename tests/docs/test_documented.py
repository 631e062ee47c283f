"""Every command, setting, RPC and check is named in the documents."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import grpc
import pytest
import typer.main
from typer.core import TyperGroup

from dispatch.cli import app
from dispatch.server.errors import Reason
from dispatch.settings import Settings
from dispatch.v1 import admin_service_pb2, dispatch_service_pb2, review_service_pb2

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def commands(command: object, words: str) -> Iterator[str]:
    """The full names of the commands below one, such as `dispatch models list`."""
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from commands(below, f"{words} {name}")
    else:
        yield words


@pytest.mark.parametrize("name", list(commands(typer.main.get_command(app), "dispatch")))
def test_command_is_documented(name: str) -> None:
    assert name in TEXT


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_setting_is_documented_as_it_is(name: str) -> None:
    field = Settings.model_fields[name]
    default = "the shipped one" if name == "bundle" else f"`{json.dumps(field.default, default=str)}`".replace('"', "")
    assert f"| `{name}` | `DISPATCH_{name.upper()}` | {default} | {field.description} |" in TEXT


@pytest.mark.parametrize(
    "name",
    [
        f"{service.name}.{method.name}"
        for file in (dispatch_service_pb2.DESCRIPTOR, review_service_pb2.DESCRIPTOR, admin_service_pb2.DESCRIPTOR)
        for service in file.services_by_name.values()
        for method in service.methods
    ],
)
def test_rpc_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_reasons_documented_are_those_that_exist() -> None:
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    statuses = "|".join(code.name for code in grpc.StatusCode)
    documented = re.findall(rf"^\| (?:{statuses}) \| ([A-Z_]+) \|", table, re.M)
    assert sorted(documented) == sorted(get_args(Reason))


def test_the_stages_documented_are_those_that_exist() -> None:
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    stages = dispatch_service_pb2.StreamInstructionResponse.DESCRIPTOR.oneofs_by_name["stage"].fields
    section = table.partition("| stage |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == [field.name for field in stages]


def test_the_checks_documented_are_those_that_exist() -> None:
    sources = [*(ROOT / "dispatch/domain").glob("*checks.py"), *(ROOT / "dispatch/workflow").glob("*.py")]
    exist = {
        code for path in sources for code in re.findall(r'Check\(\s*"([A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| ([A-Z_]+) \| (?:info|warning|error)(?:, error)? \|", table, re.M))
    assert exist, "no check was found: are they made otherwise now?"
    assert documented == exist

"""The interface: generated code is current and loads cleanly, names mirror the domain, and changes are guarded."""

import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dispatch.decoding import DecodingConfig
from dispatch.domain import Context, Count, Order, Requested, Situation
from dispatch.v1 import types_pb2

ROOT = Path(__file__).parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The interface and its tool, free to be changed."""
    for folder in ("protos", "tools", "dispatch/v1"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def run(root: Path, task: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "tools" / "protos.py"), task]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_the_committed_interface_passes_its_checks(copy: Path) -> None:
    done = run(copy, "check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_cannot_be_renumbered(copy: Path) -> None:
    edit(copy / "protos/dispatch/v1/types.proto", "string agency = 1;", "string agency = 9;")
    assert run(copy, "generate").returncode == 0
    done = run(copy, "check")
    assert done.returncode == 1
    assert "agency" in done.stdout + done.stderr


def test_an_added_field_is_compatible_once_generated(copy: Path) -> None:
    edit(copy / "protos/dispatch/v1/types.proto", "string agency = 1;", "string agency = 1;\n  string crew = 7;")
    done = run(copy, "check")
    assert done.returncode == 1
    assert "types_pb2.py" in done.stderr
    assert run(copy, "generate").returncode == 0
    assert run(copy, "check").returncode == 0


def test_a_release_makes_the_present_interface_the_one_to_keep(copy: Path) -> None:
    edit(copy / "protos/dispatch/v1/types.proto", "string agency = 1;", "string agency = 9;")
    assert run(copy, "generate").returncode == 0
    assert run(copy, "release").returncode == 0
    assert run(copy, "check").returncode == 0


def test_generated_modules_load_with_warnings_as_errors() -> None:
    modules = [f"dispatch.v1.{path.stem}" for path in (ROOT / "dispatch/v1").glob("*_pb2*.py")]
    assert len(modules) >= 4
    program = f"import importlib\nfor name in {modules}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Context, types_pb2.Context),
        (Count, types_pb2.Count),
        (Requested, types_pb2.Requested),
        (Situation, types_pb2.Situation),
        (Order, types_pb2.Order),
    ],
)
def test_messages_have_the_names_of_the_domain(record: Any, message: Any) -> None:
    assert {item.name for item in fields(record)} == set(message.DESCRIPTOR.fields_by_name)


def test_every_decoding_option_can_be_asked_for() -> None:
    options = {item.name for item in fields(DecodingConfig)}
    assert options | {"prefix"} == set(types_pb2.Decoding.DESCRIPTOR.fields_by_name)

"""docs/security.md: each threat names tests that exist, and its tables are those of the code."""

import ast
import re
from pathlib import Path

import pytest

from dispatch.server.authentication import NEEDS
from dispatch.store import ROLES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
THREATS = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", TEXT.partition("## Threats")[2], re.M)[1:]
TESTS = sorted({test for _, tests in THREATS for test in re.findall(r"`([^`]+)`", tests)})


def test_there_are_threats() -> None:
    assert len(THREATS) > 15


@pytest.mark.parametrize(("threat", "tests"), THREATS, ids=[threat[:40] for threat, _ in THREATS])
def test_a_threat_names_its_tests(threat: str, tests: str) -> None:
    assert re.fullmatch(r"(`tests/[^`]+` ?)+", tests)


@pytest.mark.parametrize("test", TESTS)
def test_a_test_that_is_named_exists(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in there if name else any(found.startswith("test_") for found in there)


def test_the_roles_are_those_of_the_code() -> None:
    table = TEXT.partition("| role | scopes |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|$", table, re.M))
    assert {role: frozenset(scopes.split(", ")) for role, scopes in rows.items()} == ROLES


@pytest.mark.parametrize("method", [method for method in NEEDS if method.startswith("/dispatch.")])
def test_a_method_stands_with_its_scope(method: str) -> None:
    (row,) = re.findall(rf"^\| `{NEEDS[method]}` \| (.+) \|$", TEXT, re.M)
    service, name = method.split(".")[-1].split("/")
    assert f"`{name}`" in row or f"all of {service}" in row

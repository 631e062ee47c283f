"""`dispatch explain`: of a report and of a stored instruction, as a table, as JSON and as a picture."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dispatch.domain import Situation
from dispatch.engine import BundleEngine, Candidate, Generation
from dispatch.store import Audit, Store

REPORT = "山区公路积雪3米,断电,50人被困"


@pytest.fixture
def options(tiny_bundle: Path) -> tuple[str, ...]:
    return ("--bundle", str(tiny_bundle))


@pytest.fixture
def stored(dispatch: Any, options: tuple[str, ...], tmp_path: Path) -> tuple[str, str]:
    """The name of an instruction, and the URL of its store."""
    url = f"sqlite:///{tmp_path / 'dispatch.db'}"
    answer = dispatch.json("generate", REPORT, *options, "--max-tokens", "5", "--database-url", url, "--json")
    return answer["name"], url


def test_a_report_is_answered_and_its_json_holds_cross_attention(dispatch: Any, options: tuple[str, ...]) -> None:
    data = dispatch.json("explain", REPORT, "--location", "A7公路", *options, "--json")
    assert (data["name"], data["model"]["name"], data["wrote_it"]) == ("", "tiny", True)
    assert "".join(token["text"] for token in data["source"] if token["part"] == "context.location").endswith("A7公路")
    (view,) = data["attention"]
    assert (view["kind"], view["layer"], view["head"]) == ("cross", 0, 0)
    assert (len(view["weights"]), len(view["weights"][0])) == (len(data["target"]), len(data["source"]))


def test_a_stored_instruction_is_explained_by_its_name(
    dispatch: Any, options: tuple[str, ...], stored: tuple[str, str]
) -> None:
    name, url = stored
    data = dispatch.json("explain", name, "--database-url", url, *options, "--all", "--json")
    assert data["name"] == name
    assert [(view["kind"], view["layer"], view["head"]) for view in data["attention"]] == [
        (kind, 1, head) for kind in ("encoder", "decoder", "cross") for head in (1, 2)
    ]
    assert all(alignment["path"].startswith(("situations[", "plan[")) for alignment in data["alignments"])


def test_to_explain_a_stored_instruction_is_to_read_it(
    dispatch: Any, options: tuple[str, ...], stored: tuple[str, str]
) -> None:
    name, url = stored
    assert dispatch("explain", name, "--by", "li", "--database-url", url, *options).exit_code == 0
    with closing(Store.open(url)) as store:
        events = Audit(store.database).events(subject=name, limit=9)
    assert [event.actor for event in events if event.action == "instruction.read"] == ["li"]


def test_a_name_that_is_not_stored_is_an_error(
    dispatch: Any, options: tuple[str, ...], stored: tuple[str, str]
) -> None:
    result = dispatch("explain", f"instructions/{'0' * 32}", "--database-url", stored[1], *options)
    assert result.exit_code == 1
    assert result.stderr == f"error: instructions/{'0' * 32} is not in the store\n"


def test_heads_are_drawn_beside_each_other(
    dispatch: Any, options: tuple[str, ...], stored: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "heads.png"
    views = ("--kind", "decoder", "--kind", "cross", "--layer", "1", "--head", "1", "--head", "2")
    result = dispatch("explain", stored[0], "--database-url", stored[1], *options, *views, "--png", str(file))
    assert result.exit_code == 0
    assert f"drawn: {file}" in result.stderr
    with Image.open(file) as image:
        assert image.format == "PNG"


def test_people_get_a_table_of_what_stands_where(
    dispatch: Any, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: Any, requests: Any, should_stop: Any = None) -> Any:
        return [Generation((Candidate("派人", -0.1, (-0.1,), (Situation(location="山区公路"),), 0.9),))]

    monkeypatch.setattr(BundleEngine, "generate", read)
    result = dispatch("explain", REPORT, *options)
    assert result.exit_code == 0
    assert "山区公路 (0-4)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((f"instructions/{'0' * 32}", "--location", "A镇"), "--location and --issued go with a report"),
        ((REPORT, "--all", "--head", "1"), "--all already holds"),
        ((REPORT, "--kind", "self"), "'self' is none of encoder, decoder, cross"),
        ((REPORT, "--layer", "2"), "layer: must be from 0"),
        ((REPORT, "--head", "-1"), "head: must be from 0"),
    ],
)
def test_wrong_usage_is_told(dispatch: Any, options: tuple[str, ...], arguments: tuple[str, ...], message: str) -> None:
    result = dispatch("explain", *arguments, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_without_a_chinese_font_it_says_so_and_draws(
    dispatch: Any, options: tuple[str, ...], stored: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.workflow.heatmap.find_chinese_font", lambda: None)
    file = tmp_path / "a.png"
    result = dispatch("explain", stored[0], "--database-url", stored[1], *options, "--png", str(file), "--json")
    assert result.exit_code == 0
    assert "no Chinese font is installed" in result.stderr
    assert json.loads(result.stdout)["name"] == stored[0]
    assert file.stat().st_size > 0

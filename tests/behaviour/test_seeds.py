"""S1 to S8 by the shipped model with default settings: on the command line, and by a client of a server."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from dispatch.cli import app
from dispatch.client import AsyncClient
from dispatch.domain import Context, Situation, by_urgency, make_plans, render_instruction
from dispatch.engine import Engine, Registry, TorchEngine
from dispatch.model import load_bundle
from dispatch.server import DispatchServer, ServerConfig
from dispatch.settings import SHIPPED_BUNDLE
from dispatch.store import Audit, Store
from dispatch.workflow import LiveIntake, ServingMode

REPORT = "山区公路积雪3米,断电,50人被困,急需发电机和医疗队"
REORDERED = "急需医疗队和发电机,50人被困,断电,山区公路积雪3米"
BROKEN = "山区公路积雪3米,电…断,50人被困,急需发电机和医疗队"
CALLER = (
    "你好,110吗,我在路上遭遇了雪灾,雪已经可以完全盖住我开的车了,现在车已经熄火了,温度太低基本上已经没电了,"
    "我附近大概有50个人左右,可能已经有人被埋了,你们快来救人"
)
ROAD = "A7公路"
INSTRUCTION = "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"
READ: Mapping[str, Any] = {
    "kind": "request",
    "location": ROAD,
    "hazards": ["snow_road"],
    "people": {"trapped": {"min": 50, "max": 50}},
    "outages": ["power"],
    "measures": {"snow_depth_m": 3.0},
}
TWO = by_urgency((Situation(location="B区", hazards=("landslide",)), Situation(location="A区", hazards=("avalanche",))))


@dataclass(frozen=True)
class Seed:
    """A report and what holds of its answer.

    ``instruction`` is the whole text ("" where that is left open), ``says`` and ``never_says`` are parts of it;
    ``situations`` are fields that must be as they stand here, ``without`` labels of the first that must not be there;
    ``codes`` are checks that must be there.
    """

    name: str
    report: str
    location: str = ""
    issued: tuple[str, ...] = ()
    prefix: str = ""
    instruction: str = ""
    says: tuple[str, ...] = ()
    never_says: tuple[str, ...] = ()
    situations: tuple[Mapping[str, Any], ...] = ()
    without: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


SEEDS = (
    Seed("S1", REPORT, ROAD, instruction=INSTRUCTION, situations=(READ,)),
    Seed(
        "S1 without the caller's place",
        REPORT,
        says=("山区公路", "回拨核实位置"),
        never_says=("A7",),
        situations=({"location": "山区公路"},),
        codes=("MISSING_LOCATION",),
    ),
    Seed(
        "S2",
        CALLER,
        says=("除雪车", "搜", "医疗队", "回拨核实位置"),
        situations=({"kind": "request", "people": {"trapped": {"min": 50, "max": 50}}},),
        without=("power",),
        codes=("MISSING_LOCATION",),
    ),
    Seed("S3", REPORT, ROAD, situations=({**READ, "needs": ["medical", "generator"]},)),
    Seed("S4 deep", "B4公路积雪1.5米,20人被困", says=("台除雪车至B4公路",), never_says=("轻型",)),
    Seed("S4 shallow", "B4公路积雪0.5米,20人被困", says=("台轻型除雪车至B4公路",)),
    Seed(
        "S5 issued",
        REPORT,
        ROAD,
        issued=("派2台除雪车至A7公路",),
        instruction="派1台除雪车至A7公路,医疗队随行,协调电力公司恢复供电",
    ),
    Seed("S5 typed", REPORT, ROAD, prefix="派3台除雪车", instruction=INSTRUCTION),
    Seed("S6", REORDERED, ROAD, instruction=INSTRUCTION, situations=(READ,)),
    *(
        Seed(
            f"S6 {report}",
            report,
            instruction=render_instruction(make_plans(TWO, Context())),
            situations=tuple({"location": read.location, "hazards": list(read.hazards)} for read in TWO),
        )
        for report in ("A区雪崩,B区塌方", "B区塌方,A区雪崩")
    ),
    Seed("S7", BROKEN, ROAD, instruction=INSTRUCTION, situations=({"outages": ["power"]},)),
)


def agrees(expected: Any, read: Any) -> bool:
    """Whether all that is expected was read; there may be more fields, but no other values."""
    if isinstance(expected, Mapping):
        return all(name in read and agrees(value, read[name]) for name, value in expected.items())
    return bool(expected == read)


def check(seed: Seed, answer: Mapping[str, Any]) -> None:
    text, situations = answer["instruction"], answer["situations"]
    assert seed.instruction in ("", text)
    assert text.startswith(seed.prefix)
    assert [part for part in seed.says if part not in text] == []
    assert [part for part in seed.never_says if part in text] == []
    if seed.situations:
        assert len(situations) == len(seed.situations)
        for expected, read in zip(seed.situations, situations, strict=True):
            assert agrees(expected, read), f"{read}, not {expected}"
    assert not set(seed.without) & set(situations[0].get("outages", ()))
    codes = {finding["code"] for finding in answer["checks"]}
    assert set(seed.codes) <= codes
    assert "error" not in {finding["severity"] for finding in answer["checks"]}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return TorchEngine(load_bundle(SHIPPED_BUNDLE))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_on_the_command_line(seed: Seed, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.cli.answering.open_engine", lambda bundle: engine)
    options = ["--location", seed.location, "--prefix", seed.prefix]
    options += [part for issued in seed.issued for part in ("--issued", issued)]
    result = CliRunner().invoke(app, ["generate", seed.report, *options, "--json"])
    assert result.exit_code == 0, result.stderr
    check(seed, json.loads(result.stdout))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
async def test_by_a_client_of_a_server(seed: Seed, engine: Engine, store: Store) -> None:
    registry = Registry(lambda path: engine)
    registry.add(engine)
    intake = LiveIntake(registry, store, ServingMode(Audit(store.database)))
    server = DispatchServer(ServerConfig("127.0.0.1:0", grace_s=0.05), intake)
    async with AsyncClient(await server.start(), timeout_s=120) as client:
        answer = await client.generate(seed.report, location=seed.location, issued=seed.issued, prefix=seed.prefix)
    await server.stop()
    registry.close(0)
    intake.close()
    check(seed, answer.to_dict())
    assert answer.review_state == "pending"


def explain(engine: Engine, monkeypatch: pytest.MonkeyPatch, *options: str) -> Any:
    monkeypatch.setattr("dispatch.cli.answering.open_engine", lambda bundle: engine)
    result = CliRunner().invoke(app, ["explain", REPORT, "--location", ROAD, *options, "--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_s8_every_head_of_every_layer_can_be_looked_at(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    data = explain(engine, monkeypatch, "--all")
    views = {(view["kind"], view["layer"], view["head"]) for view in data["attention"]}
    heads, layers = range(1, data["heads"] + 1), data["layers"]
    assert views == {
        (kind, layer, head)
        for kind in ("encoder", "decoder", "cross")
        for layer in range(1, layers[kind] + 1)
        for head in heads
    }
    source, target = len(data["source"]), len(data["target"])
    shapes = {"encoder": (source, source), "decoder": (target, target), "cross": (target, source)}
    for view in data["attention"]:
        assert (len(view["weights"]), len(view["weights"][0])) == shapes[view["kind"]]
        assert all(sum(row) == pytest.approx(1, abs=0.01) for row in view["weights"])


def test_s8_heads_are_drawn(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heads = [part for head in "1234" for part in ("--head", head)]
    kinds = [part for kind in ("encoder", "decoder", "cross") for part in ("--kind", kind)]
    explain(engine, monkeypatch, *kinds, "--layer", "1", *heads, "--png", str(tmp_path / "heads.png"))
    with Image.open(tmp_path / "heads.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 1000


def test_facts_and_orders_come_from_their_words(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {entry["path"]: entry for entry in explain(engine, monkeypatch)["alignments"]}

    def words(path: str) -> list[str]:
        return [REPORT[span["start"] : span["end"]] for span in found[path]["spans"]]

    assert words("situations[0].people.trapped") == ["50人"]
    assert words("situations[0].measures.snow_depth_m") == ["3米"]
    assert "雪" in "".join(words("situations[0].hazards[0]"))
    assert "电" in "".join(words("situations[0].outages[0]"))
    assert found["situations[0].location"]["evidence"] == "context"
    assert (found["plan[0]"]["text"], found["plan[0]"]["evidence"]) == ("派3台除雪车", "doctrine")
    assert "situations[0].measures.snow_depth_m" in found["plan[0]"]["facts"]

"""`dispatch demo`: server, client and store at work on two reports, in a few seconds."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatch.cli.options import BundleOption, JsonOption
from dispatch.cli.output import note, print_json, print_result, to_json

if TYPE_CHECKING:
    from dispatch.workflow import LiveIntake

JsonObject = dict[str, Any]

STORED_ROW = """
    SELECT instructions.id, requests.report, requests.context, instructions.instruction, instructions.confidence,
        instructions.review_state, instructions.created_at
    FROM instructions JOIN requests ON requests.id = instructions.request_key WHERE instructions.id = ?
"""


@dataclass(frozen=True)
class DemoReport:
    """What a caller says, and where the phone says they are."""

    report: str
    location: str = ""


DEMO_REPORTS = (
    DemoReport("山区公路积雪3米,断电,50人被困,急需发电机和医疗队", "A7公路"),
    DemoReport(
        "你好,110吗,我在路上遭遇了雪灾,雪已经可以完全盖住我开的车了,现在车已经熄火了,温度太低基本上已经没电了,"
        "我附近大概有50个人左右,可能已经有人被埋了,你们快来救人"
    ),
)


def demo(
    database: Annotated[
        Path | None, typer.Option(metavar="FILE", help="SQLite file to store in; a temporary one by default.")
    ] = None,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a server, send it two reports as a gRPC client, and show what it answers and what it stored.

    Example: `dispatch demo`
    """
    with tempfile.TemporaryDirectory(prefix="dispatch-demo-") as folder:
        shown = _run(database or Path(folder) / "demo.db", bundle)
    if as_json:
        print_json(shown, indent=2)
        return
    for entry in shown:
        _print_entry(entry)


def _run(database: Path, bundle: Path | None) -> list[JsonObject]:
    from dispatch.cli.backend import BackendConfig, open_backend
    from dispatch.store import file_url

    with open_backend(BackendConfig(file_url(database), bundle)) as backend:
        answered = asyncio.run(_ask_server(backend.intake))
    return [
        {"report": asked.report, "context": {"location": asked.location}}
        | answer
        | {"row": _stored_row(database, answer)}
        for asked, answer in zip(DEMO_REPORTS, answered, strict=True)
    ]


async def _ask_server(intake: "LiveIntake") -> list[JsonObject]:
    from dispatch.client import Client
    from dispatch.server import DispatchServer, ServerConfig

    server = DispatchServer(ServerConfig(listen="127.0.0.1:0"), intake)
    address = await server.start()
    note(f"server on {address}")

    def ask_all() -> list[JsonObject]:
        with Client(address) as client:
            return [client.generate(asked.report, location=asked.location).to_dict() for asked in DEMO_REPORTS]

    try:
        return await asyncio.to_thread(ask_all)
    finally:
        await server.stop()


def _stored_row(database: Path, answer: JsonObject) -> JsonObject:
    """The row of an answer, read from the file by SQLite alone."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute(STORED_ROW, (answer["name"].removeprefix("instructions/"),)).fetchone()
    return dict(row)


def _print_entry(entry: JsonObject) -> None:
    place = f"  ({entry['context']['location']})" if entry["context"]["location"] else ""
    print_result(f"report       {entry['report']}{place}")
    for situation in entry["situations"]:
        print_result(f"situation    {to_json(situation)}")
    print_result(f"instruction  {entry['instruction']}")
    print_result(f"score        {entry['candidates'][0]['score']:.4f}, confidence {entry['confidence']:.2f}")
    for check in entry["checks"]:
        print_result(f"check        {check['severity']} {check['code']}: {check['message']}")
    row = ", ".join(
        f"{column}={entry['row'][column]}" for column in ("id", "instruction", "review_state", "created_at")
    )
    print_result(f"stored row   {row}\n")

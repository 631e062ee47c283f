"""`dispatch review …`: what a reviewer decides, in a terminal."""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import DatabaseOption, JsonOption
from dispatch.cli.output import harmless, note, print_json, print_result, print_table
from dispatch.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dispatch.cli.review_desk import Desk
    from dispatch.client import AuditEvent, Check, Decision, ReviewedInstruction

app = typer.Typer(help="Decide about drafts: claim, approve, revise, reject, recall.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the instruction: instructions/ID.")]
ServerOption = Annotated[
    str | None, typer.Option("--server", metavar="HOST:PORT", help="Ask a server, as whom its token names.")
]
ActorOption = Annotated[
    str, typer.Option("--by", metavar="WHO", help="Who you are, for the audit trail; not with --server.")
]
EtagOption = Annotated[
    str, typer.Option("--etag", metavar="ETAG", help="Of the instruction as you saw it; as it is now by default.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; stays in the store.")]

_SHORT = 60  # characters of a report in a list


@app.command("list")
def list_instructions(
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="pending (the default), claimed, approved, revised, rejected, recalled, superseded; repeatable."
        ),
    ] = None,
    priority: Annotated[str, typer.Option(help="特急, 紧急 or 一般.")] = "",
    hazard: Annotated[str, typer.Option(help="Such as flood.")] = "",
    text: Annotated[str, typer.Option(help="Words of the report or the draft.")] = "",
    claimed_by: Annotated[str, typer.Option(metavar="WHO", help="Who holds it.")] = "",
    incident_id: Annotated[str, typer.Option("--incident", metavar="ID", help="The caller's id of the incident.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="The most that are listed.")] = 50,
    page_token: Annotated[str, typer.Option(metavar="TOKEN", help="What the page before has ended with.")] = "",
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the queue: the most urgent first, then the oldest. Telephone numbers are masked.

    Example: `dispatch review list --priority 特急 --database-url sqlite:///dispatch.db`
    """
    with _open(server, database_url, actor, required=False) as desk:
        page = desk.list_instructions(
            states=tuple(state or ("pending",)),
            priority=priority,
            hazard=hazard,
            text=text,
            claimed_by=claimed_by,
            incident_id=incident_id,
            page_size=limit,
            page_token=page_token,
        )
    if as_json:
        print_json([instruction.to_dict() for instruction in page.instructions])
    else:
        _print_queue(page.instructions)
    if page.next_page_token:
        note(f"there are more: --page-token {page.next_page_token}")


@app.command()
def show(
    name: NameArgument,
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print one instruction with all that a decision needs; that you have read it is recorded.

    Example: `dispatch review show instructions/… --by li`
    """
    with _open(server, database_url, actor) as desk:
        instruction = desk.get_instruction(name).instruction
    _print_instruction(instruction, as_json)


@app.command()
def claim(
    name: NameArgument,
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold an instruction for yourself until the lease expires, and print it; once more renews the lease.

    Example: `dispatch review claim instructions/… --by li`
    """
    with _open(server, database_url, actor) as desk:
        instruction = desk.claim(name)
    _print_instruction(instruction, as_json)


@app.command()
def release(
    name: NameArgument, actor: ActorOption = "", server: ServerOption = None, database_url: DatabaseOption = None
) -> None:
    """Give a claim back undecided.

    Example: `dispatch review release instructions/… --by li`
    """
    with _open(server, database_url, actor) as desk:
        _note_state(desk.release(name))


@app.command()
def approve(
    name: NameArgument,
    reason: ReasonOption = "",
    etag: EtagOption = "",
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Release the draft that you hold; over an error and at low confidence with a reason. Prints the released text.

    Example: `dispatch review approve instructions/… --by li`
    """
    with _open(server, database_url, actor) as desk:
        done = desk.approve(name, etag=etag or _etag(desk, name), reason=reason)
    print_result(done.final_text)


@app.command()
def revise(
    name: NameArgument,
    text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What is to be released; - reads standard input; $EDITOR by default."),
    ] = None,
    reason: ReasonOption = "",
    check: Annotated[bool, typer.Option("--check", help="Only print the findings about the text.")] = False,
    etag: EtagOption = "",
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Release another text in the place of the draft that you hold; over an error with a reason. Prints the text.

    What the checks find in it goes to standard error.

    Example: `dispatch review revise instructions/… --text 派4台除雪车至A7公路 --by li`
    """
    with _open(server, database_url, actor) as desk:
        instruction = desk.get_instruction(name).instruction
        revised = _typed(text, instruction.instruction)
        checks = desk.check_revision(name, revised)
        if check:
            _print_checks(checks)
            return
        for finding in checks:
            note(f"{finding.severity}: {finding.code}: {finding.message}")
        done = desk.revise(name, etag=etag or instruction.etag, text=revised, reason=reason)
    print_result(done.final_text)


@app.command()
def reject(
    name: NameArgument,
    reason: ReasonOption,
    etag: EtagOption = "",
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Release nothing of the draft that you hold.

    Example: `dispatch review reject instructions/… --reason 重复 --by li`
    """
    with _open(server, database_url, actor) as desk:
        _note_state(desk.reject(name, etag=etag or _etag(desk, name), reason=reason))


@app.command("return")
def return_for_review(
    name: NameArgument,
    reason: ReasonOption,
    etag: EtagOption = "",
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Put it back into the queue for somebody else; what was released is withdrawn.

    Example: `dispatch review return instructions/… --reason 地点不对 --by chief`
    """
    with _open(server, database_url, actor) as desk:
        _note_state(desk.return_for_review(name, etag=etag or _etag(desk, name), reason=reason))


@app.command()
def recall(
    name: NameArgument,
    reason: ReasonOption,
    superseded_by: Annotated[
        str, typer.Option(metavar="NAME", help="The instruction that takes its place: then it is superseded.")
    ] = "",
    etag: EtagOption = "",
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Withdraw what was released, with its orders, for good.

    Example: `dispatch review recall instructions/… --reason 误报 --by chief`
    """
    with _open(server, database_url, actor) as desk:
        etag = etag or _etag(desk, name)
        _note_state(desk.recall(name, etag=etag, reason=reason, superseded_by=superseded_by))


@app.command()
def history(
    name: NameArgument,
    events: Annotated[
        bool, typer.Option("--events", help="Every step of the audit trail, readings and claims too.")
    ] = False,
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the decisions about one instruction: who, when, what and why.

    Example: `dispatch review history instructions/… --by chief`
    """
    with _open(server, database_url, actor) as desk:
        steps: Iterable[Decision | AuditEvent]
        steps = _all_events(desk, name) if events else desk.get_instruction(name).decisions
        for step in steps:
            _print_step(step, as_json)


@app.command()
def watch(
    after: Annotated[int, typer.Option(min=0, metavar="CURSOR", help="Begin behind this decision.")] = 0,
    agency: Annotated[str, typer.Option(help="Only what has orders for it, and those alone, such as 消防.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many decisions.")] = None,
    actor: ActorOption = "",
    server: ServerOption = None,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print every decision, and each new one when it is made, until Ctrl-C.

    Example: `dispatch review watch --after 0 --limit 10 --by cad`
    """
    with _open(server, database_url, actor) as desk:
        for decision in islice(desk.watch(after=after, agency=agency), limit):
            _print_step(decision, as_json)


def _open(
    server: str | None, database_url: str | None, actor: str, *, required: bool = True
) -> "AbstractContextManager[Desk]":
    """At a server, or at the store itself; ``required``: whether there it must be said who acts."""
    settings = load_settings()
    if server:
        if actor or database_url:
            raise typer.BadParameter("--server knows who you are and has its own store: no --by and no --database-url")
        from dispatch.cli.remote import open_remote_desk

        return open_remote_desk(server, settings)
    if required and not actor.strip():
        raise typer.BadParameter("--by: say who you are, it goes into the audit trail")
    from dispatch.cli.review_desk import open_local_desk

    return open_local_desk(database_url or settings.database_url, actor, settings)


def _etag(desk: "Desk", name: str) -> str:
    return desk.get_instruction(name).instruction.etag


def _typed(text: str | None, draft: str) -> str:
    """The text of the option, of standard input, or of the editor, which begins with the draft."""
    if text == "-":
        return sys.stdin.read().strip()
    return (_edited(draft) if text is None else text).strip()


def _edited(draft: str) -> str:
    """The draft as the person leaves it in their editor. Raises ValueError where that fails."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:  # for its owner alone
        file = Path(folder) / "instruction.txt"
        file.write_text(draft + "\n", encoding="utf-8")
        done = subprocess.run([*shlex.split(command), str(file)], check=False)
        if done.returncode:
            raise ValueError(f"{command} ended with status {done.returncode}, so nothing is released")
        return file.read_text(encoding="utf-8")


def _all_events(desk: "Desk", name: str) -> "Iterable[AuditEvent]":
    after, at_once = 0, 500
    while found := desk.list_audit_events(subject=name, after=after, page_size=at_once):
        yield from found
        after = found[-1].seq


def _print_queue(instructions: "Iterable[ReviewedInstruction]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "priority", "state", "due", "confidence", "errors", "report")
    for item in instructions:
        state = f"{item.review_state} by {item.claimed_by}" if item.claimed_by else item.review_state
        due = item.due_at.isoformat(timespec="seconds") if item.due_at else ""
        errors = sum(check.severity == "error" for check in item.checks)
        report = item.report if len(item.report) <= _SHORT else f"{item.report[:_SHORT]}…"
        cells = (item.name, item.priority, state, due, f"{item.confidence:.2f}", str(errors or ""), report)
        table.add_row(*(Text(harmless(cell)) for cell in cells))  # as they are: a report may look like markup
    print_table(table)


def _print_instruction(item: "ReviewedInstruction", as_json: bool) -> None:
    if as_json:
        print_json(item.to_dict())
        return
    state = f"{item.review_state} by {item.claimed_by}" if item.claimed_by else item.review_state
    print_result(f"{item.name}  {item.priority}  {state}  confidence {item.confidence:.2f}  etag {item.etag}")
    print_result(f"report    {item.report}")
    for title, texts in (("location", (item.location,)), ("issued", item.issued)):
        for text in filter(None, texts):
            print_result(f"{title:9} {text}")
    print_result(f"draft     {item.instruction}")
    for candidate in item.candidates[1:]:
        print_result(f"other     {candidate.text}  ({candidate.score:.3f})")
    for order in item.plan:
        count = "" if order.count is None else f"{order.count}{order.unit}"
        print_result(f"plan      {order.agency} {order.action} {count}{order.item} {order.place}".rstrip())
    _print_checks(item.checks)
    if item.final_text:
        print_result(f"released  {item.final_text}")


def _print_checks(checks: "Iterable[Check]") -> None:
    for check in checks:
        where = f" [{check.target} {check.start}-{check.end}]" if check.end else ""
        print_result(f"{check.severity:9} {check.code}: {check.message}{where}")


def _print_step(step: "Decision | AuditEvent", as_json: bool) -> None:
    if as_json:
        print_json(step.to_dict())
    else:
        print_result(_line(step))


def _line(step: "Decision | AuditEvent") -> str:
    """When, who, what; of a decision its cursor first, and what was released."""
    from dispatch.client import Decision

    if not isinstance(step, Decision):
        return f"{step.at.isoformat(timespec='seconds')} {step.actor or '-'} {step.action}"
    parts = [str(step.cursor), step.decided_at.isoformat(timespec="seconds"), step.reviewer or "-", step.action]
    said = [step.name, step.text or step.superseded_by, f"({step.reason})" if step.reason else ""]
    return " ".join(filter(None, (*parts, *said)))


def _note_state(instruction: "ReviewedInstruction") -> None:
    note(f"{instruction.name} is {instruction.review_state}")

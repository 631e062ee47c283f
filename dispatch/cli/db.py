"""`dispatch db …`: the store's schema, its soundness, its copies, and how long personal data stay in it."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dispatch.cli.options import DatabaseOption, JsonOption
from dispatch.cli.output import FAILED, note, print_json, print_result, values_as_usage
from dispatch.settings import load_settings

app = typer.Typer(help="The store: schema, checks, copies, erasure.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the instruction: instructions/ID.")]
ReasonOption = Annotated[str, typer.Option(help="Stays in the store for good: nothing personal.")]
ActorOption = Annotated[str, typer.Option("--by", metavar="WHO", help="Who wants it, for the audit trail.")]


@app.command()
def upgrade(database_url: DatabaseOption = None) -> None:
    """Bring the store's schema to the one that this version needs; nothing is lost.

    Example: `dispatch db upgrade --database-url sqlite:///dispatch.db`
    """
    from dispatch.store import upgrade as upgrade_store

    upgrade_store(_url(database_url))
    note("the schema is up to date")


@app.command()
def check(database_url: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Look at schema, file, references, triggers and audit chain; exit status 1 where something is wrong.

    Example: `dispatch db check --database-url sqlite:///dispatch.db`
    """
    from dispatch.store import upkeep

    findings = upkeep.check(_url(database_url))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            for line in finding.problems or ("ok",):
                print_result(f"{finding.subject:12} {line}")
    if any(finding.problems for finding in findings):
        raise typer.Exit(FAILED)


@app.command("verify-audit")
def verify_audit(
    database_url: DatabaseOption = None,
    expect: Annotated[
        str, typer.Option(metavar="SEQ:HASH", help="End of the chain as an earlier run printed it.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Compute the audit chain and every row's digest again; print the chain's end, or what was tampered with.

    Keep the printed end elsewhere: whoever owns the database could make a whole chain anew, but not with that end.

    Example: `dispatch db verify-audit --database-url sqlite:///dispatch.db`
    """
    from dispatch.store import ChainHead, upkeep

    with values_as_usage():
        expected = ChainHead.parse(expect) if expect else None
    report = upkeep.verify_audit(_url(database_url), expected)
    if as_json:
        print_json({"head": str(report.head), "faults": [asdict(fault) for fault in report.faults]})
    else:
        print_result(str(report.head))
        for fault in report.faults:
            note(f"event {fault.seq}: {fault.message}")
    if report.faults:
        raise typer.Exit(FAILED)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy, a SQLite file; must not be there yet.")],
    database_url: DatabaseOption = None,
) -> None:
    """Copy the store as it is at one moment, while others write; the copy is verified, and its chain's end printed.

    A PostgreSQL store too is copied into a SQLite file.

    Example: `dispatch db backup dispatch-backup.db --database-url sqlite:///dispatch.db`
    """
    from dispatch.store import upkeep

    print_result(str(upkeep.backup(_url(database_url), file).head))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `dispatch db backup` has written.")],
    database_url: DatabaseOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what the store holds. Stop the server first.")
    ] = False,
) -> None:
    """Copy a backup into an empty store, of either kind; one that is not whole changes nothing.

    Example: `dispatch db restore dispatch-backup.db --database-url sqlite:///restored.db`
    """
    from dispatch.store import upkeep

    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    copy = upkeep.restore_over if force else upkeep.restore
    print_result(str(copy(file, _url(database_url)).head))


@app.command()
def erase(
    name: NameArgument, reason: ReasonOption, actor: ActorOption = "", database_url: DatabaseOption = None
) -> None:
    """Erase the personal data of one instruction; the audit chain verifies as before. Copies made earlier keep them.

    Example: `dispatch db erase instructions/… --reason "demand 17 of the person concerned" --by dpo`
    """
    from dispatch.store import Retention, Store

    with closing(Store.open(_url(database_url))) as store:
        Retention(store.database).erase(name, actor=actor, reason=reason)
    note(f"{name} is erased")


@app.command()
def retain(
    days: Annotated[int, typer.Option(min=1, help="How long personal data are kept; at least the floor.")],
    floor_days: Annotated[int, typer.Option(min=1, help="The least that the law lets you keep them.")] = 180,
    actor: ActorOption = "",
    database_url: DatabaseOption = None,
) -> None:
    """Erase the personal data of what is older and decided, and not on hold; print how many instructions it was.

    Example: `dispatch db retain --days 365`
    """
    from dispatch.store import Retention, RetentionPolicy, Store

    with values_as_usage():
        policy = RetentionPolicy(days, floor_days)
    with closing(Store.open(_url(database_url))) as store:
        print_result(str(Retention(store.database).expire(policy, actor=actor)))


@app.command()
def hold(
    name: NameArgument, reason: ReasonOption, actor: ActorOption = "", database_url: DatabaseOption = None
) -> None:
    """Place a legal hold: nothing of the instruction is erased until it is lifted. Prints the hold's id.

    Example: `dispatch db hold instructions/… --reason "inquiry 4" --by legal`
    """
    from dispatch.store import Retention, Store

    with closing(Store.open(_url(database_url))) as store:
        print_result(Retention(store.database).hold(name, actor=actor, reason=reason))


@app.command("lift-hold")
def lift_hold(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="What `dispatch db hold` has printed.")],
    actor: ActorOption = "",
    database_url: DatabaseOption = None,
) -> None:
    """Lift a legal hold.

    Example: `dispatch db lift-hold 0f2a… --by legal`
    """
    from dispatch.store import Retention, Store

    with closing(Store.open(_url(database_url))) as store:
        Retention(store.database).lift(hold_id, actor=actor)
    note("the hold is lifted")


def _url(given: str | None) -> str:
    return given or load_settings().database_url

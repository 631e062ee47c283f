"""The clock of a real server: what nobody takes goes out once, through kills and with two servers on one store."""

from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text

from dispatch.client import Client
from dispatch.store import Audit, Reviews, Store
from dispatch.store.overdue import ALARMED, ESCALATED
from tests.integration.proof import prove
from tests.integration.service import PATIENCE_S, Service, ServiceConfig, serving, wait_until
from tests.store.postgres import Server

NO_TIME = {"DISPATCH_DUE_IMMEDIATE_S": "0.001", "DISPATCH_ESCALATE_AFTER_S": "0"}
URGENT = "特急"
IS_OVERDUE = "nobody has taken an instruction in time"
GOES_OUT = "the report of an instruction goes out as it came"


def ask(service: Service, reports: list[str], priority: str = URGENT) -> dict[str, str]:
    """The names of the drafts, each with its report."""
    with Client(service.address, timeout_s=PATIENCE_S) as client:
        return {client.generate(report, priority=priority).name: report for report in reports}


def lines_of(service: Service, said: str) -> int:
    """How often the log says something."""
    return service.log.read_text(encoding="utf-8").count(said)


def went_out(url: str) -> int:
    """How many reports have gone out, as another program sees it."""
    engine = create_engine(url)
    with engine.connect() as connection:
        count = connection.scalar(text("SELECT count(*) FROM reviews"))
    engine.dispose()
    return int(count)


def prove_once(url: str, asked: dict[str, str]) -> None:
    """Each report went out once, as it came, behind one alarm; the drafts wait still."""
    with closing(Store.open(url)) as store:
        went_out = Reviews(store.database).decisions(limit=999)
        steps = Counter(
            (event.subject, event.action)
            for event in Audit(store.database).events(limit=9999)
            if event.action in (ALARMED, f"instruction.{ESCALATED}")
        )
        assert all(found is not None and found.review_state == "pending" for found in map(store.get, asked))
    assert Counter((each.name, each.action, each.text) for each in went_out) == Counter(
        (name, ESCALATED, report) for name, report in asked.items()
    )
    assert [each.cursor for each in went_out] == list(range(1, len(asked) + 1))
    assert steps == Counter({(name, action): 1 for name in asked for action in (ALARMED, f"instruction.{ESCALATED}")})
    prove(url, {})


def test_what_nobody_takes_goes_out_once_also_where_the_server_is_killed(config: ServiceConfig) -> None:
    hasty = replace(config, settings=NO_TIME)
    with serving(hasty) as service:
        first = ask(service, ["B村塌方,3人被埋", "C村雪崩,5人被埋"])
        wait_until(lambda: lines_of(service, IS_OVERDUE) == len(first), "the alarms")
        service.kill()  # the reports go out a second later, or not
    with serving(hasty) as service:
        ask(service, ["D村停电"], priority="一般")
        then = ask(service, ["E村塌方,1人被埋"])
        wait_until(lambda: went_out(config.database_url) == len(first | then), "the reports go out")
        service.kill()
    with serving(hasty) as service:
        last = ask(service, ["F村塌方,1人被埋"])
        wait_until(lambda: went_out(config.database_url) == len(first | then | last), "the report goes out")
        assert service.terminate() == 0
    prove_once(config.database_url, first | then | last)


def test_two_servers_on_one_store_give_each_report_out_once(
    config: ServiceConfig, postgres: Server, tmp_path: Path
) -> None:
    shared = replace(config, database_url=postgres.new_database(), settings=NO_TIME)
    folder = tmp_path / "second"
    folder.mkdir()
    with serving(shared) as first, serving(replace(shared, folder=folder)) as second:
        asked: dict[str, str] = {}
        for number in range(4):
            asked |= ask(first, [f"B{number}村塌方,3人被埋"]) | ask(second, [f"C{number}村塌方,3人被埋"])
        wait_until(lambda: went_out(shared.database_url) == len(asked), "all reports go out")
        assert first.terminate() == second.terminate() == 0
        assert lines_of(first, GOES_OUT) + lines_of(second, GOES_OUT) == len(asked)
    prove_once(shared.database_url, asked)

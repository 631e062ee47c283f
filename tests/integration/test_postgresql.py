"""A PostgreSQL store that goes, hangs or is locked under load: no answer without a row, a clear status, no restart."""

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from dispatch.store.transaction import WRITER_LOCK
from tests.integration.load import Failed, Load
from tests.integration.proof import prove
from tests.integration.service import ServiceConfig, serving, wait_until
from tests.store.postgres import Server

STORE_UNAVAILABLE = Failed("UNAVAILABLE", "STORE_UNAVAILABLE", may_retry=True)


@pytest.fixture
def on_postgresql(config: ServiceConfig, postgres: Server) -> ServiceConfig:
    return replace(config, database_url=postgres.new_database())


def test_while_postgresql_is_stopped_calls_are_refused(on_postgresql: ServiceConfig, postgres: Server) -> None:
    with serving(on_postgresql) as service:
        with Load(service.address, "stopped") as load:
            load.wait_for_answers(20)
            postgres.stop()
            load.wait_for_failures(20)
            service.wait_for_health(serving=False)
            assert service.is_serving("")
            postgres.start()
            load.wait_for_answers(20)
            service.wait_for_health(serving=True)
        assert set(load.failed) == {STORE_UNAVAILABLE}
        assert service.terminate() == 0
    prove(on_postgresql.database_url, load.answered)


def test_with_a_spool_calls_are_answered_while_postgresql_is_stopped(
    on_postgresql: ServiceConfig, postgres: Server
) -> None:
    spool = on_postgresql.folder / "spool.db"
    settings = {"DISPATCH_WHEN_STORE_LOST": "spool", "DISPATCH_SPOOL": str(spool)}
    with serving(replace(on_postgresql, settings=settings)) as service:
        with Load(service.address, "spooled") as load:
            load.wait_for_answers(20)
            postgres.stop()
            load.wait_for_answers(50)
            postgres.start()
            wait_until(lambda: "the store is back" in service.log.read_text(encoding="utf-8"), "the spool is replayed")
            load.wait_for_answers(20)
        assert load.failed == []
        assert service.is_serving()
        assert service.terminate() == 0
    prove(on_postgresql.database_url, load.answered)
    prove(f"sqlite:///{spool}", {})


def test_a_spool_outlives_the_service_that_was_killed_with_it(on_postgresql: ServiceConfig, postgres: Server) -> None:
    settings = {"DISPATCH_WHEN_STORE_LOST": "spool", "DISPATCH_SPOOL": str(on_postgresql.folder / "spool.db")}
    config = replace(on_postgresql, settings=settings)
    with serving(config) as service, Load(service.address, "killed") as load:
        load.wait_for_answers(5)
        postgres.stop()
        load.wait_for_answers(20)
        service.kill()
    postgres.start()
    with serving(config) as service:
        wait_until(lambda: "the store is back" in service.log.read_text(encoding="utf-8"), "the spool is replayed")
        assert service.terminate() == 0
    prove(on_postgresql.database_url, load.answered)


def test_a_lock_that_another_holds_delays_answers_until_their_deadline(on_postgresql: ServiceConfig) -> None:
    engine = create_engine(on_postgresql.database_url)
    with serving(on_postgresql) as service:
        with Load(service.address, "patient", 8) as patient:
            patient.wait_for_answers(20)
            with engine.begin() as other, Load(service.address, "impatient", 8, timeout_s=1.0) as impatient:
                other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK})
                impatient.wait_for_failures(20)
                patient.wait_for_failures()
                service.wait_for_health(serving=False)
            patient.wait_for_answers(20)
            service.wait_for_health(serving=True)
        assert set(patient.failed) == {STORE_UNAVAILABLE}
        assert {failed.code for failed in impatient.failed} <= {"DEADLINE_EXCEEDED", "UNAVAILABLE"}
        assert service.terminate() == 0
    engine.dispose()
    prove(on_postgresql.database_url, patient.answered | impatient.answered)

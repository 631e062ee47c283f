"""A disk that is full, read-only, broken or slow under load: no answer without a row, a clear status, and no restart
when it is over."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.disk import BROKEN, FULL, READ_ONLY, SOUND, Fault, FaultyDisk, faulty_disk
from tests.integration.load import Failed, Load
from tests.integration.proof import prove
from tests.integration.service import Service, ServiceConfig, serving

STORE_UNAVAILABLE = Failed("UNAVAILABLE", "STORE_UNAVAILABLE", may_retry=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    """The one that the store's file lies on."""
    with faulty_disk(tmp_path / "store", tmp_path) as disk:
        yield disk


@pytest.fixture
def service(config: ServiceConfig, disk: FaultyDisk) -> Iterator[Service]:
    with serving(replace(config, settings=disk.environment)) as service:
        yield service


def test_a_disk_that_takes_nothing_refuses_calls_until_it_does(
    service: Service, disk: FaultyDisk, config: ServiceConfig
) -> None:
    with Load(service.address, "disk") as load:
        for fault in (FULL, READ_ONLY, BROKEN):
            load.wait_for_answers(20)
            disk.become(fault)
            load.wait_for_failures(20)
            service.wait_for_health(serving=False)
            assert service.is_serving("")  # a restart would be no help
            assert not service.is_serving("dispatch.v1.DispatchService")
            disk.become(SOUND)
            load.wait_for_answers(20)
            service.wait_for_health(serving=True)
    assert set(load.failed) == {STORE_UNAVAILABLE}
    assert service.terminate() == 0
    prove(config.database_url, load.answered)


def test_a_slow_disk_delays_answers_and_never_gives_one_that_is_not_stored(
    service: Service, disk: FaultyDisk, config: ServiceConfig
) -> None:
    with Load(service.address, "patient", 8) as patient:
        patient.wait_for_answers(20)
        disk.become(Fault(sync_delay_ms=1500))
        with Load(service.address, "impatient", 8, timeout_s=1.0) as impatient:
            impatient.wait_for_failures(20)
        patient.wait_for_answers(20)
        disk.become(SOUND)
        patient.wait_for_answers(20)
    assert patient.failed == []
    assert {failed.code for failed in impatient.failed} == {"DEADLINE_EXCEEDED"}
    assert service.terminate() == 0
    prove(config.database_url, patient.answered | impatient.answered)

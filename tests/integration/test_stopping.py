"""SIGTERM under load: whatever was admitted is answered, whatever was stored was answered, and what comes later is
told so."""

from dataclasses import replace

import pytest

from tests.integration.load import Failed, Load
from tests.integration.proof import prove
from tests.integration.service import ServiceConfig, serving

SHUTTING_DOWN = Failed("UNAVAILABLE", "SHUTTING_DOWN", may_retry=True)
NOT_THERE = Failed("UNAVAILABLE", "", may_retry=False)
TOO_LATE = Failed("CANCELLED", "", may_retry=False)
"""Came after the last answer, in the moment in which gRPC stops."""


@pytest.mark.parametrize("number", range(2))
def test_a_service_that_stops_under_load_loses_no_call_that_it_admitted(config: ServiceConfig, number: int) -> None:
    with serving(replace(config, settings={"DISPATCH_GRACE_S": "120"})) as service:
        with Load(service.address, f"stop-{number}", callers=32) as load:
            load.wait_for_answers(50)
            assert service.terminate() == 0
        assert set(load.failed) <= {SHUTTING_DOWN, NOT_THERE, TOO_LATE}
        assert SHUTTING_DOWN in load.failed
        assert not any(failed.admitted for failed in load.failed)
    assert prove(config.database_url, load.answered) == len(load.answered)

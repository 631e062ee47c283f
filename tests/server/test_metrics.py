"""What Prometheus reads: batches, the present state, and where it may ask."""

import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from dispatch.engine import BatchDone, Load, Registry
from dispatch.server.health import probes_of
from dispatch.server.metrics import MetricsConfig, MetricsEndpoint, ServedModel, StateSources, state_of
from dispatch.server.telemetry import Telemetry, TelemetryConfig
from tests.server.calls import Reading


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def test_a_batch_is_counted_by_rows_tokens_waits_and_lanes(telemetry: Telemetry) -> None:
    done = BatchDone(4, 200, (0.1, 0.2, 0.3, 0.4), 0.5, {"urgent": 3, "bulk": 1}, failed=1, stopped=1)
    telemetry.metrics.observe_batch(done)
    reading = Reading.of(telemetry)
    assert reading("dispatch_batch_rows_sum") == 4
    assert reading("dispatch_batch_tokens_sum") == 200
    assert reading("dispatch_decode_seconds_sum") == 0.5
    assert reading("dispatch_queue_wait_seconds_count") == 4
    assert reading("dispatch_queue_wait_seconds_sum") == pytest.approx(1.0)
    assert [reading("dispatch_batched_requests_total", lane=lane) for lane in ("urgent", "bulk")] == [3, 1]
    outcomes = [reading("dispatch_decoded_requests_total", outcome=name) for name in ("answered", "failed", "stopped")]
    assert outcomes == [2, 1, 1]


def test_the_state_is_that_of_the_moment_at_which_prometheus_asks(telemetry: Telemetry) -> None:
    loads = [Load({"urgent": 2, "bulk": 0}, {"urgent": 60, "bulk": 0}, 1, True)]
    mode, kept_in, health = "assist", "store", {"live": True, "store": True}
    sources = StateSources(
        load=lambda: loads,
        models=lambda: [ServedModel("default", "ab12", "stable", "ctranslate2 int8", 0.0)],
        serving_mode=lambda: mode,
        store_state=lambda: kept_in,
        health=lambda: health,
    )
    telemetry.start(sources)
    reading = Reading.of(telemetry)
    assert reading("dispatch_queue_requests", lane="urgent") == 2
    assert reading("dispatch_queue_tokens", lane="urgent") == 60
    assert reading("dispatch_decoding_rows") == 1
    model = {"name": "default", "digest": "ab12", "label": "stable", "engine": "ctranslate2 int8"}
    assert reading("dispatch_model_info", **model) == 1
    assert reading("dispatch_serving_mode", mode="assist") == 1
    assert reading("dispatch_store_spooling") == 0
    loads.append(Load({"urgent": 1, "bulk": 5}, {"urgent": 30, "bulk": 900}, 4, True))
    mode, kept_in, health = "pass-through", "spool", {"live": True, "store": False}
    reading = Reading.of(telemetry)
    assert reading("dispatch_queue_requests", lane="urgent") == 3
    assert reading("dispatch_queue_tokens", lane="bulk") == 900
    assert reading("dispatch_decoding_rows") == 5
    assert [reading("dispatch_serving_mode", mode=name) for name in ("assist", "pass-through")] == [0, 1]
    assert reading("dispatch_store_spooling") == 1
    assert reading("dispatch_healthy", part="store") == 0


def test_state_and_probes_read_a_registry(engine: Any, telemetry: Telemetry) -> None:
    registry = Registry(lambda path: engine)
    probes = probes_of(registry, lambda: None, lambda: "assist")
    assert not probes.has_model()
    registry.add(engine)
    telemetry.start(state_of(registry, lambda: "assist"))
    reading = Reading.of(telemetry)
    assert probes.has_model()
    assert reading("dispatch_model_share", name="default", label="stable") == 0
    assert reading("dispatch_queue_requests", lane="bulk") == 0
    registry.close(0)
    assert not probes.has_model()


def test_pass_through_needs_no_model() -> None:
    registry = Registry(lambda path: pytest.fail("no bundle is opened"))
    assert probes_of(registry, lambda: None, lambda: "assist").needs_model()
    assert not probes_of(registry, lambda: None, lambda: "pass-through").needs_model()


async def test_prometheus_reads_by_http_until_the_server_stops() -> None:
    telemetry = Telemetry(TelemetryConfig(MetricsConfig("127.0.0.1:0")))
    address = telemetry.start(StateSources())
    telemetry.metrics.count_failure("m", "OVERLOADED")
    with urllib.request.urlopen(f"http://{address}/metrics") as reply:
        reading = Reading(reply.read().decode())
    assert reading("dispatch_failures_total", method="m", reason="OVERLOADED") == 1
    assert (reading("process_resident_memory_bytes") or 0) > 0 or not Path("/proc").exists()
    await telemetry.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{address}/metrics")


async def test_by_default_nothing_listens(telemetry: Telemetry) -> None:
    assert telemetry.start(StateSources()) == ""
    await telemetry.stop()


def test_an_address_in_use_is_an_error_that_names_the_setting(telemetry: Telemetry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"metrics_listen: .*{address}"):
            MetricsEndpoint(MetricsConfig(address), telemetry.metrics).start()


@pytest.mark.parametrize("listen", ["off", "127.0.0.1:9464", "localhost:9464", "[::1]:9464"])
def test_loopback_needs_no_permission(listen: str) -> None:
    assert MetricsConfig(listen).listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464"])
def test_other_addresses_need_permission(listen: str) -> None:
    with pytest.raises(ValueError, match="metrics_public"):
        MetricsConfig(listen)
    assert MetricsConfig(listen, public=True).listen == listen

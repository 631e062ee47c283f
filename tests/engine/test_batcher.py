import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.decoding import DecodingCancelled, DecodingConfig
from dispatch.engine import (
    BatchDone,
    Batcher,
    BatcherClosed,
    BatcherConfig,
    DeadlineUnreachable,
    Engine,
    Generation,
    GenerationRequest,
    Lane,
    Load,
    Overloaded,
    Ticket,
    UnusableRequest,
)
from tests.engine.fakes import PATIENCE_S, Clock, EchoEngine, HeldEngine, request

BEAM = DecodingConfig(strategy="beam", beam_size=4)
AT_ONCE = BatcherConfig(window_s=0)


@contextmanager
def batching(engine: Engine, config: BatcherConfig = AT_ONCE, **parts: Callable[..., object]) -> Iterator[Batcher]:
    batcher = Batcher(engine, config, **parts)  # type: ignore[arg-type]
    try:
        yield batcher
    finally:
        batcher.close(0)


@contextmanager
def held(config: BatcherConfig = AT_ONCE) -> "Iterator[Held]":
    """A batcher whose thread is busy with one request, so that what comes now waits."""
    clock, engine, done = Clock(), HeldEngine(), list[BatchDone]()
    batcher = Batcher(engine, config, done.append, clock)
    try:
        engine.finish()
        warm = batcher.submit(request("warm-up"))
        engine.begun()
        answer(warm)
        while batcher.load().decoding:  # else what comes would count as coming while others are decoded
            time.sleep(0.001)
        first = batcher.submit(request("first"))
        assert engine.begun() == ["first"]
        yield Held(batcher, engine, clock, first, done)
    finally:
        closing = threading.Thread(target=batcher.close, args=(0,))
        closing.start()
        for _ in range(100):  # whatever is still held, and tried again
            engine.finish()
        closing.join()


@dataclass
class Held:
    batcher: Batcher
    engine: HeldEngine
    clock: Clock
    first: Ticket
    done: list[BatchDone] = field(default_factory=list)

    def submit(self, report: str, lane: Lane = "urgent", decoding: DecodingConfig = DecodingConfig()) -> Ticket:
        return self.batcher.submit(request(report, decoding), lane=lane)

    def let_go(self, *batches: list[str]) -> None:
        """Ends the batch that is held and then these, which must be the next ones."""
        for batch in batches:
            self.engine.finish()
            assert self.engine.begun() == batch
        self.engine.finish()

    def takes(self, seconds: float) -> None:
        """Has the batch that is held take this long, and waits for its end."""
        self.clock.now += seconds
        self.engine.finish()
        answer(self.first)


def answer(ticket: Ticket) -> str:
    return ticket.future.result(PATIENCE_S).candidates[0].text


def test_what_waits_together_is_decoded_together() -> None:
    with held() as busy:
        tickets = [busy.submit(report) for report in "abc"]
        busy.let_go(["a", "b", "c"])
        assert [answer(ticket) for ticket in tickets] == ["a", "b", "c"]


def test_a_request_that_comes_alone_is_not_kept_waiting() -> None:
    with batching(EchoEngine(), BatcherConfig(window_s=1), clock=Clock()) as batcher:  # a window that never ends
        assert answer(batcher.submit(request("alone"))) == "alone"
        assert answer(batcher.submit(request("again"))) == "again"


def test_where_requests_come_together_a_batch_waits_for_the_next() -> None:
    with held(BatcherConfig(window_s=1, max_batch_rows=2)) as busy:
        busy.submit("a")
        busy.engine.finish()
        answer(busy.first)
        busy.submit("b")
        assert busy.engine.begun() == ["a", "b"]


def test_a_batch_does_not_wait_longer_than_the_window() -> None:
    with held(BatcherConfig(window_s=0.001)) as busy:
        busy.submit("a")
        busy.clock.now += 0.002
        busy.engine.finish()
        answer(busy.first)
        busy.clock.now += 0.002
        assert busy.engine.begun() == ["a"]


def test_requests_with_other_options_wait_for_a_batch_of_their_own() -> None:
    with held() as busy:
        for report, decoding in (("a", DecodingConfig()), ("b", BEAM), ("c", DecodingConfig()), ("d", BEAM)):
            busy.submit(report, decoding=decoding)
        busy.let_go(["a", "c"], ["b", "d"])


def test_a_request_counts_for_the_hypotheses_that_its_search_keeps() -> None:
    with held(BatcherConfig(window_s=0, max_batch_tokens=8)) as busy:
        for report in "abc":
            busy.submit(report, decoding=BEAM)
        assert busy.batcher.load().waiting_tokens["urgent"] == 12
        busy.let_go(["a", "b"], ["c"])


def test_a_request_larger_than_a_batch_is_decoded_alone() -> None:
    with held(BatcherConfig(window_s=0, max_batch_tokens=4)) as busy:
        for report in ("long one", "b", "c"):
            busy.submit(report)
        busy.let_go(["long one"], ["b", "c"])


def test_urgent_goes_before_bulk() -> None:
    with held(BatcherConfig(window_s=0, max_batch_rows=2)) as busy:
        for report in "xyz":
            busy.submit(report, "bulk")
        assert busy.submit("a").ahead == 0
        assert busy.submit("b").ahead == 1
        assert busy.submit("w", "bulk").ahead == 5
        busy.let_go(["a", "b"], ["x", "y"], ["z", "w"])


def test_bulk_fills_the_room_that_urgent_leaves() -> None:
    with held() as busy:
        busy.submit("x", "bulk")
        busy.submit("a")
        busy.let_go(["a", "x"])


def test_bulk_gets_its_share_although_urgent_never_ends() -> None:
    with held(BatcherConfig(window_s=0, max_batch_rows=2, bulk_share=0.25)) as busy:
        for report in "xyz":
            busy.submit(report, "bulk")
        for report in "abcdefghij":
            busy.submit(report)
        busy.let_go(["a", "b"], ["c", "d"], ["x", "e"], ["f", "g"], ["y", "h"], ["i", "j"], ["z"])


def test_refuses_what_would_make_too_many_wait() -> None:
    with held(BatcherConfig(window_s=0, max_waiting=2)) as busy:
        busy.submit("a")
        busy.submit("b")
        with pytest.raises(Overloaded) as refused:
            busy.submit("c")
        assert refused.value.retry_after_s == 1  # nothing has been measured yet


def test_says_that_the_whole_backlog_has_to_be_decoded_first() -> None:
    with held(BatcherConfig(window_s=0, max_waiting=3, max_batch_rows=1)) as busy:
        busy.takes(2)
        busy.submit("next")
        assert busy.engine.begun() == ["next"]
        for report in "abc":
            busy.submit(report)
        busy.clock.now += 0.5
        with pytest.raises(Overloaded) as refused:
            busy.submit("d")
        assert refused.value.retry_after_s == pytest.approx(1.5 + 3 * 2)


def test_refuses_what_would_make_too_many_tokens_wait() -> None:
    with held(BatcherConfig(window_s=0, max_waiting_tokens=10)) as busy:
        busy.submit("12345678")
        busy.submit("90")
        with pytest.raises(Overloaded):
            busy.submit("1")


def test_says_beforehand_whether_a_request_would_be_refused() -> None:
    next_one = request("next one")
    with held(BatcherConfig(window_s=0, max_waiting=1)) as busy:
        busy.batcher.require_room(next_one)
        late = busy.batcher.submit(request("late"), deadline=busy.clock.now + 1)
        with pytest.raises(Overloaded):
            busy.batcher.require_room(next_one)
        with pytest.raises(DeadlineUnreachable):
            busy.batcher.require_room(next_one, lane="bulk", deadline=busy.clock.now)
        busy.clock.now += 1
        busy.batcher.require_room(next_one)
        assert isinstance(late.future.exception(0), DeadlineUnreachable)
        busy.batcher.drain()
        busy.batcher.require_room(next_one)  # of another model, by the time there is a request


def test_says_beforehand_that_a_request_is_too_long_for_the_room_that_is_left() -> None:
    with held(BatcherConfig(window_s=0, max_waiting_tokens=10)) as busy:
        busy.submit("12345678")
        busy.batcher.require_room(request("90"))
        with pytest.raises(Overloaded):
            busy.batcher.require_room(request("901"))


def test_lets_a_request_of_any_size_wait_alone() -> None:
    with held(BatcherConfig(window_s=0, max_waiting_tokens=3)) as busy:
        busy.submit("longer than that")
        busy.let_go(["longer than that"])


def test_bulk_never_takes_the_room_of_what_is_urgent() -> None:
    with held(BatcherConfig(window_s=0, max_waiting=1)) as busy:
        busy.submit("x", "bulk")
        with pytest.raises(Overloaded):
            busy.submit("y", "bulk")
        busy.submit("a")


def test_refuses_a_deadline_that_has_passed() -> None:
    clock = Clock()
    with batching(EchoEngine(), clock=clock) as batcher, pytest.raises(DeadlineUnreachable):
        batcher.submit(request("a"), deadline=clock.now)


def test_refuses_a_deadline_that_is_hardly_met_by_what_batches_have_been_taking() -> None:
    with held(BatcherConfig(window_s=0, max_batch_rows=1)) as busy:
        busy.takes(2)
        with pytest.raises(DeadlineUnreachable) as refused:
            busy.batcher.submit(request("a"), deadline=busy.clock.now + 2.6)
        assert refused.value.expected_s == pytest.approx(2)
        busy.batcher.submit(request("a"), deadline=busy.clock.now + 2.7)  # a third more than is expected
        assert busy.engine.begun() == ["a"]
        busy.submit("b")
        with pytest.raises(DeadlineUnreachable) as refused:  # the rest of a, then b, then c
            busy.batcher.submit(request("c"), deadline=busy.clock.now + 7.9)
        assert refused.value.expected_s == pytest.approx(6)
        busy.batcher.submit(request("c"), deadline=busy.clock.now + 8.1)


def test_the_first_batch_of_an_engine_tells_nothing_about_those_that_follow() -> None:
    engine, clock = HeldEngine(), Clock()
    with batching(engine, clock=clock) as batcher:
        slow = batcher.submit(request("slow"))
        engine.begun()
        clock.now += 100
        engine.finish()
        answer(slow)
        engine.finish()
        assert answer(batcher.submit(request("a"), deadline=clock.now + 1)) == "a"


def test_urgent_is_not_refused_for_the_bulk_that_waits() -> None:
    with held(BatcherConfig(window_s=0, max_batch_rows=1)) as busy:
        busy.takes(2)
        busy.submit("next")
        assert busy.engine.begun() == ["next"]
        for report in "uvwxyz":
            busy.submit(report, "bulk")
        busy.batcher.submit(request("a"), deadline=busy.clock.now + 8)
        with pytest.raises(DeadlineUnreachable):
            busy.batcher.submit(request("b"), lane="bulk", deadline=busy.clock.now + 8)


def test_where_waits_take_longer_than_the_pace_said_more_is_expected_of_the_next() -> None:
    with held(BatcherConfig(window_s=0, max_batch_rows=1)) as busy:
        busy.takes(2)
        slow = busy.submit("slow")  # in 2 s, by the pace
        assert busy.engine.begun() == ["slow"]
        busy.clock.now += 6
        busy.engine.finish()
        answer(slow)
        with pytest.raises(DeadlineUnreachable) as refused:  # 4 s by the pace
            busy.batcher.submit(request("a"), deadline=busy.clock.now + 6)
        assert refused.value.expected_s > 6


def expected_after_a_wait(deadline_s: float | None, leaves: bool = False) -> float:
    """What one is told to wait, where another has waited through two slow batches, or given up before the second."""
    with held(BatcherConfig(window_s=0, max_batch_rows=2)) as busy:
        busy.takes(2)
        slow = busy.submit("slow")
        assert busy.engine.begun() == ["slow"]
        other = busy.batcher.submit(request("other"), deadline=deadline_s and busy.clock.now + deadline_s)
        patient = busy.submit("patient" * 20)
        for batch in (slow, patient):
            busy.clock.now += 8
            if leaves:
                other.cancel()
            busy.engine.finish()
            answer(batch)
        with pytest.raises(DeadlineUnreachable) as refused:
            busy.batcher.submit(request("a"), deadline=busy.clock.now)
        return refused.value.expected_s


@pytest.mark.parametrize("leaves", [False, True])
def test_who_has_waited_in_vain_counts_as_if_decoded_in_the_next_batch(leaves: bool) -> None:
    assert expected_after_a_wait(7, leaves) == pytest.approx(expected_after_a_wait(None), rel=0.05)


def test_a_pause_says_nothing_of_how_far_the_pace_may_be_trusted() -> None:
    with held() as busy:
        busy.takes(2)
        late = busy.batcher.submit(request("late"), deadline=busy.clock.now + 5)
        assert busy.engine.begun() == ["late"]
        gone = busy.batcher.submit(request("gone"), deadline=busy.clock.now + 5.5)
        busy.clock.now += 6
        gone.cancel()
        busy.engine.finish()
        late.future.exception(PATIENCE_S)
        for _ in range(3):
            busy.clock.now += 3600
            ticket = busy.submit("first")
            assert busy.engine.begun() == ["first"]
            busy.clock.now += 2
            busy.engine.finish()
            answer(ticket)
        with pytest.raises(DeadlineUnreachable) as refused:  # 2 s by the pace; one answer took thrice as long
            busy.batcher.submit(request("a"), deadline=busy.clock.now)
        assert refused.value.expected_s < 4


def test_one_slow_moment_does_not_refuse_for_ever() -> None:
    with held() as busy:
        busy.takes(100)
        with pytest.raises(DeadlineUnreachable):
            busy.batcher.submit(request("a"), deadline=busy.clock.now + 1)
        busy.clock.now += 100
        busy.batcher.submit(request("a"), deadline=busy.clock.now + 1)


def test_a_deadline_that_passes_while_waiting_is_not_decoded() -> None:
    with held() as busy:
        late = busy.batcher.submit(request("late"), deadline=busy.clock.now + 1)
        busy.submit("b")
        busy.clock.now += 1
        busy.let_go(["b"])
        with pytest.raises(DeadlineUnreachable):
            late.future.result(PATIENCE_S)


def test_what_has_expired_makes_room() -> None:
    with held(BatcherConfig(window_s=0, max_waiting=1)) as busy:
        late = busy.batcher.submit(request("late"), deadline=busy.clock.now + 1)
        busy.clock.now += 1
        busy.submit("b")
        assert isinstance(late.future.exception(0), DeadlineUnreachable)


def test_a_deadline_that_passes_stops_the_decoding_of_its_row_alone() -> None:
    with held() as busy:
        late = busy.batcher.submit(request("late"), deadline=busy.clock.now + 1)
        other = busy.submit("b")
        busy.engine.finish()
        assert busy.engine.begun() == ["late", "b"]
        assert busy.engine.step() == [False, False]
        busy.clock.now += 1
        assert busy.engine.step() == [True, False]
        busy.engine.finish()
        assert answer(other) == "b"
        with pytest.raises(DeadlineUnreachable):
            late.future.result(PATIENCE_S)


def test_a_cancelled_request_leaves_the_queue() -> None:
    with held() as busy:
        ticket = busy.submit("a")
        ticket.cancel()
        assert busy.batcher.load().waiting["urgent"] == 0
        assert busy.batcher.load().waiting_tokens["urgent"] == 0
        busy.submit("b")
        busy.let_go(["b"])
        with pytest.raises(CancelledError):
            ticket.future.result(0)


def test_a_cancelled_request_stops_being_decoded_and_the_others_do_not_notice() -> None:
    with held() as busy:
        tickets = [busy.submit(report) for report in "ab"]
        busy.engine.finish()
        assert busy.engine.begun() == ["a", "b"]
        tickets[0].cancel()
        assert busy.engine.step() == [True, False]
        busy.engine.finish()
        assert answer(tickets[1]) == "b"


async def test_a_task_that_is_cancelled_cancels_its_request() -> None:
    with held() as busy:
        ticket = busy.submit("a")
        waiting = asyncio.ensure_future(asyncio.wrap_future(ticket.future))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0)  # the future is told by a callback of the task's
        assert busy.batcher.load().waiting["urgent"] == 0


class PickyEngine(EchoEngine):
    """Cannot answer what is called bad."""

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        if any(each.report == "bad" for each in requests):
            raise UnusableRequest("prefix: too long")
        return super().generate(requests, should_stop)


class HeldPickyEngine(HeldEngine, PickyEngine):
    """As both."""


def test_one_bad_request_fails_alone() -> None:
    engine, done = HeldPickyEngine(), list[BatchDone]()
    with batching(engine, observe=done.append) as batcher:
        batcher.submit(request("first"))
        assert engine.begun() == ["first"]
        tickets = [batcher.submit(request(report)) for report in ("a", "bad", "c")]
        for _ in range(5):  # the first, the batch, and each of it
            engine.finish()
        assert (answer(tickets[0]), answer(tickets[2])) == ("a", "c")
        with pytest.raises(UnusableRequest):
            tickets[1].future.result(PATIENCE_S)
        batcher.close(PATIENCE_S)
    assert (done[-1].rows, done[-1].failed) == (3, 1)


def test_an_engine_that_fails_fails_only_what_it_was_decoding() -> None:
    with held() as busy:
        busy.engine.finish(MemoryError())
        with pytest.raises(MemoryError):
            busy.first.future.result(PATIENCE_S)
        ticket = busy.submit("a")
        assert busy.engine.begun() == ["a"]
        busy.engine.finish()
        assert answer(ticket) == "a"


def test_an_engine_that_loses_an_answer_fails_instead_of_giving_somebody_elses() -> None:
    class Losing(EchoEngine):
        def generate(
            self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
        ) -> list[Generation | None]:
            return super().generate(requests, should_stop)[1:]

    with batching(Losing()) as batcher, pytest.raises(RuntimeError, match="0 answers to 1"):
        batcher.submit(request("a")).future.result(PATIENCE_S)


def test_a_row_that_the_engine_gave_up_is_cancelled() -> None:
    class Stopping(EchoEngine):
        def generate(
            self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
        ) -> list[Generation | None]:
            return [None] * len(requests)

    with batching(Stopping()) as batcher, pytest.raises(DecodingCancelled):
        batcher.submit(request("a")).future.result(PATIENCE_S)


def test_a_decoding_thread_that_dies_leaves_nobody_waiting() -> None:
    with held() as busy:
        waiting = busy.submit("a")
        busy.engine.finish(SystemExit())
        for ticket in (busy.first, waiting):
            with pytest.raises(BatcherClosed):
                ticket.future.result(PATIENCE_S)
        with pytest.raises(BatcherClosed):
            busy.submit("b")
        busy.batcher.close(PATIENCE_S)
        assert busy.batcher.load() == Load({"urgent": 0, "bulk": 0}, {"urgent": 0, "bulk": 0}, 0, alive=False)


def test_an_observer_that_fails_disturbs_nobody() -> None:
    def observe(done: BatchDone) -> None:
        raise KeyError("a gauge")

    with batching(EchoEngine(), observe=observe) as batcher:
        assert [answer(batcher.submit(request(report))) for report in "ab"] == ["a", "b"]


def test_tells_of_each_batch() -> None:
    with held() as busy:
        busy.submit("ab")
        busy.clock.now += 1
        busy.submit("c", "bulk")
        gone = busy.submit("d")
        busy.clock.now += 1
        busy.engine.finish()
        assert busy.engine.begun() == ["ab", "d", "c"]
        gone.cancel()
        busy.clock.now += 3
        busy.engine.finish()
        busy.batcher.close(PATIENCE_S)
        assert busy.done[2] == BatchDone(
            rows=3, tokens=4, waited_s=(2, 1, 1), decode_s=3, lanes={"urgent": 2, "bulk": 1}, stopped=1
        )


def test_says_what_there_is_to_do() -> None:
    with held() as busy:
        busy.submit("ab")
        busy.submit("cde", "bulk")
        assert busy.batcher.load() == Load({"urgent": 1, "bulk": 1}, {"urgent": 2, "bulk": 3}, 1, alive=True)


def test_close_finishes_what_was_admitted_and_takes_nothing_more() -> None:
    with held() as busy:
        waiting = busy.submit("a")
        closing = threading.Thread(target=busy.batcher.close, args=(PATIENCE_S,))
        busy.batcher.drain()
        closing.start()
        with pytest.raises(BatcherClosed):
            busy.submit("b")
        busy.let_go(["a"])
        closing.join(PATIENCE_S)
        assert (answer(busy.first), answer(waiting)) == ("first", "a")
        assert not busy.batcher.load().alive


def test_close_gives_up_what_is_left_after_the_grace() -> None:
    with held() as busy:
        waiting = busy.submit("a")
        closing = threading.Thread(target=busy.batcher.close, args=(0,))
        closing.start()
        for ticket in (busy.first, waiting):
            with pytest.raises(BatcherClosed):
                ticket.future.result(PATIENCE_S)
        assert busy.engine.step() == [True]
        busy.engine.finish()
        closing.join(PATIENCE_S)
        assert not busy.batcher.load().alive


@pytest.mark.parametrize(
    ("field", "value"), [("max_batch_rows", 0), ("max_waiting_tokens", 0), ("window_s", -1), ("bulk_share", 1)]
)
def test_a_limit_that_makes_no_sense_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        BatcherConfig(**{field: value})  # type: ignore[arg-type]


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["urgent", "bulk"]),
        st.integers(1, 9),
        st.sampled_from([DecodingConfig(), BEAM, DecodingConfig(max_tokens=9)]),
    ),
    max_size=30,
)
shapes = st.builds(
    BatcherConfig,
    max_batch_tokens=st.integers(1, 60),
    max_batch_rows=st.integers(1, 6),
    window_s=st.just(0),
    bulk_share=st.sampled_from([0.1, 0.25, 0.5]),
)


@settings(max_examples=60, deadline=None)
@given(arrivals, shapes)
def test_each_request_is_answered_once_within_the_budget_and_in_its_turn(
    coming: list[tuple[Lane, int, DecodingConfig]], config: BatcherConfig
) -> None:
    batches: list[list[GenerationRequest]] = []

    class Recording(EchoEngine):
        def generate(
            self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
        ) -> list[Generation | None]:
            assert go.wait(PATIENCE_S)
            batches.append(list(requests))
            return super().generate(requests, should_stop)

    go = threading.Event()
    lanes: dict[str, Lane] = {}
    with batching(Recording(), config) as batcher:
        plug = batcher.submit(request("plug"))
        while not batcher.load().decoding:  # until the thread has taken it
            pass
        tickets = {}
        for number, (lane, size, decoding) in enumerate(coming):
            report = f"{number:02}".ljust(size + 2, ".")
            lanes[report] = lane
            tickets[report] = batcher.submit(request(report, decoding), lane=lane)
        go.set()
        answers = {report: answer(ticket) for report, ticket in tickets.items()}
        assert answer(plug) == "plug"
    assert answers == {report: report for report in lanes}
    assert sorted(each.report for batch in batches[1:] for each in batch) == sorted(lanes)
    for batch in batches:
        assert len(batch) <= config.max_batch_rows
        assert len({each.decoding for each in batch}) == 1
        assert len(batch) == 1 or sum(map(cost, batch)) <= config.max_batch_tokens
    _each_lane_keeps_its_order(batches[1:], lanes)
    _turns_are_kept(batches[1:], lanes, config)


def cost(each: GenerationRequest) -> int:
    return len(each.report) * each.decoding.width


def _each_lane_keeps_its_order(batches: list[list[GenerationRequest]], lanes: dict[str, Lane]) -> None:
    """The oldest of a lane is in the first batch that takes anything of the lane."""
    for lane in ("urgent", "bulk"):
        left = sorted(report for report in lanes if lanes[report] == lane)
        for batch in batches:
            taken = [each.report for each in batch if lanes[each.report] == lane]
            led = batch[0].report in taken
            assert not led or left[0] in taken
            left = [report for report in left if report not in taken]


def _turns_are_kept(batches: list[list[GenerationRequest]], lanes: dict[str, Lane], config: BatcherConfig) -> None:
    """While both wait, bulk has no more than its share, and lags behind that by less than one batch and one request."""
    left = {lane: [report for report in lanes if lanes[report] == lane] for lane in ("urgent", "bulk")}
    total = of_bulk = 0
    for batch in batches:
        for each in batch:
            left[lanes[each.report]].remove(each.report)
            total += cost(each)
            of_bulk += cost(each) if lanes[each.report] == "bulk" else 0
        if not (left["urgent"] and left["bulk"]):
            return
        assert of_bulk <= config.bulk_share * total
        largest = max((cost(each) for batch in batches for each in batch), default=0)
        assert of_bulk >= config.bulk_share * (total - max(config.max_batch_tokens, largest)) - largest

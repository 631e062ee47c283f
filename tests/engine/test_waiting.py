"""What waits, under any order of coming, going, expiring and being taken."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.decoding import DecodingConfig
from dispatch.engine import LANES, BatcherConfig
from dispatch.engine.waiting import Entry, Waiting
from tests.engine.fakes import request

OPTIONS = [DecodingConfig(), DecodingConfig(max_tokens=9)]
entries = st.builds(
    Entry,
    request=st.sampled_from([request("a", options) for options in OPTIONS]),
    lane=st.sampled_from(LANES),
    deadline=st.floats(0, 100),
    tokens=st.integers(1, 40),
    arrived=st.just(0.0),
)
steps = st.lists(st.one_of(entries, entries, st.sampled_from(["take", "cancel", "expire"])), max_size=60)
configs = st.builds(
    BatcherConfig,
    max_batch_tokens=st.integers(1, 100),
    max_batch_rows=st.integers(1, 5),
    bulk_share=st.sampled_from([0.1, 0.25, 0.5]),
)


def take_all(waiting: Waiting) -> list[Entry]:
    taken = []
    while waiting:
        taken += waiting.take_batch()
    return taken


@settings(deadline=None)
@given(steps, configs)
def test_every_entry_leaves_once(sequence: list[Entry | str], config: BatcherConfig) -> None:
    waiting, came, left, now = Waiting(config), list[Entry](), list[Entry](), 0.0
    for step in sequence:
        if isinstance(step, Entry):
            came.append(step)
            waiting.add(step)
        elif step == "take":
            left += waiting.take_batch()
        elif step == "expire":
            now += 10
            late = waiting.take_late(now)
            assert all(entry.deadline <= now for entry in late)
            assert all(entry.deadline > now for entry in waiting)
            left += late
        elif waiting:
            entry = next(iter(waiting))
            assert waiting.discard(entry.future)
            assert not waiting.discard(entry.future)
            left.append(entry)
        for lane in LANES:
            here = [entry for entry in waiting if entry.lane == lane]
            assert (waiting.rows(lane), waiting.tokens(lane)) == (len(here), sum(entry.tokens for entry in here))
    left += take_all(waiting)
    assert sorted(map(id, left)) == sorted(map(id, came))


@settings(deadline=None)
@given(steps, configs)
def test_bulk_waits_no_longer_than_its_share_says(sequence: list[Entry | str], config: BatcherConfig) -> None:
    waiting, passed_over = Waiting(config), 0
    for step in sequence:
        if isinstance(step, Entry):
            waiting.add(step)
        elif waiting:
            first = next((entry for entry in waiting if entry.lane == "bulk"), None)
            batch = waiting.take_batch()
            if first is None or any(entry.lane == "bulk" for entry in batch):
                passed_over = 0
                continue
            assert config.bulk_share * passed_over < first.tokens
            passed_over += sum(entry.tokens for entry in batch)


@settings(deadline=None)
@given(st.lists(entries, max_size=20), entries)
def test_what_is_refused_would_go_beyond_a_limit(here: list[Entry], entry: Entry) -> None:
    waiting = Waiting(BatcherConfig(max_waiting=4, max_waiting_tokens=60))
    for each in here:
        if waiting.has_room(each):
            waiting.add(each)
    for lane in LANES:
        assert waiting.rows(lane) <= 4
        assert waiting.rows(lane) <= 1 or waiting.tokens(lane) <= 60
    full = waiting.rows(entry.lane) == 4 or waiting.tokens(entry.lane) + entry.tokens > 60
    assert waiting.has_room(entry) == (not full or waiting.rows(entry.lane) == 0)


@settings(deadline=None)
@given(st.lists(entries, min_size=1, max_size=20), configs)
def test_the_backlog_of_urgent_is_part_of_that_of_bulk(here: list[Entry], config: BatcherConfig) -> None:
    waiting = Waiting(config)
    for entry in here:
        waiting.add(entry)
    batches, tokens = waiting.backlog("bulk")
    assert tokens == sum(entry.tokens for entry in here)
    assert batches >= 1
    assert waiting.backlog("bulk", 1, 10)[0] >= batches
    assert waiting.backlog("urgent")[1] <= waiting.tokens("urgent") / (1 - config.bulk_share)

"""The search against a table of random scores: exact where it must be exact, and independent of the batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dispatch.decoding import DecodingConfig, Hypothesis, search

BOS, STOP = 0, 1
STOPS = frozenset({STOP})

Script = Mapping[tuple[int, ...], Sequence[float]]


@cache
def table(seed: int, source: int, history: tuple[int, ...], vocab_size: int) -> tuple[float, ...]:
    """The scores that follow `history`, arbitrary but always the same."""
    generator = Random(f"{seed} {source} {history}")
    return tuple(generator.gauss(0, 2) for _ in range(vocab_size))


class TableStep:
    """A step function without a network: `sources` tell the sequences of a batch apart."""

    def __init__(self, seed: int, sources: Sequence[int], vocab_size: int, max_length: int = 100) -> None:
        self.rows: list[tuple[int, tuple[int, ...]]] = [(source, ()) for source in sources]
        self.seed, self.vocab_size, self.max_length = seed, vocab_size, max_length
        self.row_counts: list[int] = []

    def scores(self, source: int, history: tuple[int, ...]) -> Sequence[float]:
        return table(self.seed, source, history, self.vocab_size)

    def step(self, tokens_RT: Tensor) -> Tensor:
        assert len(tokens_RT) == len(self.rows)
        self.row_counts.append(len(self.rows))
        logits_RTV = []
        for row, tokens in enumerate(tokens_RT.tolist()):
            source, history = self.rows[row]
            histories = [(*history, *tokens[: count + 1]) for count in range(len(tokens))]
            logits_RTV.append([self.scores(source, one) for one in histories])
            self.rows[row] = (source, histories[-1])
            assert len(histories[-1]) <= self.max_length
        return torch.tensor(logits_RTV)

    def select(self, rows_R: Tensor) -> None:
        self.rows = [self.rows[row] for row in rows_R.tolist()]


class ScriptedStep(TableStep):
    """Probabilities of the next token by history, bos left out; the stop token is sure after any other history."""

    def __init__(self, script: Script) -> None:
        super().__init__(0, [0], 4)
        self.script = script

    def scores(self, source: int, history: tuple[int, ...]) -> Sequence[float]:
        probabilities = self.script.get(history[1:], (0, 1, 0, 0))
        return [math.log(p) if p else -math.inf for p in probabilities]


def log_probabilities(scores: Sequence[float]) -> list[float]:
    total = math.log(sum(math.exp(score) for score in scores))
    return [score - total for score in scores]


def token_scores(step: TableStep, source: int, tokens: Sequence[int]) -> list[float]:
    """The log-probability of each token, worked out one by one."""
    histories = [(BOS, *tokens[:count]) for count in range(len(tokens))]
    return [
        log_probabilities(step.scores(source, history))[token] for history, token in zip(histories, tokens, strict=True)
    ]


def every_hypothesis(step: TableStep, prefix: Sequence[int], max_tokens: int) -> list[list[int]]:
    """All sequences after the prefix that end with the stop token, or have `max_tokens` tokens without one."""
    open_ones, found = [list(prefix[1:])], []
    for _ in range(max_tokens):
        extended = [[*tokens, token] for tokens in open_ones for token in range(step.vocab_size)]
        found += [tokens for tokens in extended if tokens[-1] == STOP]
        open_ones = [tokens for tokens in extended if tokens[-1] != STOP]
    return found + open_ones


def assert_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.token_scores == pytest.approx(other.token_scores, abs=1e-5)
        assert one.finished == other.finished


seeds = st.integers(0, 2**32)
penalties = st.sampled_from([0.0, 0.6, 1.0, 2.0])
prefixes = st.lists(st.lists(st.integers(2, 4), max_size=4).map(lambda rest: [BOS, *rest]), min_size=1, max_size=4)
configs = st.one_of(
    st.builds(DecodingConfig, max_tokens=st.integers(1, 8)),
    st.builds(
        DecodingConfig,
        strategy=st.just("beam"),
        beam_size=st.integers(2, 5),
        num_candidates=st.integers(1, 2),
        length_penalty=penalties,
        max_tokens=st.integers(1, 8),
    ),
    st.builds(
        DecodingConfig,
        strategy=st.just("sample"),
        num_candidates=st.integers(1, 3),
        temperature=st.sampled_from([0.5, 1.0, 1.5]),
        top_k=st.sampled_from([0, 3]),
        top_p=st.sampled_from([0.9, 1.0]),
        seed=st.integers(0, 9),
        max_tokens=st.integers(1, 8),
    ),
)


@given(seeds, st.integers(1, 8))
def test_greedy_takes_the_most_probable_token_until_the_stop_or_the_limit(seed: int, max_tokens: int) -> None:
    step = TableStep(seed, [0], 5)
    expected: list[int] = []
    while STOP not in expected and len(expected) < max_tokens:
        scores = step.scores(0, (BOS, *expected))
        expected.append(scores.index(max(scores)))
    [[found]] = search(step, [[BOS]], DecodingConfig(max_tokens=max_tokens), STOPS)
    assert list(found.tokens) == expected
    assert found.finished == (STOP in expected)


@given(seeds, prefixes)
def test_a_beam_of_one_is_greedy(seed: int, rows: list[list[int]]) -> None:
    greedy = DecodingConfig(max_tokens=10)
    beam = replace(greedy, strategy="beam", beam_size=1)
    sources = range(len(rows))
    assert search(TableStep(seed, sources, 5), rows, beam, STOPS) == search(
        TableStep(seed, sources, 5), rows, greedy, STOPS
    )


@given(seeds, penalties, st.integers(1, 3), st.lists(st.just(2), max_size=2))
def test_a_beam_wide_enough_for_all_is_exhaustive(
    seed: int, length_penalty: float, max_tokens: int, forced: list[int]
) -> None:
    step = TableStep(seed, [0], 3)
    prefix = [BOS, *forced]

    def score(tokens: list[int]) -> float:
        free_scores = token_scores(step, 0, tokens)[len(forced) :]
        return sum(free_scores) / math.pow(len(free_scores), length_penalty)

    everything = every_hypothesis(step, prefix, max_tokens)
    expected = sorted(everything, key=lambda tokens: (tokens[-1] != STOP, -score(tokens)))
    width = min(16, len(expected))
    assert width == len(expected)
    config = DecodingConfig("beam", width, width, length_penalty, max_tokens=max_tokens)
    [found] = search(step, [prefix], config, STOPS)
    assert [list(h.tokens) for h in found] == expected
    assert [h.score for h in found] == pytest.approx([score(tokens) for tokens in expected], abs=1e-5)
    [best] = search(TableStep(seed, [0], 3), [prefix], replace(config, num_candidates=1), STOPS)
    assert_same(best, found[:1])


@given(seeds, penalties, st.integers(2, 6), st.integers(1, 12))
@settings(deadline=None)
def test_stopping_early_never_loses_a_hypothesis(
    seed: int, length_penalty: float, beam_size: int, max_tokens: int
) -> None:
    # Asked for all of its hypotheses, a beam cannot stop before it is empty.
    config = DecodingConfig("beam", beam_size, beam_size, length_penalty, max_tokens=max_tokens)
    [full] = search(TableStep(seed, [0], 6), [[BOS]], config, STOPS)
    for count in range(1, beam_size):
        step = TableStep(seed, [0], 6)
        [early] = search(step, [[BOS]], replace(config, num_candidates=count), STOPS)
        assert_same(early, full[:count])


def test_a_beam_stops_once_nothing_better_can_come() -> None:
    script: Script = {(): (0, 0.9, 0.05, 0.05)} | {(2,) * n: (0, 0.01, 0.98, 0.01) for n in range(1, 50)}
    step = ScriptedStep(script)
    [[best]] = search(step, [[BOS]], DecodingConfig("beam", length_penalty=0.0, max_tokens=50), STOPS)
    assert best.tokens == (STOP,)
    assert len(step.row_counts) == 1


def test_a_beam_goes_on_while_something_better_can_come() -> None:
    # The short answer scores log 0.6 = -0.51; the long one, log 0.4 shared by ten tokens, ends at -0.09.
    script: Script = {(): (0, 0.6, 0.4, 0)} | {(2,) * n: (0, 0, 1, 0) for n in range(1, 9)}
    [[best]] = search(ScriptedStep(script), [[BOS]], DecodingConfig("beam", max_tokens=20), STOPS)
    assert best.tokens == (*[2] * 9, STOP)
    assert best.score == pytest.approx(math.log(0.4) / 10)


def test_a_finished_hypothesis_leaves_its_place_in_the_beam_to_another() -> None:
    script = {(): (0, 0.5, 0.3, 0.2), (2,): (0, 0.4, 0.3, 0.3)}
    step = ScriptedStep(script)
    [found] = search(step, [[BOS]], DecodingConfig("beam", beam_size=2, num_candidates=2), STOPS)
    assert [h.tokens for h in found] == [(STOP,), (3, STOP)]
    assert step.row_counts == [1, 2]


def test_a_beam_ends_once_as_many_have_finished_as_it_is_wide() -> None:
    # Of three that go on, two finish at the second step; what the third could still write is not looked at.
    script: Script = {(): (0, 0, 0.6, 0.4), (2,): (0, 0.5, 0.5, 0), (2, 2): (0, 1, 0, 0)}
    step = ScriptedStep(script)
    [found] = search(step, [[BOS]], DecodingConfig("beam", 2, 2, length_penalty=2.0), STOPS)
    assert [h.tokens for h in found] == [(3, STOP), (2, STOP)]
    assert step.row_counts == [1, 2]


def test_a_beam_finds_what_greedy_misses() -> None:
    script: Script = {(): (0, 0, 0.6, 0.4), (2,): (0, 0.5, 0.25, 0.25)}
    [[greedy]] = search(ScriptedStep(script), [[BOS]], DecodingConfig(), STOPS)
    [[beam]] = search(ScriptedStep(script), [[BOS]], DecodingConfig("beam"), STOPS)
    assert (greedy.tokens, beam.tokens) == ((2, STOP), (3, STOP))


def test_equals_go_to_the_lower_token() -> None:
    config = DecodingConfig("beam", 3, 3, max_tokens=1)
    [found] = search(ScriptedStep({(): (0.25, 0.25, 0.25, 0.25)}), [[BOS]], config, STOPS)
    assert [h.tokens for h in found] == [(STOP,), (0,), (2,)]


@given(seeds, st.permutations(range(4)), prefixes, configs)
@settings(max_examples=200)
def test_a_batch_gives_what_each_row_gives_alone(
    seed: int, sources: list[int], rows: list[list[int]], config: DecodingConfig
) -> None:
    sources = sources[: len(rows)]
    together = search(TableStep(seed, sources, 6), rows, config, STOPS)
    for source, row, found in zip(sources, rows, together, strict=True):
        [alone] = search(TableStep(seed, [source], 6), [row], config, STOPS)
        assert_same(found, alone)


@given(seeds, prefixes, configs)
def test_hypotheses_hold_the_prefix_and_their_own_scores_best_first(
    seed: int, rows: list[list[int]], config: DecodingConfig
) -> None:
    step = TableStep(seed, range(len(rows)), 6)
    for source, (row, found) in enumerate(zip(rows, search(step, rows, config, STOPS), strict=True)):
        assert 1 <= len(found) <= config.num_candidates
        assert found == sorted(found, key=lambda h: (not h.finished, -h.score))
        for hypothesis in found:
            forced, free = hypothesis.tokens[: len(row) - 1], hypothesis.tokens[len(row) - 1 :]
            expected = token_scores(step, source, hypothesis.tokens)
            assert list(forced) == row[1:]
            assert 1 <= len(free) <= config.max_tokens
            assert hypothesis.finished == (free[-1] == STOP)
            assert STOP not in free[:-1]
            assert hypothesis.finished or len(free) == config.max_tokens
            assert hypothesis.token_scores == pytest.approx(expected, abs=1e-5)
            mean = sum(expected[len(forced) :]) / len(free) ** config.length_penalty
            assert hypothesis.score == pytest.approx(mean, abs=1e-5)


def test_a_stop_token_in_the_prefix_does_not_stop() -> None:
    step = TableStep(3, [0, 1], 5)
    found = search(step, [[BOS, 2, STOP, 3], [BOS]], DecodingConfig(max_tokens=5), STOPS)
    assert found[0][0].tokens[:3] == (2, STOP, 3)
    assert len(found[0][0].tokens) > 3


def test_an_improbable_prefix_is_forced_all_the_same() -> None:
    script: Script = {(): (0, 0.5, 0.5, 0), (3,): (0, 0, 1, 0)}
    [[found]] = search(ScriptedStep(script), [[BOS, 3]], DecodingConfig("beam"), STOPS)
    assert found.tokens == (3, 2, STOP)
    assert found.token_scores == (-math.inf, 0.0, 0.0)
    assert found.score == 0.0


def test_an_impossible_token_is_never_chosen() -> None:
    config = DecodingConfig("beam", 4, 4, max_tokens=3)
    [found] = search(ScriptedStep({(): (0, 0, 0.7, 0.3)}), [[BOS]], config, STOPS)
    assert [h.tokens for h in found] == [(2, STOP), (3, STOP)]


@pytest.mark.parametrize("stop", [2, 3])
def test_any_of_several_stop_tokens_ends_a_hypothesis(stop: int) -> None:
    script: Script = {(): [1.0 if token == stop else 0.0 for token in range(4)]}
    [[found]] = search(ScriptedStep(script), [[BOS]], DecodingConfig(), frozenset({2, 3}))
    assert found.tokens == (stop,)
    assert found.finished


def test_finished_rows_leave_the_batch() -> None:
    class CountdownStep(TableStep):
        """Source n writes n tokens and stops."""

        def scores(self, source: int, history: tuple[int, ...]) -> Sequence[float]:
            return (-9.0, 9.0, -9.0) if len(history) > source else (-9.0, -9.0, 9.0)

    step = CountdownStep(0, [2, 0, 4], 3)
    found = search(step, [[BOS]] * 3, DecodingConfig(), STOPS)
    assert [len(row[0].tokens) for row in found] == [3, 1, 5]
    assert step.row_counts == [3, 2, 2, 1, 1]


def test_equal_prefixes_are_fed_at_once() -> None:
    step = TableStep(1, [0, 1], 5)
    search(step, [[BOS, 2, 3], [BOS, 3, 2]], DecodingConfig(max_tokens=1), STOPS)
    assert step.row_counts == [2]


def test_nothing_is_fed_beyond_the_length_of_the_network() -> None:
    class EndlessStep(TableStep):
        def scores(self, source: int, history: tuple[int, ...]) -> Sequence[float]:
            return (0.0, -9.0, 9.0)

    [[long], [full]] = search(
        EndlessStep(0, [0, 1], 3, max_length=6), [[BOS], [BOS, *[2] * 5]], DecodingConfig(), STOPS
    )
    assert long.tokens == full.tokens == (2,) * 6
    assert not long.finished


class CyclingStep(TableStep):
    """Repeats three tokens without end."""

    def scores(self, source: int, history: tuple[int, ...]) -> Sequence[float]:
        return [9.0 if token == 2 + len(history) % 3 else -9.0 for token in range(5)]


@pytest.mark.parametrize("config", [DecodingConfig(), DecodingConfig("sample", top_k=1)])
def test_what_only_repeats_itself_is_ended_unfinished(config: DecodingConfig) -> None:
    [[cut], [forced]] = search(CyclingStep(0, [0, 1], 5), [[BOS], [BOS, *[3, 4, 2] * 5]], config, STOPS)
    assert cut.tokens == (3, 4, 2) * 6
    assert (cut.ending, cut.finished) == ("repetition", False)
    assert forced.tokens == (3, 4, 2) * 11  # the forced part of it is no repetition of the network's


def test_a_finished_hypothesis_outranks_a_runaway_that_ended_before_it() -> None:
    # The runaway is the more probable one all the way; the other stops long after the runaway was ended.
    script: dict[tuple[int, ...], Sequence[float]] = {(): (0, 0, 0.9, 0.1)}
    script |= {(2,) * n: (0, 0, 1, 0) for n in range(1, 30)}
    other = (3, *[2, 2, 3, 2, 3] * 5)
    script |= {other[:n]: [1.0 if token == other[n] else 0.0 for token in range(4)] for n in range(1, len(other))}
    for count in (1, 2):
        [found] = search(ScriptedStep(script), [[BOS]], DecodingConfig("beam", 2, count), STOPS)
        assert found[0].tokens == (*other, STOP)
        assert [h.ending for h in found] == ["stop", "repetition"][:count]


@pytest.mark.parametrize("prefix", [[], [BOS] * 7])
def test_a_prefix_that_cannot_be_fed_is_refused(prefix: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"prefix 1 has {len(prefix)} tokens"):
        search(TableStep(0, [0, 1], 3, max_length=6), [[BOS], prefix], DecodingConfig(), STOPS)


def test_a_bad_config_is_refused() -> None:
    with pytest.raises(ValueError, match="beam_size"):
        search(TableStep(0, [0], 3), [[BOS]], DecodingConfig("beam", beam_size=0), STOPS)


def test_no_rows_give_no_results() -> None:
    assert search(TableStep(0, [], 3), [], DecodingConfig(), STOPS) == []


@given(seeds, prefixes, st.integers(0, 9))
def test_sampling_among_one_token_is_greedy(seed: int, rows: list[list[int]], draw_seed: int) -> None:
    sources = range(len(rows))
    greedy = search(TableStep(seed, sources, 6), rows, DecodingConfig(max_tokens=8), STOPS)
    for config in (DecodingConfig("sample", top_k=1), DecodingConfig("sample", top_p=1e-9)):
        config = replace(config, num_candidates=2, seed=draw_seed, max_tokens=8)
        sampled = search(TableStep(seed, sources, 6), rows, config, STOPS)
        assert [[h.tokens for h in row] for row in sampled] == [[row[0].tokens] * 2 for row in greedy]


def test_the_seed_decides_the_samples() -> None:
    def tokens(seed: int) -> list[tuple[int, ...]]:
        config = DecodingConfig("sample", num_candidates=8, seed=seed, max_tokens=6)
        [found] = search(TableStep(7, [0], 30), [[BOS]], config, STOPS)
        return [h.tokens for h in found]

    assert tokens(1) == tokens(1)
    assert tokens(1) != tokens(2)
    assert len(set(tokens(1))) > 1  # candidates are drawn independently


def test_samples_follow_the_distribution() -> None:
    script: Script = {(): (0, 0.2, 0.5, 0.3)}
    firsts = []
    for seed in range(100):
        config = DecodingConfig("sample", num_candidates=16, seed=seed, max_tokens=1)
        [found] = search(ScriptedStep(script), [[BOS]], config, STOPS)
        firsts += [h.tokens[0] for h in found]
    frequencies = [firsts.count(token) / len(firsts) for token in range(4)]
    assert frequencies == pytest.approx([0, 0.2, 0.5, 0.3], abs=0.05)  # four standard deviations


@pytest.mark.parametrize("config", [DecodingConfig(), DecodingConfig("beam"), DecodingConfig("sample")])
@pytest.mark.parametrize("looks", [0, 3])
def test_the_stop_flag_is_looked_at_before_every_step(config: DecodingConfig, looks: int) -> None:
    class EndlessStep(TableStep):
        def scores(self, source: int, history: tuple[int, ...]) -> Sequence[float]:
            return (0.0, -99.0, 1.0)

    step = EndlessStep(0, [0], 3)
    assert search(step, [[BOS]], config, STOPS, should_stop=lambda _: len(step.row_counts) >= looks) == [[]]
    assert len(step.row_counts) == looks


@given(seeds, st.permutations(range(4)), prefixes, configs, st.data())
@settings(deadline=None)
def test_what_is_stopped_leaves_the_batch_and_the_others_do_not_notice(
    seed: int, sources: list[int], rows: list[list[int]], config: DecodingConfig, data: st.DataObject
) -> None:
    sources = sources[: len(rows)]
    stops = [data.draw(st.integers(0, 6), label="steps") for _ in rows]
    step = TableStep(seed, sources, 6)
    asked: list[int] = []

    def should_stop(index: int) -> bool:
        asked.append(index)
        return len(step.row_counts) >= stops[index]

    found = search(step, rows, config, STOPS, should_stop)
    expected = search(TableStep(seed, sources, 6), rows, config, STOPS)
    assert set(asked) == set(range(len(rows)))
    for one, other in zip(found, expected, strict=True):
        if one:
            assert_same(one, other)
    assert len(step.row_counts) <= max(stops)
    assert [row for row, count in enumerate(stops) if count == 0 and found[row]] == []
    most = {"greedy": 1, "beam": config.beam_size, "sample": config.num_candidates}[config.strategy]
    for fed, count in enumerate(step.row_counts):
        assert count <= most * sum(stop > fed for stop in stops)

"""Constraints in the search, and the one that keeps a place verbatim: against random networks on real tokenizers."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dispatch.decoding import Constraint, DecodingConfig, SpanConstraint, Spelling, search
from dispatch.domain import Context
from dispatch.domain.linear import CONTEXT_LOCATION, INSTRUCTION, LOCATION, SITUATION, Symbol, source_pieces
from dispatch.model import normalize
from tests.decoding.networks import ModelType, RandomStep, spelling

ALPHABET = "壶镇大街道山区公路A7, 砟𠮷😀e\u0301"
KIND = Symbol("<kind:request>")


class Willing(RandomStep):
    """Prefers text to symbols, so that places grow long, and now and then begins another place."""

    def __init__(self, seeds: Sequence[int], spelled: Spelling, closing: float) -> None:
        super().__init__(seeds, spelled.tokenizer.vocab_size)
        self.symbols, self.closing = sorted(spelled.symbols), closing
        self.location = spelled.tokenizer.symbol_id(LOCATION)

    def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
        scores_V[self.symbols] += self.closing
        scores_V[self.location] += 6
        return scores_V


def source_of(report: str, context: Context, spelled: Spelling) -> list[int]:
    return spelled.tokenizer.encode_pieces(source_pieces(report, context))


def places(tokens: Sequence[int], spelled: Spelling) -> list[str]:
    """What stands behind each ``<location>``, to the next symbol; "" for nothing."""
    found: list[str] = []
    inside = False
    for piece in spelled.tokenizer.decode_pieces(tokens):
        if isinstance(piece, Symbol):
            inside = piece == LOCATION
            found += [""] if inside else []
        elif inside:
            found[-1] += piece
    return found


def location_prefix(spelled: Spelling) -> list[int]:
    return [spelled.tokenizer.bos_id, *spelled.tokenizer.encode_pieces([SITUATION, KIND, LOCATION])]


texts = st.text(alphabet=ALPHABET, max_size=14) | st.sampled_from(
    ["壶镇镇,壶镇镇大街街道", "砟子镇 砟子镇", "😀𠮷村😀", " ", "", "A7公路,A7公路"]
)
contexts = st.builds(Context, texts, st.lists(texts, max_size=1).map(tuple))
configs = st.sampled_from(
    [
        DecodingConfig(max_tokens=40),
        DecodingConfig("beam", beam_size=3, num_candidates=3, max_tokens=25),
        DecodingConfig("sample", num_candidates=2, top_k=20, seed=4, max_tokens=40),
        DecodingConfig("sample", num_candidates=2, temperature=2.0, top_p=0.9, max_tokens=40),
    ]
)
model_types: st.SearchStrategy[ModelType] = st.sampled_from(["char", "bpe", "unigram"])
seeds = st.integers(0, 2**31)


@given(model_types, st.lists(st.tuples(texts, contexts), min_size=1, max_size=3), configs, seeds, st.floats(-4, 4))
@settings(max_examples=150, deadline=None)
def test_every_place_is_verbatim_in_report_or_context_whatever_the_network_prefers(
    model_type: ModelType, rows: list[tuple[str, Context]], config: DecodingConfig, seed: int, closing: float
) -> None:
    spelled = spelling(model_type)
    step = Willing([seed + row for row in range(len(rows))], spelled, closing)
    constraints = [SpanConstraint(source_of(*row, spelled), spelled) for row in rows]
    stops = frozenset({spelled.tokenizer.eos_id})
    found = search(step, [location_prefix(spelled)] * len(rows), config, stops, constraints=constraints)
    for (report, context), hypotheses in zip(rows, found, strict=True):
        known = (normalize(report).text, normalize(context.location).text)
        for hypothesis in hypotheses:
            closed = hypothesis.tokens if hypothesis.finished else until_last_symbol(hypothesis.tokens, spelled)
            for place in places(closed, spelled):
                assert any(place in text for text in known)


def until_last_symbol(tokens: Sequence[int], spelled: Spelling) -> Sequence[int]:
    """What was cut may end within a character; nothing reads a field that was not closed."""
    return tokens[: max(at for at, token in enumerate(tokens) if token in spelled.symbols)]


@given(st.lists(st.tuples(texts, contexts), min_size=2, max_size=3), configs, seeds)
@settings(max_examples=50, deadline=None)
def test_a_constrained_row_does_not_depend_on_the_others(
    rows: list[tuple[str, Context]], config: DecodingConfig, seed: int
) -> None:
    spelled = spelling("char")
    prefixes = [location_prefix(spelled)[: 2 + row] for row in range(len(rows))]
    constraints: list[Constraint | None] = [SpanConstraint(source_of(*row, spelled), spelled) for row in rows]
    constraints[-1] = None
    stops = frozenset({spelled.tokenizer.eos_id})
    together = search(
        Willing(range(seed, seed + len(rows)), spelled, 0.0), prefixes, config, stops, constraints=constraints
    )
    for row, (prefix, constraint) in enumerate(zip(prefixes, constraints, strict=True)):
        [alone] = search(Willing([seed + row], spelled, 0.0), [prefix], config, stops, constraints=[constraint])
        assert alone == together[row]


class OnlySpans(Willing):
    """Never writes a place that is not a run of the source's own tokens (one report, no context)."""

    def __init__(self, seed: int, spelled: Spelling, source: Sequence[int]) -> None:
        super().__init__([seed], spelled, 0.0)
        self.source = list(source)

    def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
        scores_V = super().lift(scores_V, history)
        last = max((at for at, token in enumerate(history) if token in self.symbols), default=0)
        if history[last] != self.location:
            return scores_V
        written = list(history[last + 1 :])
        starts = [at for at in range(len(self.source)) if self.source[at : at + len(written)] == written]
        following = {token for at in starts for token in self.source[at + len(written) : at + len(written) + 1]}
        refused = torch.ones(len(scores_V), dtype=torch.bool)
        refused[[*following, *self.symbols]] = False
        return scores_V.masked_fill(refused, -math.inf)


@given(model_types, st.text(alphabet="壶镇大街道A7, 公路", min_size=1, max_size=12), configs, seeds)
@settings(max_examples=60, deadline=None)
def test_a_network_that_writes_spans_anyway_is_left_alone(
    model_type: ModelType, report: str, config: DecodingConfig, seed: int
) -> None:
    spelled = spelling(model_type)
    source = source_of(report, Context(), spelled)
    report_ids = source[1:]
    stops = frozenset({spelled.tokenizer.eos_id})
    prefix = location_prefix(spelled)
    free = search(OnlySpans(seed, spelled, report_ids), [prefix], config, stops)
    bound = search(
        OnlySpans(seed, spelled, report_ids), [prefix], config, stops, constraints=[SpanConstraint(source, spelled)]
    )
    assert bound == free


class Scripted(RandomStep):
    """Nearly sure of one sequence of tokens."""

    def __init__(self, script: Sequence[int], vocab_size: int) -> None:
        super().__init__([0], vocab_size, scale=0.1)
        self.script = list(script)

    def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
        if len(history) <= len(self.script):
            scores_V[self.script[len(history) - 1]] += 20.0
        return scores_V


def write(text: str, place: str, report: str, context: Context = Context()) -> tuple[list[str], list[int], float]:
    """The places and tokens decoded where a network is nearly sure of a place, and the least token score."""
    spelled = spelling("char")
    script = [*spelled.tokenizer.encode_pieces([SITUATION, KIND, LOCATION, place, INSTRUCTION, text]), 3]
    step = Scripted(script, spelled.tokenizer.vocab_size)
    constraint = SpanConstraint(source_of(report, context, spelled), spelled)
    [[found]] = search(step, [[2]], DecodingConfig(max_tokens=60), frozenset({3}), constraints=[constraint])
    return places(found.tokens, spelled), list(found.tokens), min(found.token_scores)


@pytest.mark.parametrize(
    ("place", "report", "context"),
    [
        ("壶镇镇", "壶镇镇内涝,壶镇被淹", Context()),
        ("壶镇镇", "壶镇被淹,壶镇镇内涝", Context()),  # the place goes on only where it occurs the second time
        ("大街街道", "大街,大街街道内涝", Context()),
        ("砟子镇", "砟子镇积雪", Context()),
        ("😀𠮷村 3号", "在😀𠮷村 3号", Context()),
        (" 甲村", "在 甲村", Context()),
        ("A7公路", "山区公路积雪3米", Context("A7公路")),
        ("山区公路", "山区公路积雪3米", Context()),
        ("", "积雪3米", Context()),
    ],
)
def test_a_place_that_is_a_span_is_written_as_the_network_would(place: str, report: str, context: Context) -> None:
    found, tokens, least = write("派3台除雪车", place, report, context)
    assert found == [place]
    assert spelling("char").tokenizer.decode(tokens).endswith("派3台除雪车")
    assert least > -0.1


@pytest.mark.parametrize(
    ("place", "report", "context"),
    [
        ("甲村", "乙村积雪", Context(issued=("派3台除雪车至甲村",))),  # of the issued instructions nothing is a place
        ("路甲村", "甲村积雪", Context("A7公路")),  # never across from one text to another
        ("村A7", "A7公路积雪,乙村", Context("甲村")),
        ("砠", "砟", Context()),  # differs in the last byte
    ],
)
def test_a_place_that_is_no_span_is_not_written(place: str, report: str, context: Context) -> None:
    [found], _, least = write("派3台除雪车", place, report, context)
    assert found != place
    assert found in report or found in context.location
    assert least < -5  # the network's own score of what it was made to write: its confidence falls


def test_a_place_ends_only_between_characters() -> None:
    spelled = spelling("char")
    constraint = SpanConstraint(source_of("砟镇", Context(), spelled), spelled)
    first, second, third = spelled.tokenizer.encode("砟")
    start = location_prefix(spelled)[1:]
    beginning, inside = constraint.allowed(start), constraint.allowed([*start, first])
    assert beginning is not None
    assert {first, spelled.tokenizer.encode("镇")[0]} <= beginning
    assert not {second, third} & beginning
    assert set(inside or ()) == {second}
    whole = constraint.allowed([*start, first, second, third])
    assert whole is not None
    assert whole >= {spelled.tokenizer.symbol_id(INSTRUCTION), spelled.tokenizer.eos_id}


def test_a_source_cut_within_a_character_offers_whole_ones_alone() -> None:
    spelled = spelling("char")
    source = source_of("镇砟", Context(), spelled)[:-1]
    allowed = SpanConstraint(source, spelled).allowed(location_prefix(spelled)[1:])
    assert allowed is not None
    offered = [token for token in allowed if spelled.write([token])]
    assert {spelled.write([token]) for token in offered} == {"镇".encode(), "镇".encode()[:1]}


def test_a_source_without_text_leaves_no_place() -> None:
    spelled = spelling("char")
    allowed = SpanConstraint([spelled.tokenizer.symbol_id(CONTEXT_LOCATION)], spelled).allowed(
        location_prefix(spelled)[1:]
    )
    assert allowed == spelled.symbols | {spelled.tokenizer.eos_id}


def test_everything_is_allowed_outside_the_place() -> None:
    spelled = spelling("char")
    constraint = SpanConstraint(source_of("甲村", Context(), spelled), spelled)
    closed = [*location_prefix(spelled)[1:], *spelled.tokenizer.encode_pieces(["甲村", INSTRUCTION, "派"])]
    assert constraint.allowed([]) is None
    assert constraint.allowed(closed) is None
    assert constraint.allowed(closed[:1]) is None


def test_a_forced_place_that_is_no_span_must_end() -> None:
    spelled = spelling("char")
    constraint = SpanConstraint(source_of("甲村", Context(), spelled), spelled)
    forced = [*location_prefix(spelled)[1:], *spelled.tokenizer.encode("乙")]
    assert constraint.allowed(forced) == spelled.symbols | {spelled.tokenizer.eos_id}


@dataclass(frozen=True)
class Only:
    """Allows the same tokens always."""

    tokens: Collection[int]

    def allowed(self, tokens: Sequence[int]) -> Collection[int]:
        return self.tokens

    def completion(self, tokens: Sequence[int]) -> Sequence[int]:
        return ()


ALL = [DecodingConfig(), DecodingConfig("beam", 3), DecodingConfig("sample", seed=1, top_k=2)]


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.strategy)
def test_only_what_is_allowed_is_written_and_scored_as_the_network_did(config: DecodingConfig) -> None:
    [[found]] = search(
        RandomStep([5], 9), [[0, 7]], replace(config, max_tokens=9), frozenset({1}), constraints=[Only({3, 4})]
    )
    assert found.tokens[0] == 7  # a forced prefix is not restricted
    assert set(found.tokens[1:]) <= {3, 4}
    for at, (token, score) in enumerate(zip(found.tokens, found.token_scores, strict=True)):
        logits_V = RandomStep([5], 9).scores(5, (0, *found.tokens[:at]))
        assert score == pytest.approx(float(logits_V.log_softmax(-1)[token]), abs=1e-5)


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.strategy)
def test_a_row_goes_on_where_nothing_allowed_is_possible(config: DecodingConfig) -> None:
    class Sure(RandomStep):
        def lift(self, scores_V: Tensor, history: tuple[int, ...]) -> Tensor:
            return torch.tensor([0.0 if token == 2 else -math.inf for token in range(self.vocab_size)])

    [hopeless, free] = search(
        Sure([0, 1], 9),
        [[0], [0]],
        replace(config, max_tokens=4),
        frozenset({1}),
        constraints=[Only({3, 4}), Only(())],
    )
    assert len(hopeless[0].tokens) == 4
    assert set(hopeless[0].tokens) <= {3, 4}
    assert hopeless[0].token_scores == (-math.inf,) * 4
    assert free[0].tokens == (2,) * 4  # a constraint that leaves nothing restricts nothing


def test_one_constraint_for_each_prefix() -> None:
    with pytest.raises(ValueError, match="1 constraints for 2 prefixes"):
        search(RandomStep([0, 1], 9), [[0], [0]], DecodingConfig(), frozenset({1}), constraints=[None])

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from dispatch.domain import Context, Situation, make_plans, render_instruction
from dispatch.domain.linear import SYMBOLS, ParsedTarget, parse_target
from dispatch.model import Tokenizer, TokenizerConfig, train_tokenizer
from training.corpus import Pair, PairError, TokenizedCorpus, encode_pair, pair_target_pieces, read_pairs

CONTEXT = Context("青石镇", ("派1支医疗队至青石镇",))
FLOOD = Pair("河水漫堤", "派2艘冲锋舟至青石镇", CONTEXT, (Situation(location="青石镇"),))
PLAIN = Pair("大桥塌了", "派1支救援队至大桥")


def errors_and_pairs(path: Path) -> tuple[list[str], list[Pair]]:
    errors: list[PairError] = []
    pairs = list(read_pairs(path, on_error=errors.append))
    assert all(str(error).startswith(f"{path}:{error.line}: ") for error in errors)
    return [f"{error.line}: {error.reason}" for error in errors], pairs


def test_what_to_dict_writes_is_read_back_from_jsonl(tmp_path: Path) -> None:
    pairs = [
        FLOOD,
        PLAIN,
        Pair("两处", "派1支救援队至东", situations=(Situation(location="东"), Situation(location="西"))),
    ]
    lines = "\n".join(json.dumps(pair.to_dict(), ensure_ascii=False) for pair in pairs)
    plain, packed = tmp_path / "pairs.jsonl", tmp_path / "pairs.jsonl.gz"
    plain.write_text(lines, encoding="utf-8")
    packed.write_bytes(gzip.compress(lines.encode()))
    assert errors_and_pairs(plain) == errors_and_pairs(packed) == ([], pairs)


def test_a_bad_line_is_named_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    good = b'{"report": "a", "instruction": "b"}\n'
    bad = [
        b"not json\n",
        b"[1]\n",
        b'{"report": "a"}\n',
        b'{"report": 5, "instruction": "b"}\n',
        b'{"report": " ", "instruction": "b"}\n',
        b'{"report": "a", "instruction": ""}\n',
        b'{"report": "a", "instruction": " ", "situation": {"location": "b"}}\n',
        b'{"report": "\xff", "instruction": "b"}\n',
        b'{"report": "\\ud800", "instruction": "b"}\n',
        b'{"report": "a", "instruction": "\\ud800"}\n',
        b'{"report": "a", "instruction": "b", "context": {"location": "\\ud800"}}\n',
        b'{"report": "a", "instruction": "b", "context": {"issued": ["\\ud800"]}}\n',
        b'{"report": "a", "instruction": "b", "situation": {"location": "\\ud800"}}\n',
        b'{"report": "a", "instruction": "b", "situations": [{"location": "\xff"}]}\n',
        b'{"report": "a", "instruction": "b", "situations": 3}\n',
        b'{"report": "a", "instruction": "b", "situation": {"hazards": "flood"}}\n',
        b'{"report": "a", "instruction": "b", "context": {"issued": 1}}\n',
    ]
    path.write_bytes(good + b"\n" + b"".join(bad) + good)
    errors, pairs = errors_and_pairs(path)
    assert pairs == [Pair("a", "b")] * 2
    assert [error.split(":")[0] for error in errors] == [str(3 + i) for i in range(len(bad))]
    expected = ["not JSON", "JSON object", "'instruction' is missing", "'report' must be text", "'report' is empty"]
    fields = ("report", "report", "instruction", "context", "context", "situation", "situations")
    expected += [
        "'instruction' is empty",
        "'instruction' is empty",
        *(f"'{field}' is not valid UTF-8" for field in fields),
    ]
    expected += ["'situations'", "hazards", "context"]
    for error, reason in zip(errors, expected, strict=True):
        assert reason in error


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_line_that_is_no_json_is_named_with_the_column(tmp_path: Path, end: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(f'{{"report": "a"{end}'.encode())
    assert errors_and_pairs(path) == (["1: not JSON: Expecting ',' delimiter, at column 15"], [])


def test_strict_stops_at_the_first_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"report": "a", "instruction": "b"}\n{}\n', encoding="utf-8")
    pairs = read_pairs(path, strict=True)
    assert next(pairs) == Pair("a", "b")
    with pytest.raises(PairError, match=r"pairs\.jsonl:2: field 'report' is missing"):
        next(pairs)


@pytest.mark.parametrize("header", ["", "report\tinstruction\n"])
def test_tsv_with_and_without_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(header + 'he said "x"\tb\r\n\nc\td\te\n', encoding="utf-8")
    errors, pairs = errors_and_pairs(path)
    assert pairs == [Pair('he said "x"', "b")]
    assert errors == [f"{4 if header else 3}: expected 2 columns (report, instruction), found 3"]


@pytest.mark.parametrize("header", ["", "Report, Instruction\n"])
def test_csv_with_quotes_and_line_breaks(tmp_path: Path, header: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(header + '"two\nlines, one cell",b\nalone\n', encoding="utf-8-sig")
    errors, pairs = errors_and_pairs(path)
    assert pairs == [Pair("two\nlines, one cell", "b")]
    assert errors == [f"{4 if header else 3}: expected 2 columns (report, instruction), found 1"]


def test_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # makes its import fail
    with pytest.raises(ValueError, match="needs pyarrow"):
        next(read_pairs(tmp_path / "pairs.parquet"))


def test_a_gz_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    lines = "".join(f'{{"report": "{i * i}", "instruction": "b"}}\n' for i in range(100)).encode()
    packed = gzip.compress(lines)
    path = tmp_path / "pairs.jsonl.gz"
    for content in (lines, packed[:-20], packed[:20] + b"\xff" * 20 + packed[40:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"pairs\.jsonl\.gz: not a whole gzip file .*; compress it again"):
            list(read_pairs(path))


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pairs\.txt: unknown kind"):
        next(read_pairs(tmp_path / "pairs.txt"))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = [FLOOD.report, FLOOD.instruction, PLAIN.report, PLAIN.instruction]
    return train_tokenizer(texts, TokenizerConfig(), SYMBOLS)


def test_the_corpus_holds_the_ids_of_every_pair(tokenizer: Tokenizer) -> None:
    corpus = TokenizedCorpus.build([FLOOD, PLAIN], tokenizer, 100)
    assert len(corpus) == 2
    assert corpus.has_situations
    for row, pair in enumerate([FLOOD, PLAIN]):
        source, target = encode_pair(pair, tokenizer)
        assert target[0] == tokenizer.bos_id
        assert target[-1] == tokenizer.eos_id
        np.testing.assert_array_equal(corpus.source_ids[slice(*corpus.source_offsets[row : row + 2])], source)
        np.testing.assert_array_equal(corpus.target_ids[slice(*corpus.target_offsets[row : row + 2])], target)
        assert corpus.source_lengths[row] == len(source)
        assert corpus.target_lengths[row] == len(target) - 1


def test_long_pairs_are_left_out_whole_and_counted(tokenizer: Tokenizer) -> None:
    source, target = encode_pair(PLAIN, tokenizer)
    longest = max(len(source), len(target) - 1)
    assert len(TokenizedCorpus.build([PLAIN], tokenizer, longest)) == 1
    corpus = TokenizedCorpus.build([PLAIN, Pair("短", "短"), PLAIN], tokenizer, longest - 1)
    assert (len(corpus), corpus.too_long) == (1, 2)
    assert not corpus.has_situations


def test_the_digest_tells_corpora_apart(tokenizer: Tokenizer) -> None:
    def digest(*pairs: Pair) -> str:
        return TokenizedCorpus.build(pairs, tokenizer, 100).digest()

    assert digest(FLOOD, PLAIN) == digest(FLOOD, PLAIN)
    assert len({digest(FLOOD, PLAIN), digest(PLAIN, FLOOD), digest(FLOOD), digest(PLAIN)}) == 4


def test_situations_are_learned_in_the_order_in_which_the_report_names_their_places() -> None:
    at_b, at_c = (
        Situation(location=place, hazards=(hazard,)) for place, hazard in (("B村", "avalanche"), ("C村", "flood"))
    )
    text = render_instruction(make_plans((at_b, at_c), Context()))
    for report, mentioned in (("B村雪崩,C村内涝", (at_b, at_c)), ("C村内涝,B村雪崩", (at_c, at_b))):
        pieces = pair_target_pieces(Pair(report, text, Context(), (at_b, at_c)))
        assert parse_target(pieces) == ParsedTarget(mentioned, text)

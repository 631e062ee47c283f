"""How fast reports are decoded: our engines beside bare CTranslate2 and Hugging Face generate, on the same weights.

Example:
    python benchmarks/decode.py --bundle runs/exported --reports 96 --rounds 5 --threads 2 --out decode.json

Everyone gets the same generated reports, threads and length limit, in turns, and the median round counts. Our engines
answer requests: they tokenise, look after places, score every token, and read situation and instruction back. Bare
CTranslate2 gets pieces and returns pieces with the score of the sequence, in the batches as they come; "stoppable" is
the same with a callback at every step of a greedy search, which a cancelled call needs (a beam can have none: there the
two differ by chance). Hugging Face generate (where transformers is installed) runs the same weights as a Pegasus
(pre-norm) or Marian (post-norm) network, which has our layers exactly: "same" says in how many reports it writes the
tokens that our torch engine writes. "of bare" is the speed beside bare CTranslate2 in int8.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from dispatch.decoding import DecodingConfig
from dispatch.engine import CTranslate2Engine, Engine, GenerationRequest, TorchEngine
from dispatch.model import Bundle, MultiHeadAttention, load_bundle
from training.synthesis import Lexicon, PairGenerator, Recipe

BARE = "bare CTranslate2 int8"
STOPPABLE = "bare CTranslate2 int8, stoppable"
HUGGING_FACE = "Hugging Face generate float32"
STRATEGIES = (DecodingConfig(), DecodingConfig("beam", beam_size=5))

Tokens = list[int]
Answer = Callable[[Sequence[GenerationRequest], DecodingConfig], list[Tokens] | None]
"""Answers a batch; the tokens of the best hypotheses, from those who are compared by them."""


def of_engine(engine: Engine) -> Answer:
    """All that an engine does for a request."""

    def answer(batch: Sequence[GenerationRequest], decoding: DecodingConfig) -> None:
        engine.generate([GenerationRequest(row.report, row.context, decoding) for row in batch])

    return answer


def of_ctranslate2(
    bundle: Bundle,
    sources: Mapping[str, Tokens],
    compute_type: str,
    threads: int,
    callback: Callable[[object], bool] | None = None,
) -> Answer:
    """CTranslate2 by itself; with ``callback`` it is asked at each step of a greedy search whether to stop."""
    from ctranslate2 import Translator

    assert bundle.ctranslate2 is not None
    translator = Translator(str(bundle.ctranslate2), compute_type=compute_type, intra_threads=threads)
    pieces = bundle.tokenizer.pieces()
    spelled = {report: [pieces[token] for token in source] for report, source in sources.items()}

    def answer(batch: Sequence[GenerationRequest], decoding: DecodingConfig) -> None:
        translator.translate_batch(
            [spelled[row.report] for row in batch],
            beam_size=decoding.width,
            max_input_length=0,
            max_decoding_length=min(decoding.max_tokens, bundle.config.model.max_length),
            return_scores=True,
            callback=callback if decoding.width == 1 else None,
        )

    return answer


def of_hugging_face(bundle: Bundle, sources: Mapping[str, Tokens]) -> Answer:
    """`generate` of transformers, on a network of the same weights."""
    model, tokenizer = hugging_face_model(bundle), bundle.tokenizer

    def answer(batch: Sequence[GenerationRequest], decoding: DecodingConfig) -> list[Tokens]:
        rows = [torch.tensor(sources[row.report]) for row in batch]
        source_BS = pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_id)
        with torch.inference_mode():
            written_BT = model.generate(
                source_BS,
                attention_mask=(source_BS != tokenizer.pad_id).long(),
                num_beams=decoding.width,
                do_sample=False,
                max_new_tokens=decoding.max_tokens,
                length_penalty=decoding.length_penalty,
            )
        return [trimmed(tokens[1:], tokenizer.eos_id) for tokens in written_BT.tolist()]

    return answer


def trimmed(tokens: Tokens, eos_id: int) -> Tokens:
    """The tokens up to the end of the sequence, without padding."""
    return tokens[: tokens.index(eos_id) + 1] if eos_id in tokens else tokens


def hugging_face_model(bundle: Bundle) -> Any:
    """A network of transformers with the weights of a bundle: the same function, in its classes."""
    transformers: Any = import_module("transformers")  # no dependency of ours
    config, tokenizer = bundle.config.model, bundle.tokenizer
    pre_norm = config.norm == "pre"
    network_class, config_class = (
        (transformers.PegasusForConditionalGeneration, transformers.PegasusConfig)
        if pre_norm
        else (transformers.MarianMTModel, transformers.MarianConfig)
    )
    network = network_class(
        config_class(
            vocab_size=config.vocab_size,
            d_model=config.d_model,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            encoder_attention_heads=config.num_heads,
            decoder_attention_heads=config.num_heads,
            encoder_ffn_dim=config.d_feedforward,
            decoder_ffn_dim=config.d_feedforward,
            max_position_embeddings=config.max_length,
            activation_function="relu",
            scale_embedding=True,
            dropout=0.0,
            pad_token_id=tokenizer.pad_id,
            eos_token_id=tokenizer.eos_id,
            decoder_start_token_id=tokenizer.bos_id,
            forced_eos_token_id=None,
        )
    ).eval()
    with torch.no_grad():
        copy_weights(bundle, network)
    generation = network.generation_config
    generation.pad_token_id, generation.eos_token_id = tokenizer.pad_id, tokenizer.eos_id
    generation.decoder_start_token_id, generation.forced_eos_token_id = tokenizer.bos_id, None
    generation.bad_words_ids = None
    return network


def copy_weights(bundle: Bundle, network: Any) -> None:
    """Ours into the network of transformers, layer by layer."""
    ours: Any = bundle.model
    theirs = network.model
    theirs.shared.weight.copy_(ours.embedding.weight)
    network.final_logits_bias.zero_()
    for stack, layers, positions, norm in (
        (theirs.encoder, ours.encoder_layers, ours.source_positions, ours.encoder_norm),
        (theirs.decoder, ours.decoder_layers, ours.target_positions, ours.decoder_norm),
    ):
        stack.embed_positions.weight.copy_(positions.table_TD)
        if isinstance(norm, nn.LayerNorm):
            stack.layer_norm.load_state_dict(norm.state_dict())
        for target, layer in zip(stack.layers, layers, strict=True):
            for attention, attention_norm, source, residual in sublayers(target, layer):
                copy_attention(attention, source)
                attention_norm.load_state_dict(residual.norm.state_dict())
            target.fc1.load_state_dict(layer.feed_forward.expand.state_dict())
            target.fc2.load_state_dict(layer.feed_forward.contract.state_dict())
            target.final_layer_norm.load_state_dict(layer.feed_forward_residual.norm.state_dict())


def sublayers(target: Any, layer: Any) -> Iterator[tuple[Any, Any, MultiHeadAttention, Any]]:
    """The attentions of a layer: theirs and their norms, ours and their residuals."""
    if hasattr(layer, "cross_attention"):
        yield target.self_attn, target.self_attn_layer_norm, layer.self_attention, layer.self_residual
        yield target.encoder_attn, target.encoder_attn_layer_norm, layer.cross_attention, layer.cross_residual
    else:
        yield target.self_attn, target.self_attn_layer_norm, layer.attention, layer.attention_residual


def copy_attention(target: Any, source: MultiHeadAttention) -> None:
    """Keys and values are one map in ours."""
    target.q_proj.load_state_dict(source.query.state_dict())
    target.out_proj.load_state_dict(source.output.state_dict())
    for name in ("weight", "bias"):
        for projection, part in zip(
            (target.k_proj, target.v_proj), getattr(source.key_value, name).chunk(2), strict=True
        ):
            getattr(projection, name).copy_(part)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a report by strategy, batch size and answerer: the median of the rounds."""
    bundle = load_bundle(options.bundle)
    generator = PairGenerator(Lexicon.load(), f"{options.seed}:train", Recipe())
    rows = [GenerationRequest(pair.report) for pair in islice(generator.pairs(), options.reports)]
    torch_engine = TorchEngine(bundle)
    sources = {row.report: torch_engine.encode_source(row)[: bundle.config.model.max_length] for row in rows}
    answerers: dict[str, Answer] = {
        BARE: of_ctranslate2(bundle, sources, "int8", options.threads),
        STOPPABLE: of_ctranslate2(bundle, sources, "int8", options.threads, lambda step: False),
        "our CTranslate2 int8": of_engine(CTranslate2Engine(bundle, "int8", options.threads)),
        "bare CTranslate2 float32": of_ctranslate2(bundle, sources, "float32", options.threads),
        "our CTranslate2 float32": of_engine(CTranslate2Engine(bundle, "float32", options.threads)),
        "our torch float32": of_engine(torch_engine),
    }
    try:
        answerers[HUGGING_FACE] = of_hugging_face(bundle, sources)
    except ImportError:
        print("transformers is not installed: Hugging Face generate is left out", file=sys.stderr)
    runs = []
    for decoding in STRATEGIES:
        for batch_size in options.batch_sizes:
            runs += compare(answerers, torch_engine, rows, decoding, batch_size, options.rounds)
    return {"model": bundle.identity.to_dict(), "threads": options.threads, "reports": len(rows), "runs": runs}


def compare(
    answerers: Mapping[str, Answer],
    reference: TorchEngine,
    rows: Sequence[GenerationRequest],
    decoding: DecodingConfig,
    batch_size: int,
    rounds: int,
) -> list[dict[str, Any]]:
    """One line of the table for each answerer."""
    batches = [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    seconds: dict[str, list[float]] = {name: [] for name in answerers}
    written: dict[str, list[Tokens]] = {}
    for answer in answerers.values():
        answer(batches[0], decoding)  # warm-up
    for _ in range(rounds):
        for name, answer in answerers.items():
            started = time.perf_counter()
            found = [answer(batch, decoding) for batch in batches]
            seconds[name].append(time.perf_counter() - started)
            written[name] = [tokens for batch in found if batch is not None for tokens in batch]
    expected = [list(best.tokens) for batch in batches for best, *_ in reference.decode(batch, decoding)]
    bare = median(seconds[BARE])
    return [
        {
            "strategy": decoding.strategy,
            "batch_size": batch_size,
            "answerer": name,
            "ms_per_report": round(1000 * median(took) / len(rows), 2),
            "of_bare": round(bare / median(took), 3),
            "same": sum(map(list.__eq__, written[name], expected)) / len(rows) if written[name] else None,
        }
        for name, took in seconds.items()
    ]


def table(figures: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    lines = ["| strategy | batch | who | ms/report | of bare | same |", "|---|---|---|---|---|---|"]
    for run in figures["runs"]:
        same = "" if run["same"] is None else f"{run['same']:.1%}"
        cells = [run["strategy"], str(run["batch_size"]), run["answerer"], f"{run['ms_per_report']:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{run['of_bare']:.2f}", same]) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="with an export for CTranslate2")
    parser.add_argument("--reports", type=int, default=96)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    figures = measure(options)
    print(table(figures))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

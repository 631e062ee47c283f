"""`dispatch generate`: reports in, instructions out, in this process or by a server."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dispatch.cli.options import BundleOption, DatabaseOption, JsonOption
from dispatch.cli.output import FAILED, note, print_json, print_result, values_as_usage
from dispatch.settings import split_address

if TYPE_CHECKING:
    from dispatch.domain import Context
    from dispatch.offline.answers import Answer, AnsweredLine
    from dispatch.offline.lines import ReportLine

BATCH_SIZE = 32


def generate(
    text: Annotated[str, typer.Argument(metavar="TEXT|-", help="The report; - reads reports from standard input.")],
    location: Annotated[str, typer.Option(help="The caller's place, as the phone or the cell gives it.")] = "",
    issued: Annotated[
        list[str] | None, typer.Option(help="An instruction already issued for the incident; repeatable.")
    ] = None,
    strategy: Annotated[Literal["greedy", "beam", "sample"], typer.Option(help="How to search.")] = "greedy",
    beam_size: Annotated[int, typer.Option(help="Hypotheses that beam search keeps.")] = 4,
    num_candidates: Annotated[int, typer.Option(help="Candidates to return, best first.")] = 1,
    length_penalty: Annotated[float, typer.Option(help="0 ranks by total log-probability, 1 by the mean.")] = 1.0,
    temperature: Annotated[float, typer.Option(help="Sampling: below 1 sharper, above 1 flatter.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Sampling: among the k most probable tokens; 0: off.")] = 0,
    top_p: Annotated[float, typer.Option(help="Sampling: among the most probable tokens up to this sum.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Sampling: the same seed draws the same.")] = 0,
    max_tokens: Annotated[int, typer.Option(help="Most tokens to write.")] = 640,
    min_tokens: Annotated[int, typer.Option(help="Fewest tokens of the instruction.")] = 0,
    prefix: Annotated[str, typer.Option(help="The instruction's beginning, to be completed.")] = "",
    require: Annotated[list[str] | None, typer.Option(help="Text that the instruction must hold; repeatable.")] = None,
    ban: Annotated[list[str] | None, typer.Option(help="Text that it must not hold; repeatable.")] = None,
    bundle: BundleOption = None,
    database_url: DatabaseOption = None,
    server: Annotated[str, typer.Option(metavar="HOST:PORT", help="Ask this server instead.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print the instruction for a report; with `--json` also situation, plan, checks, confidence and timings.

    With `-`, every line of standard input is a report, or, where it begins with `{`, a JSON object
    `{"report": …, "context": {"location": …, "issued": […]}}`; every line gets one line of output, in order, a blank
    one a blank one. A line that cannot be used is named on standard error, and the exit status is then 1.

    Nothing is stored unless `--database-url` or `--server` is given.

    Example: `dispatch generate 山区公路积雪3米,断电,50人被困 --location A7公路`
    """
    if server and (bundle or database_url):
        raise typer.BadParameter("--server answers with its own --bundle and --database-url; leave these out")
    if server:
        with values_as_usage():
            split_address(server)
    from dispatch.cli.answering import open_engine, open_local, open_remote
    from dispatch.decoding import DecodingConfig
    from dispatch.domain import Context
    from dispatch.offline.lines import require_storable

    with values_as_usage():
        decoding = DecodingConfig(
            strategy=strategy,
            beam_size=beam_size,
            num_candidates=num_candidates,
            length_penalty=length_penalty,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            max_tokens=max_tokens,
            min_tokens=min_tokens,
            required_phrases=tuple(require or ()),
            banned_phrases=tuple(ban or ()),
        )
        decoding.validate()
    context = Context(location, tuple(issued or ()))
    for option, value in (
        ("--location", location),
        ("--prefix", prefix),
        *(("--issued", text) for text in context.issued),
        *(("--require", text) for text in decoding.required_phrases),
        *(("--ban", text) for text in decoding.banned_phrases),
    ):
        require_storable(option, value)
    if server:
        answering = open_remote(server, decoding, prefix)
    else:
        answering = open_local(open_engine(bundle), database_url, decoding, prefix)
    with answering as answer:
        if text == "-":
            # A server is asked line by line: what one refused line had beside it would else be stored twice.
            _answer_input(answer, context, as_json, batch_size=1 if server else BATCH_SIZE)
        else:
            _answer_argument(answer, text, context, as_json)


def _answer_argument(answer: "Answer", text: str, context: "Context", as_json: bool) -> None:
    from dispatch.offline.lines import ReportLine, parse_report

    (result,) = answer([ReportLine(parse_report(text).report, context)])
    if as_json:
        print_json(result)
    else:
        print_result(result["instruction"])
        _note_errors(result)


def _note_errors(result: dict[str, Any]) -> None:
    """What the checks hold against a draft that is shown without them."""
    for check in result["checks"]:
        if check["severity"] == "error":
            note(f"check: {check['code']}: {check['message']}")


def _answer_input(answer: "Answer", context: "Context", as_json: bool, batch_size: int) -> None:
    from dispatch.offline.answers import answer_lines
    from dispatch.offline.lines import parse_line, read_lines

    failed = False
    for lines in read_lines(sys.stdin.buffer):
        for start in range(0, len(lines), batch_size):
            batch = lines[start : start + batch_size]
            for item in answer_lines(batch, lambda text: _with_context(parse_line(text), context), answer):
                _print_line(item, as_json)
                failed = failed or bool(item.problem)
    if failed:
        raise typer.Exit(FAILED)


def _with_context(line: "ReportLine", context: "Context") -> "ReportLine":
    """The line with the command's context where it has none of its own."""
    from dispatch.domain import Context
    from dispatch.offline.lines import ReportLine

    own = line.context
    return ReportLine(line.report, Context(own.location or context.location, own.issued or context.issued))


def _print_line(item: "AnsweredLine", as_json: bool) -> None:
    from dispatch.offline.formats import one_line

    if item.problem:
        note(f"line {item.line.number}: {item.problem}")
    if as_json and item.problem:
        print_json(item.error_object())
    elif as_json and item.result:
        print_json(item.result)
    else:
        print_result(one_line(item.result["instruction"]) if item.result else "")
        if item.result:
            _note_errors(item.result)

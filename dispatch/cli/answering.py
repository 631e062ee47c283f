"""Who answers reports: an engine in this process, or a server."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dispatch.cli.output import note
from dispatch.cli.remote import tls_files, token_of
from dispatch.client import Client, DispatchError
from dispatch.decoding import DecodingConfig
from dispatch.engine import BundleEngine, Engine, choose_engine, limit_threads
from dispatch.engine import open_engine as open_named_engine
from dispatch.model import load_bundle
from dispatch.offline.answers import Answer, JsonObject, result_object
from dispatch.offline.lines import ReportLine
from dispatch.settings import Settings, load_settings
from dispatch.store import Store
from dispatch.workflow import DueTimes, Intake, IntakeRequest


def open_engine(bundle: Path | None) -> BundleEngine:
    """The engine of a bundle, or of the one that the settings name; a note says where it is not the one expected."""
    settings = load_settings()
    threads = limit_threads(settings.threads)
    loaded = load_bundle(bundle or settings.bundle)
    choice = choose_engine(loaded, settings.engine)
    if not choice.expected:
        note(f"answering with {choice.name}: {choice.why}")
    return open_named_engine(loaded, choice.name, settings.compute_type, threads)


def due_times(settings: Settings) -> DueTimes:
    """By when somebody should have decided about what is stored."""
    return DueTimes(
        immediate_s=settings.due_immediate_s, urgent_s=settings.due_urgent_s, routine_s=settings.due_routine_s
    )


@contextmanager
def open_local(
    engine: Engine, database_url: str | None, decoding: DecodingConfig, prefix: str = ""
) -> Iterator[Answer]:
    """Answers in this process; stored where a database is given."""
    store = Store.open(database_url) if database_url else None
    intake = Intake(engine, store, due=due_times(load_settings()))

    def answer(reports: Sequence[ReportLine]) -> list[JsonObject]:
        requests = [IntakeRequest(line.report, line.context, decoding, prefix=prefix) for line in reports]
        return [result_object(instruction) for instruction in intake.submit_all(requests)]

    with ExitStack() as stack:
        if store is not None:
            stack.callback(store.close)
        yield answer


@contextmanager
def open_remote(server: str, decoding: DecodingConfig, prefix: str) -> Iterator[Answer]:
    """Answers by a server. ValueError where it refuses a report, DispatchError where it cannot answer."""
    settings = load_settings()
    timeout_s = settings.timeout_s
    with Client(server, timeout_s, tls=tls_files(settings), token=token_of(settings)) as client:

        def ask(line: ReportLine) -> JsonObject:
            context = line.context
            try:
                answer = client.generate(
                    line.report, location=context.location, issued=context.issued, decoding=decoding, prefix=prefix
                )
            except DispatchError as error:
                if error.code == "INVALID_ARGUMENT":
                    raise ValueError(str(error)) from error
                if error.code == "DEADLINE_EXCEEDED":
                    message = f"no answer from {server} within {timeout_s:g} s (DISPATCH_TIMEOUT_S); is it running?"
                    raise TimeoutError(message) from error
                raise
            return answer.to_dict()

        yield lambda reports: [ask(line) for line in reports]

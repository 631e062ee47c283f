"""What a server answers with: models, store and intake, opened and closed in order."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.cli import answering
from dispatch.domain import Doctrine
from dispatch.engine import BatcherConfig, BundleEngine, Registry, call_standing_back
from dispatch.server.admin_service import AdminService
from dispatch.server.explaining import Explaining
from dispatch.server.health import Probes, probes_of
from dispatch.server.known_tokens import FindToken
from dispatch.server.metrics import StateSources, state_of
from dispatch.server.review_service import Export, ReviewService
from dispatch.server.telemetry import Telemetry
from dispatch.store import Audit, Replayer, SpoolingStore, Store, Tokens, file_url, parse_url
from dispatch.workflow import (
    Clock,
    ClockConfig,
    DueTimes,
    LiveIntake,
    ReviewConfig,
    ReviewDesk,
    ServingMode,
    require_known,
)
from dispatch.workflow.corrections import export_pairs, read_held_out


@dataclass(frozen=True)
class BackendConfig:
    """What to open."""

    database_url: str
    bundle: Path | None = None
    """None for the one that the settings name."""
    models_dir: Path | None = None
    """The folder below which further bundles may be loaded; None for nowhere."""
    evaluation_sets: Path | None = None
    """Whose reports are never exported as pairs; without them none leave by the service."""
    spool: Path | None = None
    """The file that takes instructions while a PostgreSQL store is lost; None where they are refused then."""
    batcher: BatcherConfig = field(default_factory=BatcherConfig)
    due: DueTimes = field(default_factory=DueTimes)
    clock: ClockConfig = field(default_factory=ClockConfig)
    review: ReviewConfig = field(default_factory=ReviewConfig)

    def __post_init__(self) -> None:
        if self.spool is not None and parse_url(self.database_url).get_backend_name() != "postgresql":
            raise ValueError("when_store_lost: spool is for PostgreSQL; a SQLite store is a local file itself")


@dataclass(frozen=True)
class Backend:
    """What is open."""

    store: Store
    intake: LiveIntake
    admin: AdminService
    desk: ReviewDesk
    review: ReviewService
    explaining: Explaining
    find_token: FindToken
    probes: Probes
    state: StateSources
    clock: Clock
    """Not started."""


@contextmanager
def open_backend(config: BackendConfig, telemetry: Telemetry | None = None) -> Iterator[Backend]:
    """Opens all of it, observed by ``telemetry``. At the end the models stop, and then the store closes with all that
    was handed in committed.

    Raises StoreError where the store cannot be used, ValueError where the bundle cannot.
    """
    telemetry = telemetry or Telemetry()
    with ExitStack() as stack:
        engine = _open_engine(config.bundle)
        store = Store.open(config.database_url)
        stack.callback(store.close)
        serving = ServingMode(Audit(store.database))
        registry = Registry(
            _open_engine,
            config.batcher,
            telemetry.metrics.observe_batch,
            accept=lambda engine: require_known(engine.calibration),
        )
        keeper = with_spool(store, config.spool, stack)
        intake = LiveIntake(registry, keeper, serving, observe_commit=telemetry.observe_commit, due=config.due)
        stack.callback(intake.close)
        stack.callback(registry.close, 0)
        registry.add(engine)
        admin = AdminService(registry, serving, Audit(store.database), config.models_dir)
        desk = ReviewDesk(store, intake.doctrine, config.review)  # what a spool has taken waits for the store
        yield Backend(
            store,
            intake,
            admin,
            desk,
            ReviewService(desk, exporter(store, intake.doctrine, config.evaluation_sets)),
            Explaining(intake, desk),
            Tokens(store.database).find,
            probes_of(registry, keeper.ping, lambda: serving.mode),
            state_of(
                registry,
                lambda: serving.mode,
                lambda: keeper.state if isinstance(keeper, SpoolingStore) else "store",
            ),
            Clock(store, config.clock, telemetry.metrics.observe_clock),
        )


def _open_engine(bundle: Path | None) -> BundleEngine:
    """Its threads stand back behind those that talk to callers."""
    return call_standing_back(lambda: answering.open_engine(bundle))


def with_spool(store: Store, file: Path | None, stack: ExitStack) -> Store | SpoolingStore:
    """The store, with a spool behind it where there is to be one, which is replayed when the store is back."""
    if file is None:
        return store
    spool = Store.open(file_url(file))
    stack.callback(spool.close)
    spooling = SpoolingStore(store, spool)
    replayer = Replayer(spooling)
    replayer.start()
    stack.callback(replayer.stop)
    return spooling


def exporter(store: Store, doctrine: Doctrine, evaluation_sets: Path | None) -> Export | None:
    """What exports pairs; None where nothing says which reports models are measured on. Raises OSError, ValueError.

    The files are read again for each export: what is held out may have grown.
    """
    if evaluation_sets is None:
        return None
    read_held_out([evaluation_sets])
    return lambda: [pair.to_dict() for pair in export_pairs(store, doctrine, read_held_out([evaluation_sets])).pairs]

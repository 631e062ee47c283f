"""`dispatch doctor`: what is in force, and what is wrong with it."""

import os
import platform
import sqlite3
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import typer

from dispatch import __version__
from dispatch.cli.options import BundleOption, DatabaseOption, JsonOption
from dispatch.cli.output import FAILED, print_json, print_result
from dispatch.settings import Settings, SettingsError, load_settings, settings_file, unknown_variables

WAL_RESET_FIXED = (3, 51, 3)
CERTIFICATE_ENDS_SOON = timedelta(days=14)
PACKAGES = ("torch", "ctranslate2", "sentencepiece", "grpcio", "sqlalchemy", "alembic", "pydantic")

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    message: str


def doctor(bundle: BundleOption = None, database_url: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Print the settings in force, versions, and what is wrong with bundle, store or processor; 1 if something is.

    Example: `dispatch doctor`
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        findings, effective = [Finding("settings", "error", str(error))], {}
    else:
        url = database_url or settings.database_url
        effective = settings.model_dump(mode="json") | {"bundle": str(bundle or settings.bundle)}
        effective["database_url"] = _masked(url)
        findings = [
            *_check_settings(settings),
            *_check_bundle(bundle or settings.bundle, settings),
            _check_database(url),
            *_check_security(settings),
            _check_sqlite(sqlite3.sqlite_version_info),
            _check_threads(settings.threads),
        ]
    report = {
        "settings": effective,
        "versions": _versions(),
        "findings": [asdict(finding) for finding in findings],
    }
    if as_json:
        print_json(report, indent=2)
    else:
        _print_report(report)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(FAILED)


def _print_report(report: dict[str, Any]) -> None:
    for title in ("settings", "versions"):
        for name, value in report[title].items():
            print_result(f"{name:14} {value}")
        print_result("")
    for finding in report["findings"]:
        print_result(f"{finding['level']:8} {finding['subject']}: {finding['message']}")


def _versions() -> dict[str, str]:
    packages = {package: _version(package) for package in PACKAGES}
    return {
        "dispatch": __version__,
        "python": f"{platform.python_version()} ({sys.platform})",
        "sqlite": sqlite3.sqlite_version,
        **packages,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _check_settings(settings: Settings) -> list[Finding]:
    path = settings_file()
    read = Finding("settings", "ok", f"read from {path} and the environment" if path else "read from the environment")
    unknown = [
        Finding("settings", "warning", f"the environment's {name} is no setting: misspelt?")
        for name in unknown_variables()
    ]
    return [read, *unknown]


def _check_bundle(path: Path, settings: Settings) -> list[Finding]:
    """The bundle, and where it can be used the engine that it is answered with."""
    from dispatch.domain import default_doctrine
    from dispatch.engine import choose_engine
    from dispatch.model import load_bundle

    try:
        bundle = load_bundle(path)
    except (ValueError, OSError) as error:
        return [Finding("bundle", "error", str(error))]
    whole = Finding("bundle", "ok", f"{path} is whole: {bundle.identity.name}, {bundle.identity.digest[:12]}")
    if bundle.config.doctrine not in ("", default_doctrine().digest):
        whole = Finding("bundle", "warning", f"{path} was trained on another doctrine than the one in use")
    choice = choose_engine(bundle, settings.engine)
    runs = f"{choice.name} in {settings.compute_type}" if choice.name == "ctranslate2" else choice.name
    return [whole, Finding("engine", "ok" if choice.expected else "warning", f"{runs}: {choice.why}")]


def _masked(url: str) -> str:
    from dispatch.store import describe, parse_url

    try:
        return describe(parse_url(url))
    except ValueError:
        return "(not a database URL)"


def _check_database(url: str) -> Finding:
    """Looks without making or writing anything: beside a running server nobody else should write to a SQLite file."""
    from dispatch.store import StoreError, parse_url, upkeep

    try:
        parsed = parse_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and "uri" not in parsed.query
        if is_file and not Path(str(parsed.database)).exists():
            return Finding("database", "ok", f"{parsed.database} is not there yet; the first start makes it")
        if is_file and not os.access(str(parsed.database), os.W_OK):
            return Finding("database", "error", f"{parsed.database} cannot be written")
        if upkeep.is_empty(url):
            return Finding("database", "ok", f"{_masked(url)} is empty; the first start makes its tables")
    except (ValueError, StoreError) as error:
        return Finding("database", "error", str(error))
    return Finding("database", "ok", f"{_masked(url)} answers and has this version's schema")


def _check_security(settings: Settings) -> list[Finding]:
    """The files of TLS, where there are to be some."""
    from dispatch.server.tls import tls_config, valid_until

    try:
        config = tls_config(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
        if config is None:
            return []
        end = valid_until(config)
    except (ValueError, OSError) as error:
        return [Finding("tls", "error", str(error))]
    left = end - datetime.now(UTC)
    level: Level = "warning" if left < CERTIFICATE_ENDS_SOON else "ok"
    return [Finding("tls", level, f"{config.certificate} is valid until {end:%Y-%m-%d}, for {left.days} more days")]


def _check_sqlite(installed: tuple[int, int, int]) -> Finding:
    if installed < WAL_RESET_FIXED:
        message = (
            f"SQLite {'.'.join(map(str, installed))} can damage a database that two processes write to (the WAL-reset "
            "bug, mended in 3.51.3): let only one dispatch process use a SQLite file"
        )
        return Finding("sqlite", "warning", message)
    return Finding("sqlite", "ok", f"SQLite {'.'.join(map(str, installed))}")


def _check_threads(wanted: int) -> Finding:
    from dispatch.engine import available_processors, processor_quota

    quota = processor_quota()
    threads = wanted or available_processors()
    granted = "no quota" if quota is None else f"a quota of {quota:g} processors"
    if quota is not None and threads > max(1, round(quota)):
        return Finding("threads", "warning", f"{threads} threads, but {granted}: they will be throttled")
    return Finding("threads", "ok", f"{threads} threads, {granted}")

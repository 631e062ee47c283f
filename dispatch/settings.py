"""Every setting of Dispatch, typed and documented.

A value comes from the environment (`DISPATCH_LISTEN`), else from the settings file (`listen = …` in `dispatch.toml`
of the working directory, or the file that `DISPATCH_CONFIG` names), else from the default below. An option on the
command line wins over all of them.
"""

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "DISPATCH_"
CONFIG_VARIABLE = "DISPATCH_CONFIG"
DEBUG_VARIABLE = "DISPATCH_DEBUG"
DEFAULT_FILE = Path("dispatch.toml")
OFF = "off"
"""The value of an address setting that turns off what would listen or send there."""
SHIPPED_BUNDLE = Path(__file__).parent / "bundles" / "default"


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the file or variable, and the key."""


class Settings(BaseSettings):
    """The effective settings. Build it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    listen: str = Field("127.0.0.1:50051", description="HOST:PORT on which `dispatch serve` answers gRPC.")
    insecure: bool = Field(False, description="Permit listening off loopback without TLS and tokens.")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the server's certificate and those above it; needs `tls_key`."
    )
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key, without passphrase.")
    tls_client_ca: Path | None = Field(
        None, description="PEM file with the authorities one of which must have signed a client's certificate."
    )
    require_tokens: bool = Field(False, description="Whether a call must show a token that `dispatch token` has made.")
    token_cache_s: float = Field(
        2.0, ge=0, le=5, description="Seconds for which a valid token is not looked up again, revoked or not."
    )
    rate_per_s: float = Field(
        1000.0, ge=0, description="Calls a second that one client may make in the long run; 0 is no limit."
    )
    rate_burst: int = Field(2000, ge=1, description="Calls that one client may make at once after a rest.")
    max_open_calls: int = Field(1000, ge=1, description="Calls of one client that may be open at the same time.")
    max_message_bytes: int = Field(4_194_304, ge=1024, description="Longest message that the server reads.")
    reflection: bool = Field(True, description="Let callers ask which services and messages there are.")
    keepalive_s: float = Field(
        60.0, ge=0, le=86_400, description="Seconds of silence after which a client is asked for a sign; 0 asks nobody."
    )
    connection_age_s: float = Field(
        0.0, ge=0, le=86_400, description="Seconds after which clients are asked to connect anew; 0 is no limit."
    )
    database_url: str = Field(
        "sqlite:///dispatch.db", description="Where instructions are stored: sqlite:///FILE or postgresql://…"
    )
    console: str = Field(OFF, description="HOST:PORT on which `dispatch serve` shows the reviewers' console, or off.")
    console_hours: float = Field(12.0, gt=0, le=168, description="Hours after which who is signed in must do so anew.")
    when_store_lost: Literal["refuse", "spool"] = Field(
        "refuse",
        description="While a PostgreSQL store is lost: refuse calls, or spool to a local file and replay it.",
    )
    spool: Path = Field(
        Path("dispatch-spool.db"), description="The file that takes instructions for `when_store_lost`."
    )
    bundle: Path = Field(SHIPPED_BUNDLE, description="Folder of the model bundle.")
    models_dir: Path | None = Field(
        None, description="Folder below which operators may load other bundles by LoadModel; without one none may."
    )
    evaluation_sets: Path | None = Field(
        None, description="JSONL file, or folder of such, with reports that are never exported as training pairs."
    )
    engine: Literal["auto", "torch", "ctranslate2"] = Field(
        "auto",
        description="What runs the model: torch, ctranslate2, or auto: ctranslate2 where the bundle holds an export "
        "for it and there is no GPU, else torch.",
    )
    compute_type: Literal["int8", "float32"] = Field(
        "int8", description="Numbers that ctranslate2 computes with; float32 takes longer and more memory."
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Processor threads for the model; 0 takes what the container may use."
    )
    due_immediate_s: float = Field(
        60.0, gt=0, le=86_400, description="Seconds in which somebody should have decided about a draft of 特急."
    )
    due_urgent_s: float = Field(180.0, gt=0, le=86_400, description="The same, of 紧急.")
    due_routine_s: float = Field(900.0, gt=0, le=86_400, description="The same, of 一般.")
    escalate_after_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="Seconds from the alarm of an unclaimed draft of 特急 until its report goes out as it came.",
    )
    review_lease_s: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="Seconds for which a claim keeps others from deciding; its holder renews it.",
    )
    review_low_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Confidence below which an approval needs a reason; without one, where the bundle's calibration "
        "says LOW_CONFIDENCE.",
    )
    grace_s: float = Field(
        10.0, ge=0, le=86_400, description="Seconds that work in flight may take when the server stops."
    )
    timeout_s: float = Field(
        30.0, gt=0, le=86_400, description="Deadline, in seconds, of a call that `--server` makes."
    )
    server_ca: Path | None = Field(
        None,
        description="PEM file of the authorities that vouch for the server of `--server`; calls are then encrypted.",
    )
    client_certificate: Path | None = Field(
        None, description="PEM file of the certificate that `--server` shows to a server that asks for one."
    )
    client_key: Path | None = Field(None, description="PEM file with that certificate's private key.")
    token_file: Path | None = Field(None, description="File with the bearer token of the calls that `--server` makes.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line that `dispatch serve` logs."
    )
    log_format: Literal["json", "text"] = Field(
        "json", description="How `dispatch serve` writes its log: json, one object a line, or text for people."
    )
    metrics_listen: str = Field(
        OFF, description="HOST:PORT on which `dispatch serve` answers Prometheus by HTTP, or off."
    )
    metrics_public: bool = Field(
        False, description="Permit metrics_listen off loopback; metrics are neither encrypted nor authenticated."
    )
    otlp_endpoint: str = Field(
        OFF,
        description="http://HOST:PORT or https://HOST:PORT of a collector that takes traces by OTLP over gRPC, or off.",
    )
    log_reports: bool = Field(
        False, description="Log the text of every report: for finding faults, never where reports are of real people."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment ranks above the arguments, which are the file's values."""
        return env_settings, init_settings

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        split_address(value)
        return value

    @field_validator("metrics_listen", "console")
    @classmethod
    def _is_address_or_off(cls, value: str) -> str:
        if value != OFF:
            split_address(value)
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_endpoint_or_off(cls, value: str) -> str:
        scheme, _, address = value.partition("://")
        if value != OFF:
            if scheme not in ("http", "https"):
                raise ValueError(f"{value!r} is neither off nor http://HOST:PORT or https://HOST:PORT")
            split_address(address)
        return value


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; ValueError says what is wrong."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT, such as 127.0.0.1:50051")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{address!r}: write an IPv6 host in brackets, such as [::1]:50051")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether an address of this host can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def settings_file() -> Path | None:
    """The file that `load_settings` reads, or None where there is none."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def unknown_variables() -> list[str]:
    """`DISPATCH_…` variables of the environment that no setting reads: most likely misspelt."""
    known = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields} | {CONFIG_VARIABLE, DEBUG_VARIABLE}
    return sorted(name for name in os.environ if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)


def load_settings() -> Settings:
    """Read environment and settings file. Raises SettingsError naming the file or variable and the key."""
    path = settings_file()
    from_file = {} if path is None else _read_toml(path)
    try:
        return Settings(**from_file)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        variable = f"{ENV_PREFIX}{key}".upper()
        in_environment = any(name.upper() == variable for name in os.environ)
        where = variable if in_environment else f"{path}: {key}"
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    for key in values:
        if key not in Settings.model_fields:
            raise SettingsError(f"{path}: unknown key {key!r}; the keys are {', '.join(Settings.model_fields)}")
    return values

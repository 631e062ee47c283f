"""Settings: where a value comes from, and what is said when one cannot be used."""

from pathlib import Path

import pytest

from dispatch.settings import Settings, SettingsError, load_settings, split_address, unknown_variables


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DISPATCH_{name.upper()}", raising=False)
    monkeypatch.delenv("DISPATCH_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_listen_on_loopback_and_use_the_shipped_bundle() -> None:
    settings = load_settings()
    assert settings.listen == "127.0.0.1:50051"
    assert not settings.insecure
    assert settings.bundle.parts[-3:] == ("dispatch", "bundles", "default")


def test_environment_wins_over_file_and_file_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dispatch.toml").write_text('threads = 3\ndatabase_url = "sqlite:///from_file.db"\n')
    monkeypatch.setenv("DISPATCH_THREADS", "5")
    settings = load_settings()
    assert settings.threads == 5
    assert settings.database_url == "sqlite:///from_file.db"
    assert settings.grace_s == Settings.model_fields["grace_s"].default


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_THREADS", "")
    assert load_settings().threads == 0


def test_the_file_can_be_named_by_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.toml"
    named.write_text("grace_s = 1.5\n")
    monkeypatch.setenv("DISPATCH_CONFIG", str(named))
    assert load_settings().grace_s == 1.5


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('databse_url = "x"', "databse_url"),
        ("threads = -1", "threads"),
        ('listen = "nowhere"', "listen"),
        ('log_level = "loud"', "log_level"),
        ('metrics_listen = "nowhere"', "metrics_listen"),
        ('otlp_endpoint = "collector:4317"', "otlp_endpoint"),
        ('otlp_endpoint = "http://collector"', "otlp_endpoint"),
        ("threads = ", "not valid TOML"),
        ("[server]\nthreads = 1", "server"),
    ],
)
def test_a_bad_file_is_an_error_naming_file_and_key(text: str, named: str) -> None:
    Path("dispatch.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"^dispatch\.toml: .*{named}|^dispatch\.toml: {named}"):
        load_settings()


def test_a_bad_variable_is_named_even_where_the_file_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dispatch.toml").write_text("threads = 1")
    monkeypatch.setenv("DISPATCH_THREADS", "many")
    with pytest.raises(SettingsError, match=r"^DISPATCH_THREADS: "):
        load_settings()


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_CONFIG", "missing.toml")
    with pytest.raises(SettingsError, match=r"^missing\.toml: "):
        load_settings()


def test_misspelt_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DATABSE_URL", "x")
    monkeypatch.setenv("DISPATCH_DEBUG", "1")
    assert "DISPATCH_DATABSE_URL" in unknown_variables()
    assert "DISPATCH_DEBUG" not in unknown_variables()


def test_what_listens_or_sends_can_be_turned_off_where_the_file_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dispatch.toml").write_text('metrics_listen = "[::1]:9464"\notlp_endpoint = "https://collector:4317"\n')
    assert load_settings().metrics_listen == "[::1]:9464"
    monkeypatch.setenv("DISPATCH_METRICS_LISTEN", "off")
    monkeypatch.setenv("DISPATCH_OTLP_ENDPOINT", "off")
    assert (load_settings().metrics_listen, load_settings().otlp_endpoint) == ("off", "off")


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:50051", ("::1", 50051)), ("host:65535", ("host", 65535))],
)
def test_addresses_are_split(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "host", ":1", "host:", "host:x", "host:70000", "::1:50051", "host:²"])
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|brackets"):
        split_address(address)

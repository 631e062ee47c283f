"""`doctor`, `db` and `models`: looking after an installation."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from dispatch.cli import doctor
from dispatch.model import load_bundle, save_bundle
from dispatch.settings import Settings
from dispatch.store import Instruction, Store

DRAFT = Instruction(
    report="水位上涨", context={}, decoding={}, instruction="派出2艘", candidates=[], situations=[], plan=[], checks=[],
    confidence=0.5, model={"name": "m", "digest": "d"}, doctrine="", timings={},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def findings(report: Any) -> dict[str, tuple[str, str]]:
    return {finding["subject"]: (finding["level"], finding["message"]) for finding in report["findings"]}


def test_doctor_finds_a_sound_installation(dispatch: Any, tiny_bundle: Path) -> None:
    report = dispatch.json("doctor", "--bundle", str(tiny_bundle), "--json")
    levels = {subject: level for subject, (level, _) in findings(report).items()}
    assert levels | {"sqlite": "ok", "threads": "ok"} == dict.fromkeys(
        ("settings", "bundle", "engine", "database", "sqlite", "threads"), "ok"
    )
    assert report["settings"]["listen"] == "127.0.0.1:50051"
    assert report["versions"]["sqlite"] == sqlite3.sqlite_version


def test_doctor_and_models_say_which_engine_answers(
    dispatch: Any, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings(dispatch.json("doctor", "--bundle", str(tiny_bundle), "--json"))
    assert found["engine"][1].startswith("ctranslate2 in int8: ")
    assert "\nengine       ctranslate2: " in dispatch("models", "show", str(tiny_bundle)).stdout
    monkeypatch.setenv("DISPATCH_ENGINE", "torch")
    assert dispatch.json("models", "show", str(tiny_bundle), "--json")["engine"] == "torch"


def test_doctor_warns_where_an_engine_is_missing(
    dispatch: Any, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.engine.choice.ctranslate2_installed", lambda: False)
    level, message = findings(dispatch.json("doctor", "--bundle", str(tiny_bundle), "--json"))["engine"]
    assert (level, message.startswith("torch: CTranslate2 is not installed")) == ("warning", True)
    answered = dispatch("generate", "雪大", "--bundle", str(tiny_bundle), "--max-tokens", "3")
    assert "answering with torch: CTranslate2 is not installed" in answered.stderr


def test_export_adds_what_ctranslate2_runs(dispatch: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    assert dispatch.json("export", str(bundle), "--json") == {
        "path": str(bundle),
        "digest": load_bundle(tiny_bundle).identity.digest,
    }


def test_export_without_the_library_says_what_to_install(
    dispatch: Any, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.model.ctranslate2_installed", lambda: False)
    result = dispatch("export", str(tiny_bundle))
    assert (result.exit_code, "pip install ctranslate2" in result.stderr) == (1, True)


def test_doctor_makes_no_database(dispatch: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    dispatch("doctor", "--bundle", str(tiny_bundle))
    assert list(tmp_path.iterdir()) == []


def test_doctor_looks_at_an_empty_database_and_makes_no_tables(dispatch: Any, tiny_bundle: Path) -> None:
    Path("empty.db").touch()
    ask = ("doctor", "--bundle", str(tiny_bundle), "--database-url", "sqlite:///empty.db", "--json")
    level, message = findings(dispatch.json(*ask))["database"]
    assert (level, "is empty" in message) == ("ok", True)
    assert Path("empty.db").read_bytes() == b""


def test_doctor_writes_nothing_beside_a_running_server(dispatch: Any, tiny_bundle: Path, url: str) -> None:
    before = Path("made.db").read_bytes()
    found = findings(dispatch.json("doctor", "--bundle", str(tiny_bundle), "--database-url", url, "--json"))
    assert found["database"] == ("ok", "sqlite:///made.db answers and has this version's schema")
    assert Path("made.db").read_bytes() == before


def test_doctor_says_what_is_wrong(dispatch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DATABSE_URL", "sqlite:///x.db")
    Path("broken.db").write_text("this is no database" * 99)
    result = dispatch("doctor", "--bundle", "nowhere", "--database-url", "sqlite:///broken.db", "--json")
    assert result.exit_code == 1
    found = findings(json.loads(result.stdout))
    assert found["bundle"][0] == "error"
    assert "nowhere" in found["bundle"][1]
    assert found["database"][0] == "error"
    assert found["settings"] == ("warning", "the environment's DISPATCH_DATABSE_URL is no setting: misspelt?")


def test_doctor_warns_of_a_bundle_that_was_trained_on_another_doctrine(
    dispatch: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(tiny_bundle)
    config = replace(bundle.config, doctrine="0" * 64)
    save_bundle(tmp_path / "other", config, bundle.model, bundle.tokenizer, {}, "# other\n")
    level, message = findings(dispatch.json("doctor", "--bundle", str(tmp_path / "other"), "--json"))["bundle"]
    assert (level, "another doctrine" in message) == ("warning", True)


def test_doctor_reports_settings_that_cannot_be_read(dispatch: Any) -> None:
    Path("dispatch.toml").write_text("nonsense = 1")
    result = dispatch("doctor")
    assert result.exit_code == 1
    assert "dispatch.toml: unknown key 'nonsense'" in result.stdout


def test_doctor_shows_no_password(dispatch: Any, tiny_bundle: Path) -> None:
    url = "postgresql://me:topsecret@127.0.0.1:1/x?password=topsecret"
    for form in ((), ("--json",)):
        result = dispatch("doctor", "--bundle", str(tiny_bundle), "--database-url", url, *form)
        assert result.exit_code == 1
        assert "topsecret" not in result.output


@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (10, "warning"), (-1, "error")])
def test_doctor_looks_at_the_certificate(tmp_path: Path, days: int, level: str) -> None:
    issued = trustme.CA().issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=days))
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    settings = Settings(tls_certificate=tmp_path / "server.pem", tls_key=tmp_path / "server.key")
    (finding,) = doctor._check_security(settings)
    assert (finding.subject, finding.level) == ("tls", level)
    assert doctor._check_security(Settings()) == []


@pytest.mark.parametrize(("installed", "level"), [((3, 51, 2), "warning"), ((3, 40, 1), "warning"), ((3, 51, 3), "ok")])
def test_doctor_warns_of_the_wal_reset_bug(installed: tuple[int, int, int], level: str) -> None:
    assert doctor._check_sqlite(installed).level == level


def test_doctor_warns_of_more_threads_than_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.engine.processor_quota", lambda: 2.0)
    assert doctor._check_threads(8).level == "warning"
    assert doctor._check_threads(2).level == "ok"


def test_db_upgrade_makes_the_tables(dispatch: Any) -> None:
    assert dispatch("db", "upgrade", "--database-url", "sqlite:///made.db").exit_code == 0
    with closing(sqlite3.connect("made.db")) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"requests", "instructions"} <= tables


@pytest.fixture
def url() -> str:
    """The address of a store with one instruction."""
    with closing(Store.open("sqlite:///made.db")) as store:
        store.save(DRAFT)
    return "sqlite:///made.db"


def test_db_check_says_what_is_sound_and_what_is_not(dispatch: Any, url: str) -> None:
    assert dispatch("db", "check", "--database-url", url).stdout.split()[1::2] == ["ok"] * 5
    with closing(sqlite3.connect("made.db")) as connection, connection:
        connection.execute("UPDATE instructions SET confidence = 0")
    result = dispatch("db", "check", "--database-url", url, "--json")
    assert result.exit_code == 1
    found = {finding["subject"]: finding["problems"] for finding in json.loads(result.stdout)}
    assert [subject for subject, problems in found.items() if problems] == ["chain"]
    assert dispatch("db", "check", "--database-url", "sqlite:///nowhere.db").exit_code == 1
    assert not Path("nowhere.db").exists()


def test_db_verify_audit_prints_the_end_and_compares_with_an_earlier_one(dispatch: Any, url: str) -> None:
    verify = ("db", "verify-audit", "--database-url", url)
    end = dispatch(*verify).stdout.strip()
    assert end.startswith("1:")
    assert dispatch(*verify, "--expect", end).exit_code == 0
    assert dispatch(*verify, "--expect", f"2:{end[2:]}").exit_code == 1
    assert dispatch(*verify, "--expect", "nonsense").exit_code == 2
    with closing(sqlite3.connect("made.db")) as connection, connection:
        connection.execute("UPDATE requests SET report = ''")
    result = dispatch(*verify)
    assert result.exit_code == 1
    assert "event 1: requests/" in result.stderr


def test_db_backup_and_restore(dispatch: Any, url: str) -> None:
    end = dispatch("db", "backup", "copy.db", "--database-url", url).stdout
    assert dispatch("db", "backup", "copy.db", "--database-url", url).exit_code == 1
    assert dispatch("db", "restore", "copy.db", "--database-url", "sqlite:///again.db").stdout == end
    again = ("db", "restore", "copy.db", "--database-url", "sqlite:///again.db")
    refused = dispatch(*again)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert dispatch(*again, "--force").stdout == end
    assert dispatch("db", "restore", "nowhere.db", "--database-url", url).exit_code == 1


def test_db_erases_what_is_not_on_hold(dispatch: Any, url: str) -> None:
    option = ("--database-url", url)
    with closing(Store.open(url)) as store:
        (name,) = (saved.name for saved in store.list_recent(9))
    hold = dispatch("db", "hold", name, "--reason", "inquiry", *option).stdout.strip()
    assert dispatch("db", "erase", name, "--reason", "demand", *option).exit_code == 1
    assert dispatch("db", "lift-hold", hold, *option).exit_code == 0
    assert dispatch("db", "erase", name, "--reason", "demand", "--by", "dpo", *option).exit_code == 0
    assert dispatch("db", "erase", "instructions/0", "--reason", "demand", *option).exit_code == 1
    assert dispatch("db", "retain", "--days", "400", *option).stdout == "0\n"
    assert dispatch("db", "retain", "--days", "10", *option).exit_code == 2
    with closing(Store.open(url)) as store:
        assert [saved.report for saved in store.list_recent(9)] == [""]
    assert dispatch("db", "check", *option).exit_code == 0


def test_models_list_show_and_verify(dispatch: Any, tiny_bundle: Path) -> None:
    (listed,) = dispatch.json("models", "list", str(tiny_bundle.parent), "--json")
    assert listed == {"name": "tiny", "path": str(tiny_bundle)}
    shown = dispatch.json("models", "show", str(tiny_bundle), "--json")
    assert shown["config"]["model"]["d_model"] == 16
    assert shown["metrics"] == {"pairs": 0}
    assert shown["digest"] == dispatch.json("models", "verify", str(tiny_bundle), "--json")["digest"]
    assert "# tiny" in dispatch("models", "show", str(tiny_bundle)).stdout
    assert shown["digest"] in dispatch("models", "verify", str(tiny_bundle)).stdout


def test_models_verify_names_a_file_that_differs(dispatch: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle, copy)
    (copy / "config.json").write_text("{}")
    result = dispatch("models", "verify", str(copy))
    assert result.exit_code == 1
    assert "config.json" in result.stderr


def test_models_list_of_no_folder_is_an_error(dispatch: Any) -> None:
    assert dispatch("models", "list", "nowhere").exit_code == 1


def test_models_presets_prints_parameters(dispatch: Any) -> None:
    rows = dispatch.json("models", "presets", "--json")
    assert set(rows) == {"nano", "small", "base", "default"}
    table = dispatch("models", "presets").stdout
    for name, row in rows.items():
        assert name in table
        assert f"{row['parameters']:,}" in table

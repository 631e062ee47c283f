"""Generates `dispatch/v1` from `protos/` and guards the interface.

python tools/protos.py generate    write dispatch/v1
python tools/protos.py check       lint, compare with the released interface, and hold dispatch/v1 current
python tools/protos.py release     record the present interface as the released one
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
RELEASED = PROTOS / "released.binpb"
IMPORTED = ("google/rpc/status.proto",)
IMPORTS = ROOT / "build" / "protos"  # where buf.yaml looks for them
PACKAGE = Path("dispatch/v1")
SCRIPTS = Path(sys.executable).parent


def generate(out: Path) -> None:
    """Writes messages, type stubs and services under `out`, and removes those whose source is gone."""
    (out / PACKAGE).mkdir(parents=True, exist_ok=True)
    for stale in (out / PACKAGE).glob("*_pb2*"):
        stale.unlink()
    run(
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--plugin=protoc-gen-mypy={SCRIPTS / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={SCRIPTS / 'protoc-gen-mypy_grpc'}",
        f"--proto_path={PROTOS}",
        f"--proto_path={IMPORTS}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        *(f"--{kind}_out={out}" for kind in ("python", "grpc_python")),
        *(f"--{kind}_out=quiet:{out}" for kind in ("mypy", "mypy_grpc")),
        *sorted(str(path) for path in (PROTOS / PACKAGE).glob("*.proto")),
    )


def fetch_imports() -> None:
    """Copies what our protos import from the installed package that has it."""
    for name in IMPORTED:
        folder, _, file = name.rpartition("/")
        (IMPORTS / folder).mkdir(parents=True, exist_ok=True)
        with resources.as_file(resources.files(folder.replace("/", ".")) / file) as path:
            shutil.copyfile(path, IMPORTS / name)


def check() -> None:
    """Exits with status 1, saying why, where a check fails."""
    buf("lint")
    buf("format", "protos", "--diff", "--exit-code")
    buf("breaking", "protos", "--against", str(RELEASED))
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, committed = (read_generated(root) for root in (Path(folder), ROOT))
    differing = [name for name in sorted(fresh | committed) if fresh.get(name) != committed.get(name)]
    if differing:
        sys.exit(f"not what protos/ generates (run `make protos`): {', '.join(differing)}")


def read_generated(root: Path) -> dict[str, bytes]:
    return {str(PACKAGE / path.name): path.read_bytes() for path in (root / PACKAGE).glob("*_pb2*")}


def buf(*arguments: str) -> None:
    run(str(SCRIPTS / "buf"), *arguments)


def run(*command: str) -> None:
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status:
        sys.exit(f"failed with status {status}: {' '.join(command[:3])} …")


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate dispatch/v1 from protos/ and guard the interface.")
    parser.add_argument("task", choices=("generate", "check", "release"))
    task = parser.parse_args().task
    fetch_imports()
    if task == "generate":
        generate(ROOT)
    elif task == "check":
        check()
    else:
        buf("build", "protos", "--output", str(RELEASED), "--exclude-source-info")


if __name__ == "__main__":
    main()

"""Fills a real disk under the service, a small tmpfs in a mount namespace of its own, and makes room again.

Needs Linux that lets one mount, as root or in a user namespace: `python -m tests.integration.full_disk 5`. The suite
does the same with a disk that only says that it is full (test_disk.py).
"""

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.integration.load import Failed, Load
from tests.integration.proof import prove
from tests.integration.service import ServiceConfig, serving
from tests.tiny_bundle import save_tiny_bundle

_MOUNT = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'


def fill(file: Path) -> None:
    """Take all the room that there is."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    assert shutil.disk_usage(file).free == 0


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        save_tiny_bundle(folder / "tiny")
        disk = folder / "disk"
        disk.mkdir()
        own = [] if os.geteuid() == 0 else ["--map-root-user"]
        wrapper = ["unshare", "--mount", *own, "sh", "-c", _MOUNT, str(disk)]
        url = f"sqlite:///{disk}/dispatch.db"
        with serving(ServiceConfig(folder / "tiny", url, folder, wrapper=wrapper)) as service:
            # Keeps the disk when the namespace has gone with its process.
            held = os.open(f"/proc/{service.process.pid}/root{disk}", os.O_DIRECTORY)
            seen = Path(f"/proc/self/fd/{held}")
            with Load(service.address, "full") as load:
                for _ in range(rounds):
                    load.wait_for_answers(20)
                    fill(seen / "filler")
                    load.wait_for_failures(20)
                    service.wait_for_health(serving=False)
                    (seen / "filler").unlink()
                    load.wait_for_answers(20)
                    service.wait_for_health(serving=True)
            assert set(load.failed) == {Failed("UNAVAILABLE", "STORE_UNAVAILABLE", may_retry=True)}
            assert service.terminate() == 0
        shutil.copytree(seen, folder / "copy")
        os.close(held)
        prove(f"sqlite:///{folder}/copy/dispatch.db", load.answered)
    print(f"full {rounds} times: {len(load.failed)} calls refused, {len(load.answered)} answers, each stored once")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)

"""Idle connections do not shut everybody out."""

import subprocess
import sys

CHILD = """
import resource
from dispatch.cli.open_files import raise_limit

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
raise_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
"""


def test_the_server_may_have_as_many_files_open_as_the_system_permits() -> None:
    subprocess.run([sys.executable, "-c", CHILD], check=True)

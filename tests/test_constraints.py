"""constraints.txt pins every package that the development environment is made of, at the version that is there."""

from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = "dispatch-rescue"


def installed_closure() -> set[str]:
    """The project's requirements and theirs, all the way down, as this platform and Python resolve them."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(f"{PROJECT}[dev]")]
    while waiting:
        requirement = waiting.pop()
        node = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if node in seen:
            continue
        seen.add(node)
        for needed in map(Requirement, requires(node[0]) or []):
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *node[1])):
                waiting.append(needed)
    return {name for name, _ in seen} - {PROJECT}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pinned for name, pinned in exact}


def test_every_package_of_the_environment_is_pinned_at_its_version() -> None:
    closure = installed_closure()
    assert {"torch", "pytest", "hatchling", "markupsafe"} <= closure
    pinned = pins()
    wrong = {name: version(name) for name in closure if pinned.get(name) != Version(version(name)).public}
    assert wrong == {}

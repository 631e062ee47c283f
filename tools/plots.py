"""Draws the curves of a bundle's training and how far its confidence can be believed, from its metrics.json, as PNG.

Example:
    python tools/plots.py dispatch/bundles/default --out docs/pictures
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dispatch.model import read_metrics
from training.run import trainings

WIDTH, HEIGHT = 6.4, 4.8  # inches
FEWEST = 10  # answers of a bin that is drawn: the share of fewer says little


def draw_training(training: Mapping[str, Any]) -> Figure:
    """Loss and rate of every logged update above; loss and token accuracy of the held pairs below.

    What was trained before, on other pairs, stands to the left of a dotted line.
    """
    parts = trainings(training)
    curves = joined_curves(parts)
    figure = Figure(figsize=(WIDTH, 2 * HEIGHT), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _curve(above, curves["training"], "loss", "training loss (nats a token, with label smoothing)", "C0")
    above.set_yscale("log")
    _curve(above.twinx(), curves["training"], "lr", "learning rate", "C1")
    _curve(below, curves["validation"], "loss", "validation loss (nats a token)", "C0", marker=".")
    below.set_yscale("log")
    _curve(below.twinx(), curves["validation"], "token_accuracy", "validation token accuracy", "C2", marker=".")
    below.set_xlabel("update")
    for axes in (above, below):
        for end in accumulate(part["steps"] for part in parts[:-1]):
            axes.axvline(end, color="grey", linestyle=":")
    minutes, tokens = (sum(part[key] for part in parts) for key in ("minutes", "tokens"))
    pairs = ", then ".join(f"{part['pairs']:,}" for part in parts)
    figure.suptitle(f"{pairs} pairs; {tokens / 1e6:.0f} million tokens, {minutes:.0f} minutes")
    return figure


def joined_curves(parts: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """The curves of trainings one behind the other, their updates counted through."""
    starts = [0, *accumulate(part["steps"] for part in parts[:-1])]
    return {
        kind: [
            {**point, "step": start + point["step"]}
            for start, part in zip(starts, parts, strict=True)
            for point in part["curves"][kind]
        ]
        for kind in ("training", "validation")
    }


def draw_reliability(evaluation: Sequence[Mapping[str, Any]]) -> Figure:
    """The share of right answers against the confidence that the service stated, a line a file."""
    figure = Figure(figsize=(1.5 * WIDTH, 1.2 * HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as it should be")
    for number, file in enumerate(entry for entry in evaluation if entry["choice"] == "service"):
        bins = [entry for entry in file["reliability"] if entry["n"] >= FEWEST]
        error = file["metrics"]["calibration_error"]["value"]
        axes.plot(
            [entry["confidence"] for entry in bins],
            [entry["accuracy"] for entry in bins],
            label=f"{file['file']} (error {error:.3f})",
            marker="ov^sD"[number // 10 % 5],
        )
    axes.set_xlabel("confidence")
    axes.set_ylabel("share of right answers")
    figure.legend(loc="outside right upper")
    return figure


def _curve(
    axes: Axes, points: Sequence[Mapping[str, float]], key: str, label: str, colour: str, marker: str = ""
) -> None:
    axes.plot([point["step"] for point in points], [point[key] for point in points], color=colour, marker=marker)
    axes.set_ylabel(label, color=colour)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="model bundle (a folder)")
    parser.add_argument("--out", type=Path, required=True, help="folder for training.png and reliability.png")
    options = parser.parse_args(arguments)
    metrics = read_metrics(options.bundle)
    if "curves" not in metrics.get("training", {}) or "evaluation" not in metrics:
        parser.error(f"{options.bundle}: its metrics.json holds no curves or no evaluation")
    options.out.mkdir(parents=True, exist_ok=True)
    figures = {"training": draw_training(metrics["training"]), "reliability": draw_reliability(metrics["evaluation"])}
    digest = hashlib.sha256((options.bundle / "metrics.json").read_bytes()).hexdigest()
    for name, figure in figures.items():
        path = options.out / f"{name}.png"
        figure.savefig(path, dpi=100, metadata={"Source": f"metrics.json {digest}"})  # so that a stale picture shows
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

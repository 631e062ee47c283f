"""The figures in the READMEs and in the model card are those that were measured on the shipped bundle."""

from pathlib import Path

import pytest

from dispatch.model import read_metrics
from dispatch.settings import SHIPPED_BUNDLE
from training.tables import results_table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "dispatch/bundles/default/MODEL_CARD.md"])
def test_the_documents_say_what_was_measured(document: str) -> None:
    table = results_table(read_metrics(SHIPPED_BUNDLE)["evaluation"]).splitlines()
    rows = [row for row in table if row.startswith(("| seen.jsonl |", "| unseen.jsonl |"))]
    assert len(rows) == 4  # by the network alone and by the service
    text = (ROOT / document).read_text("utf-8")
    assert [row for row in rows if row not in text] == []

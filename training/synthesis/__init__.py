"""Synthesis of pairs: scenario -> situation -> plan -> phrasing -> noise -> pair; splits.py says what is held out."""

from training.synthesis.lexicon import Lexicon
from training.synthesis.pairs import PairGenerator, Recipe, Sample
from training.synthesis.splits import RECIPES, SplitReport, split_pairs, splits_in, write_splits

__all__ = [
    "RECIPES",
    "Lexicon",
    "PairGenerator",
    "Recipe",
    "Sample",
    "SplitReport",
    "split_pairs",
    "splits_in",
    "write_splits",
]

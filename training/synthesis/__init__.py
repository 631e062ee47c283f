"""Synthesis of pairs: scenario -> situation -> plan -> phrasing -> noise -> pair; splits.py says what is held out."""

from training.synthesis.lexicon import Lexicon, default_lexicon_folder
from training.synthesis.noise import NoiseConfig
from training.synthesis.pairs import PairGenerator, Recipe, Sample
from training.synthesis.splits import RECIPES, SplitReport, split_pairs, write_splits

__all__ = [
    "RECIPES",
    "Lexicon",
    "NoiseConfig",
    "PairGenerator",
    "Recipe",
    "Sample",
    "SplitReport",
    "default_lexicon_folder",
    "split_pairs",
    "write_splits",
]

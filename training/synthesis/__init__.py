"""Synthesis of pairs: scenario -> situation -> plan -> phrasing -> pair (see splits.py for what is held out)."""

from training.synthesis.lexicon import Lexicon, default_lexicon_folder
from training.synthesis.pairs import PairGenerator
from training.synthesis.splits import SplitReport, write_splits

__all__ = ["Lexicon", "PairGenerator", "SplitReport", "default_lexicon_folder", "write_splits"]

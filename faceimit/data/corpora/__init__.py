"""Readers of the corpora on the disk: what is where, who is seen, which split."""

from faceimit.data.corpora.listing import Listing, Problem, Source
from faceimit.data.corpora.registry import CORPORA, list_corpus

__all__ = ["CORPORA", "Listing", "Problem", "Source", "list_corpus"]

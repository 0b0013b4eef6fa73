"""Annotating in this process: what is tested is not the processes, and each takes seconds to start."""

from faceimit.data.annotators import run
from faceimit.data.annotators.job import close_annotator, do


def annotate_here(monkeypatch) -> None:
    """From now on every annotation of this test is made in this process, one file after the other."""
    monkeypatch.setattr(run, "_engine", lambda _name: _here)


def _here(jobs, store, spec, _workers):
    try:
        for job in jobs:
            yield do(job, store, spec)
    finally:
        close_annotator(spec)

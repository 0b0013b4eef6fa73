"""Every method on the same clips: scores, search parameters chosen on validation, errors on test."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from faceimit.data import targets
from faceimit.data.corpus import Corpus
from faceimit.keyframes.methods import make_method, noisy_truth
from faceimit.keyframes.search import SearchParams, Truth, find_keyframes, true_keyframes
from faceimit.keyframes.stream import StreamingScorer
from faceimit.keyframes.tuning import tune
from faceimit.metrics.correlation import pearson
from faceimit.metrics.keyframe import KeyframeErrors

CEILING = "truth_with_noise"
# What a scorer answers for one clip of a split: clip number -> (T,) scores in [0, 1], NaN where unknown.
ClipScore = Callable[[Corpus, int], np.ndarray]
Row = dict[str, str | float]


@dataclass(frozen=True)
class Split:
    """Targets of a split.

    Attributes:
        corpus: its clips.
        scores: per clip, (T,) target scores.
        truths: per clip, the true keyframes.
    """

    corpus: Corpus
    scores: list[np.ndarray]
    truths: list[Truth]

    @classmethod
    def of(cls, corpus: Corpus, c_ref: float) -> "Split":
        """Targets of a corpus for this c_ref."""
        scores = [targets.score(labels.change, c_ref) for labels in corpus.labels]
        truths = [true_keyframes(score, fps) for score, fps in zip(scores, corpus.fps, strict=True)]
        return cls(corpus, scores, truths)


@dataclass(frozen=True)
class Result:
    """One method on a test split.

    Attributes:
        name: of the method.
        search: the parameters chosen on validation.
        errors: of :class:`faceimit.metrics.keyframe.KeyframeErrors`, and the mean correlation with the target.
        scores: per clip.
        keyframes: per clip.
    """

    name: str
    search: SearchParams
    errors: dict[str, float]
    scores: list[np.ndarray]
    keyframes: list[tuple[int, ...]]

    def row(self) -> Row:
        """A flat row of a table."""
        search = {f"search_{name}": value for name, value in asdict(self.search).items() if name != "settle"}
        return {"method": self.name, **self.errors, **search}


def compare(
    scorers: Mapping[str, ClipScore], val: Split, test: Split, advance: Callable[[str], object] = str
) -> list[Result]:
    """Each scorer, its search parameters chosen on `val`, on `test`; `advance` hears of each one that begins."""
    results = []
    for name, scorer in scorers.items():
        advance(name)
        chosen = tune(scores_of(scorer, val), val.truths, val.corpus.fps)
        results.append(measured(name, chosen, scores_of(scorer, test), test))
    return results


def scores_of(scorer: ClipScore, split: Split) -> list[np.ndarray]:
    """Scores of every clip, NaN where the target is unknown."""
    found = []
    for index, target in enumerate(split.scores):
        scores = np.asarray(scorer(split.corpus, index), dtype=np.float64)
        found.append(np.where(np.isfinite(target), scores, np.nan))
    return found


def measured(name: str, search: SearchParams, scores: Sequence[np.ndarray], split: Split) -> Result:
    """Errors of these scores with this search."""
    errors, keyframes, correlations = KeyframeErrors(), [], []
    for score, target, truth, fps in zip(scores, split.scores, split.truths, split.corpus.fps, strict=True):
        found = find_keyframes(score, fps, search)
        errors.update(found, truth.strong, len(score), truth.weak)
        keyframes.append(found)
        correlations.append(pearson(score, target))
    values = {key: float(value) for key, value in errors.compute().items()}
    return Result(name, search, values | {"correlation": float(np.mean(correlations))}, list(scores), keyframes)


def classical(name: str, train: Corpus, most: int = 8) -> ClipScore:
    """A classical method, its reference the 95th percentile of its raw scores over (some of) the training clips."""
    chosen = range(0, len(train), max(1, len(train) // most))
    raw = [_without_gaps(name, train, index) for index in list(chosen)[:most]]
    method = make_method(name, reference=targets.reference(raw))

    def score(corpus: Corpus, index: int) -> np.ndarray:
        clip = corpus[index]
        return method.score(clip.frames, clip.fps, clip.annotation.valid)

    return score


def ceiling(split_of: Mapping[int, Split], seed: int = 0) -> ClipScore:
    """The true score plus noise: what a perfect scorer with a small error would reach."""

    def score(corpus: Corpus, index: int) -> np.ndarray:
        return noisy_truth(split_of[id(corpus)].scores[index], seed * 1000 + index)

    return score


def network(scorer: StreamingScorer) -> ClipScore:
    """A trained network, fed frame by frame as a video would be."""

    def run(corpus: Corpus, index: int) -> np.ndarray:
        clip = corpus[index]
        scorer.start(clip.fps)
        pushed = [
            scorer.push(frame if ok else None) for frame, ok in zip(clip.frames, clip.annotation.valid, strict=True)
        ]
        return np.array([score for scores in pushed for score in scores] + scorer.finish())

    return run


def clip_rows(results: Iterable[Result], split: Split) -> list[Row]:
    """Errors of each method on each clip."""
    rows: list[Row] = []
    for result in results:
        for index, (keyframes, truth) in enumerate(zip(result.keyframes, split.truths, strict=True)):
            errors = KeyframeErrors()
            frames = len(split.scores[index])
            errors.update(keyframes, truth.strong, frames, truth.weak)
            values: Row = {name: float(value) for name, value in errors.compute().items()}
            clip = split.corpus[index]
            about: Row = {"method": result.name, "clip": clip.name, "frames": frames, "true": len(truth.strong)}
            rows.append(about | values)
    return rows


def _without_gaps(name: str, corpus: Corpus, index: int) -> np.ndarray:
    clip = corpus[index]
    return make_method(name).score(clip.frames, clip.fps, clip.annotation.valid)

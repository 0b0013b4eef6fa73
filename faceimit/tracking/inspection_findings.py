"""What an inspection means: findings in sentences, with what to do about them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from faceimit.data.checks import counts
from faceimit.tracking.inspection import Inspection
from faceimit.tracking.page import Finding, Level
from faceimit.words import plural

NAMED = 5  # names in a sentence
NARROW = 0.3  # share of its range below which a value hardly moves
COARSE = 0.02  # of the range: steps above this are seen in the motion
NOISY = 0.01  # of the range
LATE = 0.75  # frames by which pictures may not come late or early
# blendshapes that MediaPipe's model names, but leaves at 0 or nearly so
UNTOLD = frozenset(["tongueOut", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"])
LEAKING = 0.02  # of the frames compared
SPARSE_EVENTS = 0.7  # share of still frames above which events drown


def findings_of(found: Inspection) -> list[Finding]:
    """All findings, in the order of the report."""
    rules = (
        _labels,
        _clips,
        _problems,
        _rates,
        _faces,
        _stuck,
        _limits,
        _ranges,
        _coverage,
        _alignment,
        _grain,
        _leaks,
        _events,
    )
    return [finding for rule in rules for finding in rule(found)]


def listed(names: Iterable[Any], most: int = NAMED) -> str:
    """``a, b, c and 4 more``."""
    names = [str(name) for name in names]
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _clips(found: Inspection) -> Iterator[Finding]:
    facts = found.source.facts
    splits = {fact.split for fact in facts} - {""}
    missing = [split for split in ("train", "val", "test") if split not in splits]
    if splits and missing:
        text = f"No clip for {' and '.join(missing)}."
        yield Finding(
            "bad" if "train" in missing else "warn", text, "A split cannot be empty for a whole training run."
        )
    empty = counts.empty_clips(facts)
    if empty:
        text = f"{len(empty):,} of {plural(len(facts), 'clip')} without a usable frame: {listed(empty)}."
        yield Finding("bad" if len(empty) == len(facts) else "warn", text, "They add nothing; leave them out.")


def _problems(found: Inspection) -> Iterator[Finding]:
    problems = found.source.problems
    if problems:
        text = f"{plural(len(problems), 'file or row')} could not be used, or only in part. The first: {problems[0]}"
        yield Finding("warn", text.rstrip(".") + ".", "All of them are listed under Left out.")
    if found.unreadable:
        name, reason = next(iter(found.unreadable.items()))
        text = f"{plural(len(found.unreadable), 'clip')} could not be read, the first is {name}: {reason}."
        yield Finding("warn", text, "What is said of pictures leaves them out.")


def _labels(found: Inspection) -> Iterator[Finding]:
    if found.source.vocabulary is None:
        text = "The videos are not annotated: this report holds only what the files show by themselves."
        yield Finding("warn", text, "Annotate them with faceimit-annotate, then inspect the store.")


def _rates(found: Inspection) -> Iterator[Finding]:
    rates = counts.frame_rates(found.source.facts)
    if len(rates) > 1:
        listing = listed(f"{rate:g} fps ({count:,})" for rate, count in rates.items())
        level: Level = "warn" if max(rates) / min(rates) > 1.1 else "ok"
        yield Finding(
            level, f"Mixed frame rates: {listing}.", "Targets are scaled to 25 fps; windows differ in length."
        )
    elif rates:
        yield Finding("ok", f"One frame rate: {next(iter(rates)):g} fps.")


def _faces(found: Inspection) -> Iterator[Finding]:
    share = counts.split_counts(found.source.facts)[-1].valid_share
    if not np.isfinite(share):
        return
    level: Level = "ok" if share >= 0.95 else "warn" if share >= 0.5 else "bad"
    advice = (
        "" if level == "ok" else "Frames without a face are left out of losses and metrics; look at the worst clips."
    )
    yield Finding(level, f"{share:.1%} of the frames are annotated.", advice)


def _stuck(found: Inspection) -> Iterator[Finding]:
    if not found.values:
        return
    what, total = found.source.vocabulary.what, len(found.values)  # type: ignore[union-attr]
    stuck = [value.name for value in found.values if value.stuck]
    if not stuck:
        yield Finding("ok", f"All {total} {what} move.")
        return
    verb = "never moves" if len(stuck) == 1 else "never move"
    advice = "Nothing can be learnt of a value that is always the same."
    if what != "controls" and UNTOLD.issuperset(stuck):
        advice = "Expected of MediaPipe, which never or hardly ever reports these."
    level: Level = "bad" if what == "controls" else "warn"
    yield Finding(level, f"{len(stuck)} of {total} {what} {verb}: {listed(stuck)}.", advice)


def _limits(found: Inspection) -> Iterator[Finding]:
    vocabulary = found.source.vocabulary
    if vocabulary is None:
        return
    hard = dict(zip(vocabulary.names, vocabulary.hard.tolist(), strict=True))
    outside = [value for value in found.values if value.outside and hard[value.name]]
    missing = [value for value in found.values if value.missing]
    if outside:
        worst = listed(f"{v.name} ({v.smallest:.3g} to {v.largest:.3g})" for v in outside)
        yield Finding("bad", f"Values beyond the range: {worst}.", "Check units and order of the values.")
    if missing:
        yield Finding("bad", f"Values that are no numbers: {listed(value.name for value in missing)}.")


def _ranges(found: Inspection) -> Iterator[Finding]:
    narrow = [value for value in found.values if value.coverage < NARROW and not value.stuck]
    if narrow:
        what = found.source.vocabulary.what  # type: ignore[union-attr]
        narrow.sort(key=lambda value: value.coverage)
        listing = listed(f"{value.name} ({value.coverage:.0%})" for value in narrow)
        text = f"{len(narrow)} of {len(found.values)} {what} visit less than {NARROW:.0%} of their range: {listing}."
        yield Finding("warn", text, "Record poses in which they do, see What to record next.")


def _coverage(found: Inspection) -> Iterator[Finding]:
    covered = found.coverage
    if covered is None:
        return
    total = len(found.values)
    text = (
        f"The values vary along about {covered.dimensions:.1f} independent directions of {total}, and pairs of values "
        f"visit {covered.overall:.0%} of what even samples would."
    )
    robot = found.source.vocabulary.what == "controls"  # type: ignore[union-attr]
    narrow = robot and (covered.overall < 0.3 or covered.dimensions < total / 4)
    advice = "A network trained on it has not seen most combinations; see What to record next." if narrow else ""
    yield Finding("warn" if narrow else "ok", text, advice)


def _alignment(found: Inspection) -> Iterator[Finding]:
    sure = {i: a.offset for i, a in found.alignments.items() if a.confident}
    if not found.alignments:
        return
    if not sure:
        text = f"In none of the {plural(len(found.alignments), 'clip')} looked at does the motion tell the offset."
        yield Finding("warn", text, "More motion or longer clips are needed to check that pictures and labels agree.")
        return
    middle = round(float(np.median(list(sure.values()))), 2) + 0.0  # no minus before a zero
    if abs(middle) >= LATE:
        text = f"Pictures come {_late(middle)} the labels (median of {plural(len(sure), 'clip')})."
        yield Finding("bad", text, "Shift one of the streams before training; the error is learnt otherwise.")
    else:
        text = (
            f"Pictures and labels belong together: median offset {middle:+.2f} frames in {plural(len(sure), 'clip')}."
        )
        yield Finding("ok", text)
    odd = {i: offset for i, offset in sure.items() if abs(offset - middle) >= LATE}
    if odd:
        names = listed(f"{found.source.facts[i].name} ({offset:+.1f} frames)" for i, offset in odd.items())
        verb = "differs" if len(odd) == 1 else "differ"
        text = f"{len(odd)} of {plural(len(sure), 'clip')} {verb} from the others in time: {names}."
        # about one such offset in eight was wrong on rendered clips that no setting was chosen on
        advice = (
            "Plus: the pictures come late. One clip alone can mislead: look at it before shifting or leaving it out."
        )
        yield Finding("warn", text, advice)


def _late(offset: float) -> str:
    return f"{abs(offset):.1f} frames {'after' if offset > 0 else 'before'}"


def _grain(found: Inspection) -> Iterator[Finding]:
    if not found.grains or found.source.vocabulary is None:
        return
    spans = (found.source.vocabulary.high - found.source.vocabulary.low).tolist()
    coarse = [grain.name for grain, span in zip(found.grains, spans, strict=True) if grain.step > COARSE * span]
    noisy = [grain.name for grain in found.grains if grain.noise > NOISY]
    if coarse:
        text = f"{len(coarse)} of {len(found.grains)} values are rounded to steps above {COARSE:.0%} of their range: "
        yield Finding("warn", f"{text}{listed(coarse)}.", "Such steps show as jumps; write values out more finely.")
    if noisy:
        text = (
            f"{len(noisy)} of {len(found.grains)} values shake by more than {NOISY:.0%} of their range from frame to "
        )
        yield Finding("warn", f"{text}frame: {listed(noisy)}.", "Smooth them before they become targets.")
    known = [grain for grain in found.grains if np.isfinite(grain.noise)]
    if known and not coarse and not noisy:
        worst = max(known, key=lambda grain: grain.noise)
        text = f"Labels are fine and clean: noise of at most {worst.noise:.2%} of the range ({worst.name})."
        yield Finding("ok", text)


def _leaks(found: Inspection) -> Iterator[Finding]:
    if found.shared_people:
        text = f"In several splits ({len(found.shared_people):,}): {listed(found.shared_people)}."
        yield Finding("bad", text, "Split by person or recording, or what is measured is memory.")
    if found.shared_files:
        names = listed(" = ".join(clips) for clips in found.shared_files.values())
        yield Finding("bad", f"The same file is in several splits: {names}.", "Keep one copy.")
    elif found.repeated:
        names = listed(" = ".join(clips) for clips in found.repeated)
        yield Finding("warn", f"The same file is there more than once: {names}.", "Keep one copy.")
    if found.duplicates:
        yield _duplicates(found)
    elif found.split and found.looked and not found.shared_people and not found.shared_files:
        text = (
            f"No leak between the splits: no person, file or picture is shared ({len(found.looked)} clips looked at)."
        )
        yield Finding("ok", text)


def _duplicates(found: Inspection) -> Finding:
    facts = found.source.facts
    pairs = dict.fromkeys((pair.clip, pair.other_clip) for pair in found.duplicates)
    names = listed(f"{facts[a].name} and {facts[b].name}" for a, b in pairs)
    if found.split:
        share = len(found.duplicates) / found.compared
        text = (
            f"{len(found.duplicates):,} of {plural(found.compared, 'frame')} compared are shown in two splits: {names}."
        )
        if share < LEAKING:
            return Finding(
                "warn", text, "So few may be the same resting face; look whether they are the same recording."
            )
        return Finding("bad", text, "What is measured on them is memory; keep such clips in one split.")
    text = f"{plural(len(pairs), 'pair')} of clips show the same pictures: {names}."
    return Finding("warn", text, "Keep them in one split.")


def _events(found: Inspection) -> Iterator[Finding]:
    events = found.events
    if events is None:
        return
    text = f"{events.a_second:.2f} true keyframes a second, {events.still_share:.0%} of the frames hold still."
    sparse = events.still_share > SPARSE_EVENTS
    yield Finding(
        "warn" if sparse else "ok", text, "Draw windows around events, see data.candidates." if sparse else ""
    )


def names_of(pairs: Sequence[tuple[str, float]]) -> str:
    """``Jaw Pitch 0.12, Head Yaw -20``."""
    return ", ".join(f"{name} {value:.2g}" for name, value in pairs)

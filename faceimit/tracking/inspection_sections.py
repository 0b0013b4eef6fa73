"""The parts of a report on a data set: each says in tables and figures what one check found."""

from collections.abc import Iterator, Sequence

import numpy as np

from faceimit.data.checks import counts
from faceimit.data.checks.leakage import Duplicate
from faceimit.data.checks.values import Distribution, Grain
from faceimit.tracking import inspection_figures as figures
from faceimit.tracking.inspection import PRINTED, Inspection
from faceimit.tracking.inspection_findings import NARROW, names_of
from faceimit.tracking.page import Bars, Block, Cell, Figures, Level, Mark, Table, Text
from faceimit.words import plural

MOST_ROWS = 40
MOST_USUAL = 12  # frame rates and sizes listed
VALUE_COLUMNS = ("name", "distribution", "range", "min", "max", "covered %", "outside", "distinct", "step")
VALUE_COLUMNS += ("noise %", "jitter %", "verdict")
VALUE_CAPTION = (
    "Covered: share of 20 equal parts of the range that some frame visits. Bars: by square root. Step: of the grid "
    "that the values lie on, if they do. Noise: what changes from frame to frame without being motion; jitter: the "
    "same while nothing moves; both in % of the range."
)


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3.4 h``; nothing where no frame rate is known."""
    if not seconds:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def amounts(found: Inspection) -> Iterator[Block]:
    """Counts, frame rates, sizes and lengths."""
    rows: list[list[Cell]] = []
    for row in counts.split_counts(found.source.facts):
        valid = f"{row.valid_share:.1%}" if np.isfinite(row.valid_share) else ""
        span: list[Cell] = [row.shortest, row.median, row.longest] if row.looked else [None] * 3
        cells: list[Cell] = [row.split, row.clips, row.identities or None, row.frames, duration(row.seconds)]
        rows.append([*cells, *span, valid])
    columns = ["split", "clips", "identities", "frames", "duration", "shortest", "median", "longest", "annotated"]
    yield Table(columns, rows, caption="Lengths are in frames.", total=len(rows) > 1)
    rates = [(rate, count) for rate, count in counts.frame_rates(found.source.facts).items()]
    sizes = [(f"{w} × {h}", count) for (w, h), count in counts.resolutions(found.source.facts).items()]
    if len(rates) > 1:
        yield Table(["frames per second", "clips"], rates[:MOST_USUAL], heading="Frame rates")
    if sizes:
        yield Table(["pixels", "clips"], sizes[:MOST_USUAL], heading="Sizes of the picture")
    lengths = [fact.frames for fact in found.source.facts if fact.frames is not None]
    if len(set(lengths)) > 3:
        yield Figures([figures.length_figure(lengths)])


def values(found: Inspection) -> Iterator[Block]:
    """Distribution, granularity and noise of each value."""
    if not found.values:
        return
    grains = {grain.name: grain for grain in found.grains}
    rows: list[list[Cell]] = []
    for value in found.values:
        grain = grains.get(value.name)
        bars = Bars(value.histogram.tolist(), f"{value.name} from {value.low:g} to {value.high:g}")
        row: list[Cell] = [value.name, bars, f"{value.low:g} to {value.high:g}", *_extremes(value)]
        row += [round(100 * value.coverage), value.outside or None]
        row += [None] * 4 if grain is None else [grain.distinct, grain.step or None, *_noise(grain)]
        rows.append([*row, Mark(_verdict(value))])
    yield Table(VALUE_COLUMNS, rows, caption=VALUE_CAPTION)


def _verdict(value: Distribution) -> Level:
    if value.outside or value.missing:
        return "bad"
    return "warn" if value.stuck or value.coverage < NARROW else "ok"


def _extremes(value: Distribution) -> list[Cell]:
    """Smallest and largest, to a thousandth of the range."""
    decimals = 3 - int(np.floor(np.log10(value.high - value.low)))
    return [round(x, decimals) + 0.0 if np.isfinite(x) else None for x in (value.smallest, value.largest)]


def _noise(grain: Grain) -> list[Cell]:
    return [round(100 * x, 2) if np.isfinite(x) else None for x in (grain.noise, grain.jitter)]


def coverage(found: Inspection) -> Iterator[Block]:
    """How well the space of values is covered."""
    covered = found.coverage
    if covered is None or found.source.vocabulary is None:
        return
    rows: list[list[Cell]] = [
        ["pairs of values visit, of what even samples would", covered.overall, 1.0],
        ["independent directions (participation ratio)", covered.dimensions, float(len(found.values))],
        ["distance of a pose to its nearest neighbour, median", covered.gap_median, covered.even_gap],
        ["the same, largest", covered.gap_largest, None],
        ["distance from any pose to the nearest recorded, median", covered.reach, covered.even_reach],
        ["convex hull in the leading plane, of all that is possible", covered.hull_share, covered.even_hull_share],
    ]
    rows = [[round(cell, 3) if isinstance(cell, float) else cell for cell in row] for row in rows]
    caption = "Distances are root mean squares over the values as shares of their range: 1 is from corner to corner."
    yield Table(["how well the space of values is covered", "recorded", "evenly drawn"], rows, caption=caption)
    names = found.source.vocabulary.names
    yield Figures(
        [figures.plane_figure(covered), figures.variance_figure(covered), figures.pair_figure(covered, names)]
    )


def proposals(found: Inspection) -> Iterator[Block]:
    """What to record next."""
    if not found.proposals:
        return
    yield Text(
        [
            "Poses farthest from all that was recorded, and from each other. Each is made of parts that were recorded "
            "(brows of one frame, mouth of another: they move independently), with at most one value moved to an end "
            "of its range that nobody has visited. Named are the values that set a pose apart; --json has all."
        ]
    )
    rows: list[list[Cell]] = [[i + 1, names_of(p.why), round(p.gap, 3)] for i, p in enumerate(found.proposals)]
    yield Table(["", "pose", "distance"], rows)


def alignment(found: Inspection) -> Iterator[Block]:
    """Offset of pictures and labels."""
    if not found.alignments:
        return
    facts = found.source.facts
    order = sorted(
        found.alignments, key=lambda i: (not found.alignments[i].confident, -abs(found.alignments[i].offset))
    )
    known = [i for i in order if np.isfinite(found.alignments[i].offset)]
    if known:
        rates = [facts[i].fps if facts[i].fps > 0 else 25.0 for i in known]
        yield Figures([figures.alignment_figure([found.alignments[i] for i in known], rates)])
    rows: list[list[Cell]] = []
    for i in order[:MOST_ROWS]:
        one = found.alignments[i]
        if not one.confident:
            rows.append([facts[i].name, None, _share(one.correlation), _share(one.chance), "motion does not tell"])
            continue
        rows.append([facts[i].name, round(one.offset, 2), _share(one.correlation), _share(one.chance), "sure"])
    caption = (
        "Offset in frames; plus: the picture comes after the labels. An offset counts where its correlation beats luck."
    )
    yield Table(["clip", "offset", "correlation", "luck", ""], rows, caption=caption)


def _share(value: float) -> Cell:
    return round(value, 2) if np.isfinite(value) else None


def leaks(found: Inspection) -> Iterator[Block]:
    """What splits, or clips, share."""
    if not found.looked and not found.shared_people and not found.repeated:
        return
    checked = "identities, file hashes and pictures" if found.split else "file hashes and pictures"
    text = f"Compared: {checked}."
    if found.looked:
        text += (
            f" Pictures of {plural(len(found.looked), 'clip')}, up to {PRINTED} of each, count as the same below an "
            f"RMS difference of {found.same_below:.1f} grey levels."
        )
    yield Text([text])
    if found.shared_people:
        rows: list[list[Cell]] = [
            [name, len(clips), ", ".join(clips[:4])] for name, clips in list(found.shared_people.items())[:MOST_ROWS]
        ]
        yield Table(["identity or recording", "clips", "such as"], rows, heading="In several splits")
    if found.repeated:
        yield Table(
            ["clips"], [[", ".join(names[:8])] for names in found.repeated[:MOST_ROWS]], heading="The same file"
        )
    if found.duplicates:
        rows = [list(named(found, pair).values()) for pair in found.duplicates[:MOST_ROWS]]
        yield Table(["clip", "frame", "shown again in", "frame", "difference"], rows, heading="The same picture")


def named(found: Inspection, pair: Duplicate) -> dict[str, Cell]:
    """Clips and frames of two that show the same, by name."""
    facts = found.source.facts
    one, other = facts[pair.clip], facts[pair.other_clip]
    return {
        "clip": f"{one.name} ({one.split})" if one.split else one.name,
        "frame": pair.frame,
        "other": f"{other.name} ({other.split})" if other.split else other.name,
        "other_frame": pair.other_frame,
        "difference": round(pair.difference, 2),
    }


def events(found: Inspection) -> Iterator[Block]:
    """Statistics of the target score."""
    events = found.events
    if events is None:
        return
    rows: list[list[Cell]] = [
        ["c_ref (95th percentile of the change)", round(events.c_ref, 4)],
        ["true keyframes", events.keyframes],
        ["true keyframes a second", round(events.a_second, 2)],
        ["frames that hold still (score below 0.1) %", round(100 * events.still_share, 1)],
    ]
    yield Table(["of the target score", "value"], rows)
    yield Figures([figures.score_figure(events)])


def problems(found: Inspection) -> Iterator[Block]:
    """What could not be used."""
    problems = [*found.source.problems, *(f"{name}: {why}" for name, why in found.unreadable.items())]
    if problems:
        more = "" if len(problems) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(problems):,}."
        yield Table(["what and why"], [[problem] for problem in problems[:MOST_ROWS]], caption=more)


def metrics(found: Inspection) -> Iterator[Block]:
    """Figures of a run."""
    if found.source.metrics:
        yield Table(["metric", "value"], [[name, float(value)] for name, value in found.source.metrics.items()])


def how(found: Inspection) -> Sequence[str]:
    """How much was looked at."""
    total = len(found.source.facts)
    lines = []
    if found.values:
        lines.append(
            f"Values: {found.rows:,} frames with labels of {found.read:,} of {plural(total, 'clip')}, evenly spread."
        )
    if found.looked:
        lines.append(
            f"Pictures: the first frames of {len(found.looked):,} of {plural(total, 'clip')}, {found.frames_looked:,} "
            "in all."
        )
    return lines or ["Only facts of the files were read."]

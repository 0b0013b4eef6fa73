"""An inspection as a page for people and as JSON for programs."""

from dataclasses import asdict
from typing import Any

import numpy as np

import faceimit
from faceimit.data.checks import counts
from faceimit.tracking import inspection_sections as sections
from faceimit.tracking.inspection import Inspection
from faceimit.tracking.inspection_findings import findings_of
from faceimit.tracking.page import Findings, Page, Section, Text
from faceimit.words import plural


def page_of(found: Inspection) -> Page:
    """The whole report."""
    total = counts.split_counts(found.source.facts)[-1]
    facts = [("clips", f"{total.clips:,}")]
    # where not every clip was opened, what is known of those that were
    known = "" if total.looked == total.clips else f" in {plural(total.looked, 'clip')} opened"
    if total.frames:
        facts.append((f"frames{known}", f"{total.frames:,}"))
    if total.seconds:
        facts.append((f"duration{known}", sections.duration(total.seconds)))
    if total.identities:
        facts.append(("identities", f"{total.identities:,}"))
    if np.isfinite(total.valid_share):
        facts.append(("annotated frames", f"{total.valid_share:.1%}"))
    facts += list(found.source.about)
    parts = (
        Section("Findings", [Findings(findings_of(found))]),
        Section("How much there is", list(sections.amounts(found))),
        Section("Values", list(sections.values(found))),
        Section("Coverage", list(sections.coverage(found))),
        Section("What to record next", list(sections.proposals(found))),
        Section("Pictures and labels in time", list(sections.alignment(found))),
        Section("Shared between splits" if found.split else "Shared between clips", list(sections.leaks(found))),
        Section("Events", list(sections.events(found))),
        Section("Left out", list(sections.problems(found))),
        Section("Figures of the run", list(sections.metrics(found))),
        Section("How this was measured", [Text(sections.how(found))]),
    )
    return Page(
        title=found.source.path.resolve().name,
        sections=[part for part in parts if part.blocks],
        subtitle=f"{found.source.kind} at {found.source.path}",
        facts=facts,
        footer=f"faceimit {faceimit.__version__}",
    )


def as_json(found: Inspection) -> dict[str, Any]:
    """Everything in numbers; what is not known is null."""
    facts = found.source.facts
    content = {
        "path": str(found.source.path),
        "kind": found.source.kind,
        "findings": [asdict(finding) for finding in findings_of(found)],
        "splits": [asdict(row) for row in counts.split_counts(facts)],
        "frame_rates": {f"{rate:g}": count for rate, count in counts.frame_rates(facts).items()},
        "resolutions": {f"{w}x{h}": count for (w, h), count in counts.resolutions(facts).items()},
        "values": [asdict(value) for value in found.values],
        "grains": [asdict(grain) for grain in found.grains],
        "coverage": _coverage_numbers(found),
        "record_next": _poses(found),
        "alignment": [
            {"clip": facts[i].name, "offset": a.offset, "correlation": a.correlation, "confident": a.confident}
            for i, a in found.alignments.items()
        ],
        "leakage": {
            "identities": found.shared_people,
            "files": list(found.shared_files.values()),
            "repeated_files": found.repeated,
            "pictures": [sections.named(found, pair) for pair in found.duplicates],
        },
        "events": None if found.events is None else asdict(found.events),
        "problems": list(found.source.problems),
        "unreadable": found.unreadable,
        "metrics": dict(found.source.metrics),
        "read": {"clips": found.read, "frames": found.rows},
        "looked": {"clips": len(found.looked), "frames": found.frames_looked},
    }
    return _plain(content)


def _poses(found: Inspection) -> list[dict[str, Any]]:
    names = () if found.source.vocabulary is None else found.source.vocabulary.names
    return [
        {"gap": pose.gap, "unusual": dict(pose.why), "values": dict(zip(names, pose.values, strict=True))}
        for pose in found.proposals
    ]


def _coverage_numbers(found: Inspection) -> dict[str, Any] | None:
    if found.coverage is None:
        return None
    left_out = {"pairs", "plane", "even_plane"}
    return {name: value for name, value in vars(found.coverage).items() if name not in left_out}


def _plain(value: Any) -> Any:
    """Nested content with Python's own types, None for what is not finite."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value

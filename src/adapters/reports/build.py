"""RunReport to Document: which sections a report has, in which order."""

from __future__ import annotations

from ...messages.report import RunReport
from . import (
    dialectic,
    disputes,
    excerpts,
    fairness,
    glossary,
    inputs,
    overview,
    process,
    racing,
    results,
    topology,
    usage,
    voting,
)
from .document import Document

__all__ = ["build_document"]


def build_document(report: RunReport) -> Document:
    """Pure: the same report gives the same document."""
    headline, tone = overview.headline(report)
    sections = (
        results.comparison_section(report),
        results.result_section(report),
        results.distribution_section(report),
        excerpts.excerpt_section(report),
        fairness.fairness_section(report),
        voting.vote_section(report),
        disputes.disagreement_section(report),
        dialectic.dialectic_section(report),
        racing.hedging_section(report),
        racing.slowest_section(report),
        process.training_section(report),
        topology.topology_section(report),
        inputs.data_section(report),
        inputs.guardrail_section(report),
        process.stage_section(report),
        process.provenance_section(report),
        glossary.glossary_section(report),
    )
    return Document(
        title=report.experiment.id,
        headline=headline,
        tone=tone,
        verdicts=tuple(overview.verdicts(report)),
        facts=tuple(overview.facts(report)),
        sections=tuple(section for section in sections if section is not None),
        usage=usage.usage_table(report),
    )

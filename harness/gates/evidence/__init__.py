"""Stored scores of two sides -> the difference that a claim is about. All code that a remembered difference depends on."""

from harness.gates.evidence.difference import ALPHA, Evidence, Loud, Missing, evidence
from harness.gates.evidence.rated import rating_evidence

__all__ = ["ALPHA", "Evidence", "Loud", "Missing", "evidence", "rating_evidence"]

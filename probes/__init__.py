"""Synthetic completion probes: operations of our own that prove the path works end to end."""

from probes.http import HttpPath
from probes.probe import Path, Probe, ProbeFailed, ProbeRun

__all__ = ["HttpPath", "Path", "Probe", "ProbeFailed", "ProbeRun"]

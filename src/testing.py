"""Tools to test stages and plug-ins: actors on virtual time, and probes that record what they are sent."""

from .actors.testkit import Probe, TestKit

__all__ = ["Probe", "TestKit"]

"""Existing spans and logs as events: mappings (``lifecycle.mapping``) applied to what comes in."""

from collector.mapping.logs import map_logs
from collector.mapping.mapper import Lacking, Mapped, Mapper
from collector.mapping.observed import Observed
from collector.mapping.sampler import Sampler

__all__ = ["Lacking", "Mapped", "Mapper", "Observed", "Sampler", "map_logs"]

"""The standard words of a zoning map: land uses and column names. Plain tuples, so that whoever needs only the words loads no geometry."""

from __future__ import annotations

LAND_USES = (
    "residential", "mixed", "business", "industry", "logistics", "education", "health", "recreation", "agriculture",
    "infrastructure", "open",
)  # fmt: skip
"""Standard land uses; a zone's land use is a code into this tuple."""

STANDARD_COLUMNS = (
    "zone", "name", "land_use", "district", "settlement", "floor_area_ratio", "coverage", "dwellings_existing", "dwellings_planned",
    "residents_existing", "jobs_existing", "jobs_planned", "outside",
)  # fmt: skip
"""Columns a map may have; only geometry and land_use are required."""

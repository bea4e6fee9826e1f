"""The report: one HTML file that opens offline, and its figures as PNG and SVG. Reads Arrow and JSON only, no model code.

`report(out)` in `alatau_sim.report.build` does everything; what it cannot know is what the study did not record, and it says so.
"""

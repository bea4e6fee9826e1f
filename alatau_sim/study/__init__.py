"""Studies: many runs (scenario, world, replicate) that belong together, run on this machine and written into one folder."""

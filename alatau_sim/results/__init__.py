"""Results: recorded while a run goes, read back, compared and handed on. Nothing here imports the model."""

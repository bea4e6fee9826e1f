"""Settings of the whole suite: examples are the same in every run, and no test fails because the machine was busy."""

from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

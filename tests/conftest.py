"""What holds for all tests."""

from hypothesis import settings

# Examples have no time limit: on a busy machine one of them may take a second for no fault of its own.
settings.register_profile("crucible", deadline=None)
settings.load_profile("crucible")

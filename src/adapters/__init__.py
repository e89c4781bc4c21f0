"""The outside world, each part behind a port of `actors.ports`; found by name, never imported by an actor."""

"""The daemon: works through the durable queue under supervision.

``supervisor`` is the root of its actors, ``decisions`` holds what they decide, ``feed`` what can be watched.
"""

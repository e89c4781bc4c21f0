"""When to race a duplicate against a slow request: pure decisions, without clocks, sockets or tasks.

``plan`` holds the records, ``registry`` builds policies from a configuration, ``budget`` and ``breaker`` say
whether a duplicate or a request may be sent at all.
"""

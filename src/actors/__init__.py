"""The actors: the runtime they live in, the stages of a run, and the ports through which they see outside."""

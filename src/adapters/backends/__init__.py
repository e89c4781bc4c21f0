"""Models behind the ports Backend, Session and Sampler: one module or package for each backend."""

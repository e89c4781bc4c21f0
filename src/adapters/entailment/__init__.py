"""Ways to score how far a document bears out a claim."""

"""Notes: what is told of a call, as rows of the tables."""

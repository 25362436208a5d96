"""A local Millis: the caller's side of the socket, and the terminal that plays it."""

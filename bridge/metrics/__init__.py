"""What is counted of calls and of the process, as Prometheus reads it."""

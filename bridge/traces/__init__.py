"""The spans of calls, as OpenTelemetry has them (its packages are an extra)."""

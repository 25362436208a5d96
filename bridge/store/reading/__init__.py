"""The record as it is read: lists, calls, and what a call is told of earlier ones."""

"""What is still to be done about calls that are over, on disk until it is done."""

"""The cases: a file for some sections of the catalogue, each case under its id."""

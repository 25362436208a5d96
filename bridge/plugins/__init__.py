"""The user's own files, `tools/*.py` and `prompts/*.md`: loaded aside, checked, swapped in."""

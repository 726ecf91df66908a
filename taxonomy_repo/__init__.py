"""The taxonomy as a git repository: its documents, checks and store. Knows no Django and no torch."""

"""Template tags of askings."""

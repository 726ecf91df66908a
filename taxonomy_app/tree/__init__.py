"""The database's index of the taxonomy, rebuilt from git at will; browsing and search."""

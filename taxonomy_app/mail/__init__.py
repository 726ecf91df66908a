"""E-mail: what goes out, to whom, and what became of it."""

"""GPU work: a spec in, an artifact and reports out. Knows no Django and no database."""

"""How the pages write dates, by language: one folder each, named as the language."""

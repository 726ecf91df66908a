"""Taxonomies that come in and go out: import, export, remotes on code hosts, documents that lie elsewhere."""

"""Releases, scores, comparison and the dashboard."""

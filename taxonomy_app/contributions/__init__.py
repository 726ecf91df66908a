"""Drafts, submissions, review, and the outbox that commits what was approved."""

"""Pages of drafts (authoring), of submissions and their authors (submissions), and of reviewers (reviewing)."""

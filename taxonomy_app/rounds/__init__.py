"""Planning, dispatching and following rounds."""

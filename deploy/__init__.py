"""Setting up and running Seedbed on one machine."""

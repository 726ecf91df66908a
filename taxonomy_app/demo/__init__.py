"""The demonstration: accounts and a leaf to teach, and the program that plays the main job through the pages."""

"""The demonstration: the main job played once through the site's own pages, by three people."""

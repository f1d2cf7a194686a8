"""What keeps a node honest about itself: threads under one supervisor, and whether it can do its work."""

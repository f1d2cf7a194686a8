"""What a node does for its callers (API, pages, command line, peers): one module for each trade."""

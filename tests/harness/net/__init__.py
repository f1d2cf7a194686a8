"""Real networks for tests: processes on loopback, made with the command line's own code."""

"""The demo: six nodes on loopback, one scenario, one address."""

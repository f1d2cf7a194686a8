"""What tests share: ledgers, worlds, clusters, networks."""

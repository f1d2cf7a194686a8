"""Receipts: made on demand, and checked away from any node."""

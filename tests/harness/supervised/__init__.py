"""What supervision shows, restated slowly from the issue and the law: `histories.py` runs both."""

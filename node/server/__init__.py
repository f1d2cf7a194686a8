"""The server: who is asked, and who may ask."""

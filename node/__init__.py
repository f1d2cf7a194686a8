NOT_INSTALLED = (
    "it is not installed for this Python: run `make demo` in the clone once, then .venv/bin/comity"
)

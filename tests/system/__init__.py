"""Tests of the whole: the running network, the browser, the documents."""
